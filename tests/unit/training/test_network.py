from pathlib import Path

import pytest
import torch

from converter.checkpoint import load_module
from converter.config import Config, resolve
from converter.errors import CheckpointError, ConfigError
from converter.features import Feature
from converter.training import FeatureMlp, input_spec, reference_factory, save_checkpoint

FEATURES = (
    Feature(name="likes", unit="likes", low=0, high=30, transform="saturate", scale=10),
    Feature(name="distance", unit="km", low=0, high=300, transform="inverse", scale=100),
    Feature(name="agreement", unit="share", low=0, high=1),
)


def config(features: tuple[Feature, ...] = FEATURES, normalization: str = "graph") -> Config:
    return Config.model_validate(
        {
            "name": "small",
            "features": [feature.model_dump() for feature in features],
            "network": {"hidden": [4], "normalization": normalization},
        }
    )


def test_scores_are_probabilities() -> None:
    scores = FeatureMlp(FEATURES)(torch.tensor([[0.0, 0.0, 0.0], [99.0, -5.0, 2.0]]))
    assert scores.shape == (2, 1)
    assert scores.dtype == torch.float32
    assert ((scores > 0) & (scores < 1)).all()


@pytest.mark.parametrize("raw", [[0.0, 0.0, 0.0], [5.0, 25.0, 0.5], [30.0, 300.0, 1.0], [-1.0, -1.0, -1.0]])
def test_the_network_normalises_as_the_contract_says(raw: list[float]) -> None:
    wanted = [feature.normalised(value) for feature, value in zip(FEATURES, raw, strict=True)]
    got = FeatureMlp(FEATURES).normalised(torch.tensor([raw]))
    assert got[0].tolist() == pytest.approx(wanted, abs=1e-6)


def test_normalisation_in_the_client_leaves_values_alone() -> None:
    network = FeatureMlp(FEATURES, normalization="client")
    x = torch.tensor([[0.25, 0.5, 1.0]])
    assert torch.equal(network.normalised(x), x)
    assert not any(name in ("slope", "offset") for name in network.state_dict())


def test_a_checkpoint_brings_its_normaliser(tmp_path: Path) -> None:
    factory = reference_factory(config())
    network = factory()
    save_checkpoint(network, tmp_path / "net.pth")
    loaded = load_module(tmp_path / "net.pth", factory).module
    x = torch.rand(5, 3) * 100
    assert torch.equal(loaded(x), network.eval()(x))


def test_a_checkpoint_of_another_contract_is_refused(tmp_path: Path) -> None:
    save_checkpoint(reference_factory(config())(), tmp_path / "net.pth")
    changed = (FEATURES[0], FEATURES[1].model_copy(update={"scale": 50.0}), FEATURES[2])
    with pytest.raises(CheckpointError, match="another transform of distance") as caught:
        load_module(tmp_path / "net.pth", reference_factory(config(changed)))
    assert "net.pth" in caught.value.where
    assert "train again" in caught.value.hint


def test_a_checkpoint_of_another_normalisation_is_refused(tmp_path: Path) -> None:
    save_checkpoint(reference_factory(config())(), tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"unexpected \(2\): slope, offset"):
        load_module(tmp_path / "net.pth", reference_factory(config(normalization="client")))
    with pytest.raises(CheckpointError, match=r"wrong shape .*slope is \(3\), the network has \(2\)"):
        load_module(tmp_path / "net.pth", reference_factory(config(FEATURES[:2])))


def test_the_input_is_bounded_by_the_features() -> None:
    spec = input_spec(config())
    assert (spec.name, spec.dtype, spec.shape) == ("features", "float32", ("batch", 3))
    assert (spec.low, spec.high) == ((0.0, 0.0, 0.0), (30.0, 300.0, 1.0))
    normalised = input_spec(config(normalization="client"))
    assert (normalised.low, normalised.high) == ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def test_a_config_without_features_has_no_reference_network() -> None:
    with pytest.raises(ConfigError, match="no features"):
        reference_factory(Config(name="empty"))


EXPECTED = {
    "likesGiven": (1 / 10, 0.0),
    "likesReceived": (1 / 10, 0.0),
    "commentsCount": (1 / 50, 0.0),
    "proximityKm": (-1 / 100, 1.0),
    "responseTimeMs": (-1 / 60_000, 1.0),
    "sharedInterestsCount": (1 / 10, 0.0),
    "ageGap": (-1 / 20, 1.0),
    "bigFiveCompatibility": (1.0, 0.0),
}


def test_the_compatibility_contract() -> None:
    resolved = resolve(Path(__file__).parents[3] / "configs" / "compatibility.yaml", {})
    features = resolved.config.features
    assert {feature.name: feature.affine for feature in features} == EXPECTED
    assert [feature.name for feature in features] == list(EXPECTED)
    for feature in features:  # the clamp is exercised, but for the feature that is a share already
        reaches_beyond = feature.high > feature.scale
        assert reaches_beyond == (feature.transform != "identity")
        assert feature.unit
        assert feature.description
    assert resolved.config.outputs == ("score",)

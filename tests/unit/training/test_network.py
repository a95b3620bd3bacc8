from pathlib import Path

import pytest
import torch
from torch import nn

from converter.checkpoint import load_module
from converter.config import Config, resolve
from converter.errors import CheckpointError, ConfigError
from converter.features import Feature
from converter.training.network import FeatureMlp, Logits, input_spec, reference_factory
from converter.training.state import write
from converter.training_settings import NetworkSection

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


def test_the_temperature_divides_the_logits() -> None:
    network = FeatureMlp(FEATURES).eval()
    x = torch.tensor([[3.0, 20.0, 0.5]])
    logit, score = network.logits(x), network(x)
    assert torch.equal(score, torch.sigmoid(logit))
    network.temperature.fill_(2.0)
    assert torch.equal(network(x), torch.sigmoid(logit / 2))
    assert torch.equal(network.logits(x), logit)
    assert network.state_dict()["temperature"] == 2.0


def test_normalisation_in_the_client_leaves_values_alone() -> None:
    network = FeatureMlp(FEATURES, NetworkSection(normalization="client"))
    x = torch.tensor([[0.25, 0.5, 1.0]])
    assert torch.equal(network.normaliser(x), x)
    assert not any("normaliser" in name for name in network.state_dict())


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "silu", "tanh", "elu"])
def test_layers_are_what_the_config_says(norm: str, activation: str) -> None:
    settings = NetworkSection.model_validate(
        {"hidden": [6, 5], "activation": activation, "norm": norm, "dropout": 0.25}
    )
    kinds = [type(layer).__name__.lower() for layer in FeatureMlp(FEATURES, settings).layers]
    norms = {"none": [], "batch": ["batchnorm1d"], "layer": ["layernorm"]}[norm]
    assert kinds == ["linear", *norms, activation, "dropout"] * 2 + ["linear"]


def test_the_logits_of_a_network_that_has_none_come_from_its_probability() -> None:
    network = nn.Sequential(nn.Linear(3, 1), nn.Sigmoid())
    x = torch.rand(5, 3)
    assert torch.allclose(Logits(network)(x), network[0](x).squeeze(1), atol=1e-5)
    assert torch.isfinite(Logits(nn.Sequential(network, nn.Threshold(2.0, 0.0)))(x)).all()  # a probability of 0


def test_a_checkpoint_brings_its_normaliser(tmp_path: Path) -> None:
    factory = reference_factory(config())
    network = factory()
    write(network.state_dict(), tmp_path / "net.pth")
    loaded = load_module(tmp_path / "net.pth", factory).module
    x = torch.rand(5, 3) * 100
    assert torch.equal(loaded(x), network.eval()(x))


def test_a_checkpoint_of_another_contract_is_refused(tmp_path: Path) -> None:
    write(reference_factory(config())().state_dict(), tmp_path / "net.pth")
    changed = (FEATURES[0], FEATURES[1].model_copy(update={"scale": 50.0}), FEATURES[2])
    with pytest.raises(CheckpointError, match="another transform of distance") as caught:
        load_module(tmp_path / "net.pth", reference_factory(config(changed)))
    assert "net.pth" in caught.value.where
    assert "train again" in caught.value.hint


def test_a_checkpoint_of_another_normalisation_is_refused(tmp_path: Path) -> None:
    write(reference_factory(config())().state_dict(), tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"unexpected \(5\): .*normaliser.divide"):
        load_module(tmp_path / "net.pth", reference_factory(config(normalization="client")))
    with pytest.raises(CheckpointError, match=r"wrong shape .*normaliser.low is \(3\), the network has \(2\)"):
        load_module(tmp_path / "net.pth", reference_factory(config(FEATURES[:2])))


def test_the_input_is_bounded_by_the_features() -> None:
    spec = input_spec(config())
    assert (spec.name, spec.dtype, spec.shape) == ("features", "float32", ("batch", 3))
    assert (spec.low, spec.high) == ((0.0, 0.0, 0.0), (30.0, 300.0, 1.0))
    learned = Feature(name="age", unit="years", low=18, high=98, transform="standardize", mean=38, std=10)
    normalised = input_spec(config((*FEATURES, learned), "client"))
    assert (normalised.low, normalised.high) == ((0.0, 0.0, 0.0, -2.0), (1.0, 1.0, 1.0, 6.0))


def test_a_config_without_features_has_no_reference_network() -> None:
    with pytest.raises(ConfigError, match="no features"):
        reference_factory(Config(name="empty"))


EXPECTED = {
    "likesGiven": (10, 0, 10),
    "likesReceived": (10, 0, 10),
    "commentsCount": (50, 0, 50),
    "proximityKm": (100, 100, -100),
    "responseTimeMs": (60_000, 60_000, -60_000),
    "sharedInterestsCount": (10, 0, 10),
    "ageGap": (20, 20, -20),
    "bigFiveCompatibility": (1, 0, 1),
}


def test_the_compatibility_contract() -> None:
    resolved = resolve(Path(__file__).parents[3] / "configs" / "compatibility.yaml", {})
    features = resolved.config.features
    numbers = {one.name: (one.normaliser.high, one.normaliser.subtract, one.normaliser.divide) for one in features}
    assert numbers == EXPECTED
    assert list(numbers) == list(EXPECTED)
    for feature in features:  # the clamp is exercised, but for the feature that is a share already
        reaches_beyond = feature.high > feature.scale
        assert reaches_beyond == (feature.transform != "identity")
        assert feature.high <= torch.finfo(torch.float16).max
        assert feature.unit
        assert feature.description
    assert resolved.config.outputs == ("score",)

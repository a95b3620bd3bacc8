import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.features import Feature
from converter.training.network import FeatureNormaliser
from converter.training.normalise import Normalisation

numbers = st.floats(-1e4, 1e4, width=32)
positive = st.floats(0.015625, 6e4, width=32)


@st.composite
def features(draw: st.DrawFn) -> Feature:
    transform = draw(st.sampled_from(["identity", "saturate", "inverse", "log1p", "standardize"]))
    if transform == "standardize":
        low = draw(numbers)
        high = low + draw(positive)
    else:
        low, high = draw(st.sampled_from([0.0, 0.01, -1.0, -1e4])), draw(positive)
    learned = {"mean": draw(numbers), "std": draw(positive)} if transform == "standardize" else {}
    return Feature.model_validate(
        {"name": "x", "unit": "", "low": low, "high": high, "transform": transform}
        | {"scale": draw(positive)}
        | learned
    )


@settings(max_examples=150)
@given(st.lists(features(), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_numpy_torch_and_the_contract_agree(contract: list[Feature], seed: int) -> None:
    rng = np.random.default_rng(seed)
    ends = np.array([[one.low, one.high, 0.0, one.scale, -1e6, 1e6] for one in contract]).T
    raw = np.concatenate([ends, rng.normal(0, 1e4, (8, len(contract)))]).astype(np.float32)
    normalisation = Normalisation(contract)
    by_numpy = normalisation(raw)
    with torch.no_grad():
        by_torch = FeatureNormaliser(contract)(torch.from_numpy(raw)).numpy()
    by_contract = np.array([[one.normaliser(float(x)) for one, x in zip(contract, row, strict=True)] for row in raw])
    assert by_numpy.dtype == np.float32
    size = np.array([max(map(abs, one.normalised_range)) for one in contract])
    mean = np.array([abs(one.mean or 0.0) / (one.std or 1.0) for one in contract])  # what subtracting it cancels
    allowed = 1e-6 * (size + mean + 1.0)
    assert (np.abs(by_numpy - by_contract) <= allowed).all()
    assert (np.abs(by_torch - by_numpy) <= 3e-7 * (np.abs(by_numpy) + 1e-6)).all()  # a unit in the last place of log1p
    no_log = normalisation.is_log == 0
    assert np.array_equal(by_torch[:, no_log], by_numpy[:, no_log])

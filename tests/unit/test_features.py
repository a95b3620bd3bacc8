import math
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from converter.features import Feature, Transform

LEARNED = {"mean": 30.0, "std": 10.0}
FORMULAS: dict[Transform, Callable[[float], float]] = {
    "identity": lambda x: min(max(x, 0), 1),
    "saturate": lambda x: min(max(x / 20, 0), 1),
    "inverse": lambda x: min(max(1 - x / 20, 0), 1),
    "log1p": lambda x: min(math.log(1 + max(x, 0)) / math.log(21), 1),
    "standardize": lambda x: (min(max(x, -5), 80) - 30) / 10,
}


def feature(transform: Transform, **settings: object) -> Feature:
    learned = LEARNED if transform == "standardize" else {}
    fields = {"name": "x", "unit": "km", "low": -5, "high": 80, "scale": 20, "transform": transform}
    return Feature.model_validate(fields | learned | settings)


@pytest.mark.parametrize("transform", FORMULAS)
@pytest.mark.parametrize("value", [-1e9, -5.0, -0.5, 0.0, 0.25, 1.0, 7.0, 20.0, 79.9, 80.0, 1e9])
def test_each_transform_is_its_formula(transform: Transform, value: float) -> None:
    assert feature(transform).normaliser(value) == pytest.approx(FORMULAS[transform](value), abs=1e-12)


@pytest.mark.parametrize("transform", FORMULAS)
def test_the_normalised_range_is_what_values_reach(transform: Transform) -> None:
    values = [feature(transform).normaliser(x / 10) for x in range(-2000, 2000)]
    assert (min(values), max(values)) == feature(transform).normalised_range


def test_statistics_are_lacking_until_they_are_learned() -> None:
    unlearned = feature("standardize", mean=None, std=None)
    assert unlearned.lacks_statistics
    assert not feature("standardize").lacks_statistics
    assert not feature("saturate").lacks_statistics


@pytest.mark.parametrize(
    ("transform", "below", "above"),
    [("identity", 0.2, 0.9), ("saturate", 0.01, 0.045), ("inverse", 0.99, 0.955), ("standardize", -2.98, -2.91)],
)
def test_values_are_clamped_to_the_range_first(transform: Transform, below: float, above: float) -> None:
    narrow = feature(transform, low=0.2, high=0.9)
    assert (narrow.normaliser(-7), narrow.normaliser(7)) == pytest.approx((below, above))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"low": 80}, "low 80.0 must be below high 80.0", id="range"),
        pytest.param({"low": 20}, "between low 20.0 and high 80.0, saturate has one value only", id="constant"),
        pytest.param({"low": -5, "high": 0}, "saturate has one value only", id="constant-0"),
        pytest.param({"scale": 0}, "greater than 0", id="scale"),
        pytest.param({"mean": 1.0}, "both mean and std", id="half"),
        pytest.param({"mean": 1.0, "std": 1.0}, "for the transform standardize, not saturate", id="of-no-use"),
        pytest.param({"missing": 81}, "missing 81.0 is outside -5.0 to 80.0", id="fill"),
        pytest.param({"missing": "skip"}, "refuse", id="policy"),
        pytest.param({"high": math.inf}, "finite", id="infinite"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: dict, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        feature("saturate", **settings)

from pathlib import Path

import numpy as np
import pytest

from converter.config import resolve
from converter.errors import ConfigError
from converter.training.data import COLUMNS, generate_pairs, match_probability


def test_the_same_seed_gives_the_same_rows() -> None:
    one, same, other = (generate_pairs(COLUMNS, 500, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.features, same.features)
    assert np.array_equal(one.matched, same.matched)
    assert not np.array_equal(one.features, other.features)


def test_shapes_and_types() -> None:
    pairs = generate_pairs(COLUMNS, 100, 0)
    assert (pairs.features.shape, pairs.features.dtype) == ((100, 8), np.float32)
    assert pairs.probability.shape == pairs.matched.shape == (100,)
    assert pairs.matched.dtype == bool


def test_columns_come_in_the_order_asked_for() -> None:
    straight, reversed_ = generate_pairs(COLUMNS, 50, 3), generate_pairs(COLUMNS[::-1], 50, 3)
    assert np.array_equal(straight.features, reversed_.features[:, ::-1])
    assert np.array_equal(straight.matched, reversed_.matched)


def test_values_stay_in_the_ranges_of_the_contract_and_reach_its_clamps() -> None:
    features = resolve(Path(__file__).parents[3] / "configs" / "compatibility.yaml", {}).config.features
    rows = generate_pairs([feature.name for feature in features], 20_000, 0).features
    for feature, column in zip(features, rows.T, strict=True):
        assert feature.low <= column.min()
        assert column.max() <= feature.high
        if feature.transform != "identity":
            assert (column > feature.scale).any()


def test_the_task_is_as_hard_as_documented() -> None:
    pairs = generate_pairs(COLUMNS, 200_000, 0)
    assert np.maximum(pairs.probability, 1 - pairs.probability).mean() == pytest.approx(0.907, abs=0.005)
    assert pairs.matched.mean() == pytest.approx(0.40, abs=0.01)
    assert pairs.probability[pairs.matched].mean() > pairs.probability[~pairs.matched].mean()


BEST = {
    "likesGiven": 30.0,
    "likesReceived": 30.0,
    "commentsCount": 150.0,
    "proximityKm": 0.0,
    "responseTimeMs": 0.0,
    "sharedInterestsCount": 20.0,
    "ageGap": 0.0,
    "bigFiveCompatibility": 1.0,
}
WORST = {
    "likesGiven": 0.0,
    "likesReceived": 0.0,
    "commentsCount": 0.0,
    "proximityKm": 300.0,
    "responseTimeMs": 180_000.0,
    "sharedInterestsCount": 0.0,
    "ageGap": 40.0,
    "bigFiveCompatibility": 0.0,
}


def probability(**changed: float) -> float:
    return float(match_probability({name: np.array([value]) for name, value in (BEST | changed).items()})[0])


@pytest.mark.parametrize("name", COLUMNS)
def test_every_feature_counts_and_in_the_right_direction(name: str) -> None:
    assert probability(**{name: WORST[name]}) < probability()


def test_features_interact() -> None:
    """One-sided likes are worth nothing: reciprocity needs both."""
    assert probability(likesGiven=0.0, likesReceived=0.0) == probability(likesGiven=0.0)


@pytest.mark.parametrize(
    ("names", "complaint"),
    [([*COLUMNS, "height"], "knows no height"), (COLUMNS[1:], "needs likesGiven")],
)
def test_features_that_the_world_does_not_have(names: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        generate_pairs(names, 10, 0)
    assert caught.value.where == "features"
    assert caught.value.hint

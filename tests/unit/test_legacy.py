import numpy as np
import pytest

from converter.legacy import TERMS, has_terms, legacy_score, missing_columns

PAIR = {
    "likesGiven": 3.0,
    "likesReceived": 2.0,
    "commentsCount": 20.0,
    "proximityKm": 30.0,
    "sharedInterestsCount": 5.0,
    "ageGap": 4.0,
    "bigFiveCompatibility": 0.7,
    "swingerTraits": 0.9,
}


def columns(**changes: float) -> dict[str, np.ndarray]:
    return {name: np.array([value]) for name, value in (PAIR | changes).items()}


def test_score_is_the_weighted_sum_by_hand() -> None:
    by_hand = 0.5 * 0.15 + 0.4 * 0.10 + 0.7 * 0.15 + 0.5 * 0.20 + 0.8 * 0.10 + 0.7 * 0.20 + 0.9 * 0.10
    assert legacy_score(columns())[0] == pytest.approx(by_hand)


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"likesGiven": 100.0}, 0.5 * 0.15),  # from half of the term to all of it
        ({"commentsCount": 500.0}, 0.6 * 0.10),
        ({"proximityKm": 250.0}, -0.7 * 0.15),
        ({"sharedInterestsCount": 99.0}, 0.5 * 0.20),
        ({"ageGap": 99.0}, -0.8 * 0.10),
        ({"bigFiveCompatibility": -2.0}, -0.7 * 0.20),
        ({"swingerTraits": 5.0}, 0.1 * 0.10),
    ],
)
def test_each_term_is_held_to_its_share(changes: dict[str, float], difference: float) -> None:
    assert legacy_score(columns(**changes))[0] - legacy_score(columns())[0] == pytest.approx(difference)


def test_weights_sum_to_one_and_the_best_pair_scores_one() -> None:
    assert sum(term.weight for term in TERMS) == pytest.approx(1.0)
    best = columns(likesGiven=99, commentsCount=99, proximityKm=0, sharedInterestsCount=99, ageGap=0)
    best |= {"bigFiveCompatibility": np.ones(1), "swingerTraits": np.ones(1)}
    assert legacy_score(best)[0] == pytest.approx(1.0)


def test_a_missing_column_counts_nothing_and_is_named() -> None:
    known = {name: value for name, value in columns().items() if name != "swingerTraits"}
    assert legacy_score(columns())[0] - legacy_score(known)[0] == pytest.approx(0.09)
    assert missing_columns(known) == ("swingerTraits",)


@pytest.mark.parametrize(("names", "expected"), [(["ageGap"], True), (["likesGiven"], False), (["attr"], False)])
def test_formula_needs_a_term_at_least(names: list[str], expected: bool) -> None:
    assert has_terms(names) is expected

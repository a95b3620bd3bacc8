"""Every metric against scikit-learn's, which knows nothing of ours: on plain rows, and on resampled ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as judge
from sklearn.calibration import calibration_curve

from converter.training.metrics import (
    METRICS,
    N_BINS,
    Scores,
    best_threshold,
    calibration_error,
    counted,
    once,
)

RNG = np.random.default_rng(7)


def world(n_rows: int, *, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    truth = RNG.random(n_rows)
    score = np.clip(truth + RNG.normal(0, 0.2, n_rows), 0.001, 0.999)
    return (np.round(score, 1) * 0.98 + 0.01 if ties else score), RNG.random(n_rows) < truth


def judged(scores: Scores, weights: np.ndarray) -> dict[str, float]:
    score, matched, said_yes = scores.score, scores.matched, scores.said_yes
    return {
        "accuracy": judge.accuracy_score(matched, said_yes, sample_weight=weights),
        "balanced_accuracy": judge.balanced_accuracy_score(matched, said_yes, sample_weight=weights),
        "roc_auc": judge.roc_auc_score(matched, score, sample_weight=weights),
        "pr_auc": judge.average_precision_score(matched, score, sample_weight=weights),
        "log_loss": judge.log_loss(matched, score, sample_weight=weights),
        "brier": judge.brier_score_loss(matched, score, sample_weight=weights),
    }


@pytest.mark.parametrize("ties", [False, True], ids=["all-different", "many-equal"])
@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_metrics_are_those_of_scikit_learn(ties: bool, threshold: float) -> None:
    scores = Scores(*world(500, ties=ties), threshold)
    found = counted(scores)(once(500))
    assert tuple(found) == METRICS
    assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(judged(scores, np.ones(500)))


@pytest.mark.parametrize("ties", [False, True], ids=["all-different", "many-equal"])
def test_counts_weigh_rows_as_scikit_learn_weighs_them(ties: bool) -> None:
    scores = Scores(*world(300, ties=ties))
    counts = RNG.multinomial(300, np.full(300, 1 / 300), size=5).astype(np.float64)
    found = counted(scores)(counts)
    for i, weights in enumerate(counts):
        assert {name: float(value[i]) for name, value in found.items()} == pytest.approx(judged(scores, weights))


@given(st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans()), min_size=2, max_size=40))
def test_area_under_the_roc_curve_counts_pairs(rows: list[tuple[float, bool]]) -> None:
    score, matched = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    pairs = [(a > b) + 0.5 * (a == b) for a in score[matched] for b in score[~matched]]
    found = counted(Scores(score, matched))(once(len(rows)))
    assert found["roc_auc"][0] == pytest.approx(np.mean(pairs) if pairs else 0.5)


def test_curves_of_fewer_steps_enclose_nearly_the_same_area() -> None:
    scores = Scores(*world(5000, ties=False))
    exact, quick = counted(scores)(once(5000)), counted(scores, 500)(once(5000))
    for name in ("roc_auc", "pr_auc"):
        assert quick[name] == pytest.approx(exact[name], abs=1e-3)
    assert quick["accuracy"] == exact["accuracy"]


def test_one_class_alone_gives_what_a_coin_gives() -> None:
    found = counted(Scores(np.array([0.9, 0.2]), np.array([False, False])))(once(2))
    assert (found["roc_auc"][0], found["pr_auc"][0], found["balanced_accuracy"][0]) == (0.5, 0.0, 0.5)


def test_calibration_error_is_the_mean_gap_of_scikit_learns_curve() -> None:
    score, matched = world(2000, ties=False)
    share, mean_score = calibration_curve(matched, score, n_bins=N_BINS, strategy="uniform")
    rows = np.histogram(score, bins=N_BINS, range=(0, 1))[0]
    wanted = float((np.abs(share - mean_score) * rows[rows > 0]).sum() / len(score))
    assert calibration_error(score, matched) == pytest.approx(wanted)


def test_calibration_error_of_a_score_that_is_too_sure() -> None:
    assert calibration_error(np.array([1.0, 1.0, 0.0, 0.0]), np.array([1, 0, 0, 0])) == pytest.approx(0.25)


@pytest.mark.parametrize("balanced", [False, True])
def test_best_threshold_is_better_than_any_other(balanced: bool) -> None:
    score, matched = world(400, ties=False)
    metric = "balanced_accuracy" if balanced else "accuracy"

    def quality(threshold: float) -> float:
        return float(counted(Scores(score, matched, threshold))(once(400))[metric][0])

    best = quality(best_threshold(score, matched, balanced=balanced))
    assert best == pytest.approx(max(quality(value) for value in [*score, 2.0]))


def test_best_threshold_where_yes_is_never_right() -> None:
    score = np.array([0.1, 0.4, 0.4])
    assert best_threshold(score, np.zeros(3, bool), balanced=False) > 0.4

import numpy as np
import pytest

from converter.training.metrics import balanced_accuracy, evaluate, roc_auc

MATCHED = np.array([False, False, False, True])


def test_evaluate_by_hand() -> None:
    score = np.array([0.2, 0.6, 0.1, 0.8], dtype=np.float32)
    metrics = evaluate(score, MATCHED, np.array([0.1, 0.3, 0.1, 0.6]))
    assert metrics["n_rows"] == 4
    assert metrics["accuracy"] == 0.75
    assert metrics["majority_accuracy"] == 0.75
    assert metrics["bayes_accuracy"] == pytest.approx((0.9 + 0.7 + 0.9 + 0.6) / 4)
    assert metrics["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert metrics["log_loss"] == pytest.approx(-np.log([0.8, 0.4, 0.9, 0.8]).mean(), abs=1e-6)
    assert metrics["brier"] == pytest.approx(np.mean([0.04, 0.36, 0.01, 0.04]), abs=1e-6)
    assert metrics["roc_auc"] == 1.0


def test_certain_and_wrong_scores_cost_much_but_not_infinitely() -> None:
    metrics = evaluate(np.array([1.0, 0.0]), np.array([False, True]), np.array([0.5, 0.5]))
    assert 10 < metrics["log_loss"] < 20
    assert metrics["accuracy"] == 0.0


@pytest.mark.parametrize(
    ("score", "wanted"),
    [
        pytest.param([0.1, 0.2, 0.3, 0.4], 1.0, id="perfect"),
        pytest.param([0.4, 0.3, 0.2, 0.1], 0.0, id="reversed"),
        pytest.param([0.5, 0.5, 0.5, 0.5], 0.5, id="all-tied"),
        pytest.param([0.1, 0.5, 0.2, 0.5], 5 / 6, id="one-tie"),
    ],
)
def test_roc_auc(score: list[float], wanted: float) -> None:
    assert roc_auc(np.array(score), MATCHED) == pytest.approx(wanted)


def test_roc_auc_agrees_with_its_definition() -> None:
    rng = np.random.default_rng(0)
    score, matched = rng.integers(0, 20, 200) / 20, rng.random(200) < 0.3
    yes, no = score[matched][:, None], score[~matched][None, :]
    assert roc_auc(score, matched) == pytest.approx(((yes > no) + 0.5 * (yes == no)).mean())


def test_one_class_only() -> None:
    assert roc_auc(np.array([0.1, 0.9]), np.array([True, True])) == 0.5
    assert balanced_accuracy(np.array([True, False]), np.array([True, True])) == 0.5

from dataclasses import replace

import numpy as np
import pytest
from sklearn.inspection import permutation_importance as judge_importance
from sklearn.linear_model import LogisticRegression as Judge
from sklearn.metrics import roc_auc_score

from converter.artifact.evaluation import LEGACY_FORMULA, LOGISTIC_REGRESSION, MAJORITY, Evaluation
from converter.training.calibration import sigmoid
from converter.training.evaluation import evaluate, permutation_importance
from converter.training.held_out import HeldOut, Part
from converter.training_settings import EvaluationSection

SETTINGS = EvaluationSection(resamples=200)
WEIGHTS = np.array([2.0, -1.0, 0.0])


def part(n_rows: int, seed: int, *, sure: float = 1.0) -> Part:
    """Rows whose logits are a product of two features too large by `sure`: no weighted sum gets there."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1.5, (n_rows, 3)).astype(np.float32)
    logits = true_logits(features)
    probability = sigmoid(logits)
    return Part(features, rng.random(n_rows) < probability, logits * sure, probability)


def true_logits(features: np.ndarray) -> np.ndarray:
    return np.asarray(features @ WEIGHTS + 1.5 * features[:, 0] * features[:, 1] - 0.5, np.float64)


def held_out(names: tuple[str, ...] = ("a", "b", "c"), *, sure: float = 1.0, temperature: float = 1.0) -> HeldOut:
    parts = [part(n_rows, seed, sure=sure) for seed, n_rows in enumerate((3000, 2000, 3000))]
    return HeldOut(
        names,
        *parts,
        normalised=lambda raw: raw,
        score=lambda raw: sigmoid(true_logits(raw)),
        temperature=temperature,
        seed=11,
    )


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    return evaluate(held_out(sure=2.0, temperature=2.0), SETTINGS)


def test_true_probabilities_reach_what_nobody_can_better(evaluation: Evaluation) -> None:
    low, high = evaluation.model.intervals["accuracy"]
    assert evaluation.bayes_accuracy is not None
    assert low < evaluation.bayes_accuracy < high
    assert evaluation.n_rows == {"train": 3000, "validation": 2000, "test": 3000}


def test_scores_are_those_after_the_temperature_of_the_graph(evaluation: Evaluation) -> None:
    assert evaluation.calibration.temperature == 2.0
    assert evaluation.calibration.ece < 0.03 < evaluation.calibration.ece_before
    assert evaluation.model.metrics["ece"] == evaluation.calibration.ece
    assert sum(one.n_rows for one in evaluation.calibration.bins) == 3000
    untouched = evaluate(held_out(sure=2.0), SETTINGS)
    assert untouched.calibration.ece == untouched.calibration.ece_before == evaluation.calibration.ece_before
    assert untouched.model.metrics["log_loss"] > evaluation.model.metrics["log_loss"]
    assert untouched.model.metrics["roc_auc"] == evaluation.model.metrics["roc_auc"]


def test_logistic_regression_is_the_one_of_scikit_learn(evaluation: Evaluation) -> None:
    data = held_out()
    train, test = (one.features.astype(np.float64) for one in (data.train, data.test))
    judge = Judge(tol=1e-8).fit(train, data.train.labels)
    baseline = evaluation.baseline(LOGISTIC_REGRESSION)
    assert baseline is not None
    assert baseline.metrics["accuracy"] == judge.score(test, data.test.labels)
    score = judge.predict_proba(test)[:, 1]
    assert baseline.metrics["roc_auc"] == pytest.approx(roc_auc_score(data.test.labels, score), abs=1e-6)


def test_gains_are_differences_whose_interval_says_whether_they_are_luck(evaluation: Evaluation) -> None:
    gains = {(one.baseline, one.metric): one for one in evaluation.gains}
    found = gains[LOGISTIC_REGRESSION, "accuracy"]
    baseline = evaluation.baseline(LOGISTIC_REGRESSION)
    assert baseline is not None
    assert found.difference == evaluation.model.metrics["accuracy"] - baseline.metrics["accuracy"]
    assert 0 < found.interval[0] < found.difference < found.interval[1]
    assert gains[LOGISTIC_REGRESSION, "log_loss"].interval[1] < 0


def test_majority_knows_the_share_of_the_training_rows_and_nothing_else(evaluation: Evaluation) -> None:
    majority = evaluation.baseline(MAJORITY)
    assert majority is not None
    labels = held_out().test.labels
    assert majority.metrics["accuracy"] == max(labels.mean(), 1 - labels.mean())
    assert majority.metrics["roc_auc"] == 0.5
    assert majority.metrics["ece"] < 0.03


def test_confusion_counts_every_row_once(evaluation: Evaluation) -> None:
    counts = evaluation.confusion.model_dump()
    assert sum(counts.values()) == 3000
    right = counts["true_positives"] + counts["true_negatives"]
    assert right / 3000 == pytest.approx(evaluation.model.metrics["accuracy"])


def test_metrics_are_flat_finite_and_named_for_budgets(evaluation: Evaluation) -> None:
    flat = evaluation.metrics
    assert flat["accuracy_low"] < flat["accuracy"] < flat["accuracy_high"]
    assert {"roc_auc", "pr_auc", "log_loss", "brier", "ece", "ece_before_temperature", "temperature"} <= flat.keys()
    assert {"majority_accuracy", "logistic_regression_roc_auc", "bayes_accuracy", "balanced_accuracy"} <= flat.keys()
    assert all(np.isfinite(value) for value in flat.values())
    assert Evaluation.model_validate_json(evaluation.model_dump_json()) == evaluation


def test_same_rows_give_the_same_evaluation(evaluation: Evaluation) -> None:
    assert evaluate(held_out(sure=2.0, temperature=2.0), SETTINGS) == evaluation


def test_importance_is_that_of_scikit_learn() -> None:
    data = held_out()

    class Network:
        def fit(self) -> None: ...

        def predict(self, features: np.ndarray) -> np.ndarray:
            return data.score(features)

    judge = judge_importance(
        Network(),
        data.test.features,
        data.test.labels,
        scoring=lambda network, x, y: roc_auc_score(y, network.predict(x)),
        n_repeats=5,
        random_state=0,
    )
    found = permutation_importance(data)
    assert [one.feature for one in found] == ["a", "b", "c"]
    assert [one.auc_drop for one in found] == pytest.approx(judge.importances_mean, abs=0.01)
    assert found[2].auc_drop == 0


def test_legacy_formula_is_judged_at_its_best_threshold_where_it_has_columns() -> None:
    data = held_out(("commentsCount", "ageGap", "other"))
    baseline = evaluate(data, SETTINGS).baseline(LEGACY_FORMULA)
    assert baseline is not None
    assert baseline.threshold != 0.5
    assert baseline.metrics["accuracy"] >= 0.45
    assert evaluate(held_out(), SETTINGS).baseline(LEGACY_FORMULA) is None


def test_balanced_threshold_finds_the_rare_class() -> None:
    data = held_out()
    rng = np.random.default_rng(5)

    def rare(one: Part) -> Part:
        logits = true_logits(one.features) - 3
        return replace(one, logits=logits, labels=rng.random(len(logits)) < sigmoid(logits), probability=None)

    data = replace(data, train=rare(data.train), validation=rare(data.validation), test=rare(data.test))
    plain = evaluate(data, SETTINGS).model
    balanced = evaluate(data, EvaluationSection(threshold="balanced", resamples=100)).model
    assert balanced.threshold < 0.4
    assert balanced.metrics["balanced_accuracy"] > plain.metrics["balanced_accuracy"] + 0.02
    assert balanced.metrics["roc_auc"] == plain.metrics["roc_auc"]
    assert evaluate(data, SETTINGS).bayes_accuracy is None


def test_groups_are_listed_and_resampled_whole() -> None:
    data = held_out()
    names = np.array([f"person {i}" for i in np.repeat(np.arange(100), 30)])
    names[:60] = "person 0"
    names[60:] = np.where(names[60:] == "person 0", "person 1", names[60:])
    grouped = evaluate(replace(data, test=replace(data.test, groups=names)), SETTINGS)
    assert grouped.resampled == "groups"
    groups = grouped.groups
    assert groups is not None
    assert groups.count == len(np.unique(names))
    assert (groups.largest[0].group, groups.largest[0].n_rows) == ("person 0", 60)
    assert len(groups.largest) == 10
    assert groups.spread is not None
    assert groups.spread[0] <= groups.spread[1] <= groups.spread[2]


def test_groups_too_small_for_an_accuracy_have_no_spread() -> None:
    data = held_out()
    names = np.array([str(i) for i in range(3000)])
    groups = evaluate(replace(data, test=replace(data.test, groups=names)), SETTINGS).groups
    assert groups is not None
    assert groups.spread is None
    assert groups.largest[0].roc_auc is None

"""A card's facts with values that can be foreseen."""

from typing import Any

from converter.artifact.evaluation import (
    LEGACY_FORMULA,
    LOGISTIC_REGRESSION,
    MAJORITY,
    MODEL,
    Calibration,
    Confusion,
    Evaluation,
    Gain,
    Groups,
    GroupScored,
    Importance,
    ReliabilityBin,
    Scored,
)
from converter.artifact.training_record import TrainingData, TrainingRecord
from converter.features import Feature
from converter.report.card import CardFacts

METRICS = ("accuracy", "balanced_accuracy", "roc_auc", "pr_auc", "log_loss", "brier", "ece")


def scored(name: str, value: float, threshold: float = 0.5) -> Scored:
    metrics = {metric: value + i / 1000 for i, metric in enumerate(METRICS)}
    intervals = {metric: (metrics[metric] - 0.01, metrics[metric] + 0.01) for metric in METRICS[:-1]}
    return Scored(name=name, threshold=threshold, metrics=metrics, intervals=intervals)


def gain(baseline: str, metric: str, difference: float) -> Gain:
    return Gain(
        baseline=baseline, metric=metric, difference=difference, interval=(difference - 0.01, difference + 0.01)
    )


def evaluation(**changes: Any) -> Evaluation:
    facts: dict[str, Any] = {
        "n_rows": {"train": 1200, "validation": 300, "test": 500},
        "level": 0.95,
        "resamples": 1000,
        "resampled": "rows",
        "bayes_accuracy": None,
        "model": scored(MODEL, 0.8),
        "baselines": (scored(MAJORITY, 0.6), scored(LOGISTIC_REGRESSION, 0.7), scored(LEGACY_FORMULA, 0.65, 0.41)),
        "gains": (
            gain(MAJORITY, "accuracy", 0.2),
            gain(LOGISTIC_REGRESSION, "accuracy", 0.1),
            gain(LOGISTIC_REGRESSION, "roc_auc", 0.005),
            gain(LEGACY_FORMULA, "log_loss", -0.3),
            gain(LEGACY_FORMULA, "accuracy", 0.15),
        ),
        "confusion": Confusion(true_positives=150, false_positives=40, false_negatives=60, true_negatives=250),
        "calibration": Calibration(
            temperature=1.25,
            ece_before=0.04,
            ece=0.012,
            bins=(ReliabilityBin(low=0.2, high=0.3, n_rows=500, mean_score=0.25, share_of_yes=0.27),),
        ),
        "importance": (
            Importance(feature="ageGap", auc_drop=0.01, deviation=0.001),
            Importance(feature="likes_given", auc_drop=0.2, deviation=0.004),
        ),
    }
    return Evaluation(**(facts | changes))


def groups() -> Groups:
    one = GroupScored(group="p|1", n_rows=30, share_of_yes=0.2, mean_score=0.25, accuracy=0.9, roc_auc=None)
    return Groups(count=40, min_rows=10, spread=(0.7, 0.8, 0.95), largest=(one,))


def facts(*, data: dict[str, Any] | None = None, **changes: Any) -> CardFacts:
    told = {
        "name": "synthetic pairs",
        "is_synthetic": True,
        "sha256": "a" * 64,
        "n_rows": {"train": 1200, "validation": 300, "test": 500},
        "positives": {"train": 480, "validation": 120, "test": 210},
        "split_by": "stratified",
        "label": "match",
        "filled": {"ageGap": 17},
    } | (data or {})
    record = TrainingRecord(
        checkpoint_sha256="b" * 64,
        features=(
            Feature(name="likes_given", unit="likes", low=0, high=30, transform="saturate", scale=10),
            Feature(name="ageGap", unit="years", low=0, high=40, transform="inverse", scale=20, missing=5.0),
        ),
        data=TrainingData.model_validate(told),
        seed=7,
        n_epochs=12,
        best_epoch=9,
        evaluation=evaluation(**changes),
    )
    return CardFacts("my_model", "1.2.3", "Scores *pairs*.", "For tests.", ["Not for people."], record, "plot.svg")

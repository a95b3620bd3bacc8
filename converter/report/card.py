"""The model card: what a trained model is for, how good it is beside its baselines, and what it learned from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from converter.artifact.evaluation import LEGACY_FORMULA, LOGISTIC_REGRESSION, Evaluation, Gain, Groups, Scored
from converter.artifact.training_record import TrainingData, TrainingRecord
from converter.features import Feature
from converter.legacy import missing_columns
from converter.report.templates import template
from converter.report.words import NOTHING, count, escaped

if TYPE_CHECKING:
    from jinja2 import Template

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "log loss (less is better)",
    "brier": "Brier score (less is better)",
    "ece": "calibration error (less is better)",
}
OF_PROBABILITIES = {"log_loss", "brier", "ece"}  # these mean nothing for a score that is no probability
ORDER = ("model", LOGISTIC_REGRESSION, LEGACY_FORMULA)
SPLITS = {
    "random": "rows were split at random",
    "stratified": "rows were split at random, with the same share of yes on each side",
}
FEW_GROUPS = 20  # to draw from: fewer show less of how groups differ than there is
NO_USE = "Nobody has written down what this model is meant for, in the section card of its config."


@dataclass(frozen=True)
class CardFacts:
    """What a card tells; `plot` is where its calibration plot is, seen from the card."""

    name: str
    version: str
    description: str
    intended_use: str
    limits: Sequence[str]
    record: TrainingRecord
    plot: str


def card_from_facts(facts: CardFacts) -> str:
    """The card as Markdown; equal facts give equal bytes."""
    record, evaluation = facts.record, facts.record.evaluation
    scored = sorted([evaluation.model, *evaluation.baselines], key=_rank)
    return _template().render(
        name=facts.name,
        version=facts.version,
        description=facts.description,
        intended_use=facts.intended_use or NO_USE,
        limits=[*facts.limits, *_limits(record)],
        plot=facts.plot,
        level=f"{evaluation.level * 100:g} %",
        resamples=f"{evaluation.resamples:,}",
        resampled=f"whole groups ({escaped(record.data.group or '')})"
        if evaluation.resampled == "groups"
        else "the rows",
        judged=f"{evaluation.n_rows['test']:,}",
        scored=scored,
        rows=_metric_rows(scored),
        gains=list(_gain_sentences(evaluation)),
        bayes=None if evaluation.bayes_accuracy is None else f"{evaluation.bayes_accuracy:.3f}",
        **_detail(evaluation),
        **_provenance(record),
        groups=_groups(evaluation.groups, record.data.group) if evaluation.groups else None,
    )


@cache
def _template() -> "Template":
    return template("card.md.j2", {"markdown": escaped}, is_html=False)


def _rank(scored: Scored) -> int:
    return ORDER.index(scored.name) if scored.name in ORDER else len(ORDER)


def _metric_rows(scored: Sequence[Scored]) -> Iterable[dict[str, Any]]:
    for metric, label in METRICS.items():
        yield {"label": label, "cells": [_cell(one, metric) for one in scored]}
    yield {"label": "says yes from", "cells": [f"{one.threshold:.3g}" for one in scored]}


def _cell(scored: Scored, metric: str) -> str:
    if scored.name == LEGACY_FORMULA and metric in OF_PROBABILITIES:
        return NOTHING
    value = f"{scored.metrics[metric]:.3f}"
    if metric not in scored.intervals:
        return value
    low, high = scored.intervals[metric]
    return f"{value} [{low:.3f}, {high:.3f}]"


def _gain_sentences(evaluation: Evaluation) -> Iterable[str]:
    for baseline in evaluation.baselines:
        gains = [gain for gain in evaluation.gains if gain.baseline == baseline.name]
        if baseline.name == LEGACY_FORMULA:
            gains = [gain for gain in gains if gain.metric not in OF_PROBABILITIES]
        yield f"Against the {baseline.name}: " + "; ".join(map(_gain_text, gains)) + "."
    if evaluation.baseline(LEGACY_FORMULA):
        missing = missing_columns(one.feature for one in evaluation.importance)
        yield (
            "The legacy formula is judged at the threshold that suits it best; its score is no probability."
            + (f" The terms of {', '.join(missing)} count 0, for want of data." if missing else "")
        )


def _gain_text(gain: Gain) -> str:
    low, high = gain.interval
    text = f"{METRICS[gain.metric].partition(' (')[0]} {gain.difference:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"{text}, which may be luck of these rows" if low <= 0 <= high else text


def _detail(evaluation: Evaluation) -> dict[str, Any]:
    calibration, confusion = evaluation.calibration, evaluation.confusion
    important = sorted(evaluation.importance, key=lambda one: -one.auc_drop)
    return {
        "threshold": f"{evaluation.model.threshold:.3g}",
        "confusion": {
            "yes_yes": f"{confusion.true_positives:,}",
            "yes_no": f"{confusion.false_negatives:,}",
            "no_yes": f"{confusion.false_positives:,}",
            "no_no": f"{confusion.true_negatives:,}",
        },
        "ece": f"{calibration.ece:.4f}",
        "ece_before": f"{calibration.ece_before:.4f}",
        "temperature": f"{calibration.temperature:.3f}",
        "bins": [
            {
                "range": f"{one.low:.2f} to {one.high:.2f}",
                "n_rows": f"{one.n_rows:,}",
                "mean_score": f"{one.mean_score:.3f}",
                "share": f"{one.share_of_yes:.3f}",
            }
            for one in calibration.bins
        ],
        "importance": [
            {"feature": escaped(one.feature), "drop": f"{one.auc_drop:.4f} ± {one.deviation:.4f}"} for one in important
        ],
    }


def _provenance(record: TrainingRecord) -> dict[str, Any]:
    data = record.data
    return {
        "data": data,
        "counts": {part: f"{n_rows:,}" for part, n_rows in data.n_rows.items()},
        "yes": {part: f"{data.positives[part] / max(n_rows, 1) * 100:.1f} %" for part, n_rows in data.n_rows.items()},
        "split": _split_text(data),
        "seed": record.seed,
        "best_epoch": record.best_epoch,
        "n_epochs": record.n_epochs,
        "checkpoint": record.checkpoint_sha256,
        "features": [
            {
                "name": one.name,
                "unit": one.unit,
                "range": f"{one.low:g} to {one.high:g}",
                "transform": one.transform,
                "missing": _missing_text(one, data.filled.get(one.name, 0)),
            }
            for one in record.features
        ],
    }


def _missing_text(feature: Feature, n_filled: int) -> str:
    if feature.missing == "refuse":
        return "refused"
    return f"taken for {feature.missing:g}, as in {count(n_filled, 'row')} of the data"


def _resampled_text(evaluation: Evaluation, data: TrainingData) -> str:
    return f"whole groups ({escaped(data.group or '')})" if evaluation.resampled == "groups" else "the rows"


def _split_text(data: TrainingData) -> str:
    if data.split_by == "group":
        return f"split by {escaped(data.group or '')}: no value of it is on two sides"
    if data.split_by == "time":
        return f"split by {escaped(data.time or '')}: the newest rows are held out"
    return SPLITS[data.split_by]


def _limits(record: TrainingRecord) -> Iterable[str]:
    data = record.data
    if not data.is_synthetic:
        yield "The held-out rows come from the same source as those it learned from; people elsewhere may differ."
    if not data.is_synthetic and data.split_by in SPLITS:
        yield "Rows were split one by one: if rows of one person are on both sides, the numbers are too good."
    if record.evaluation.groups is None:
        yield "How it does on different groups of people was not measured: the data name no group."
    groups = record.evaluation.groups
    if groups is not None and groups.count < FEW_GROUPS:
        yield f"Only {count(groups.count, 'group')} in the held-out rows: the intervals are likely too narrow."
    for gain in record.evaluation.gains:
        if gain.baseline == LOGISTIC_REGRESSION and gain.metric == "roc_auc" and gain.interval[0] <= 0:
            yield "A logistic regression ranks these rows as well, as far as they can tell; it would be simpler."


def _groups(groups: Groups, column: str | None) -> Mapping[str, Any]:
    sentence = f"{count(groups.count, 'group')} in the held-out rows; the largest:"
    if groups.spread:
        low, middle, high = groups.spread
        sentence = (
            f"Accuracy of the groups with {groups.min_rows} rows and more: 10th percentile {low:.2f}, "
            f"median {middle:.2f}, 90th percentile {high:.2f}. {sentence}"
        )
    return {
        "column": column or "group",
        "sentence": sentence,
        "rows": [
            {
                "group": one.group,
                "n_rows": f"{one.n_rows:,}",
                "share": f"{one.share_of_yes:.3f}",
                "mean_score": f"{one.mean_score:.3f}",
                "accuracy": f"{one.accuracy:.3f}",
                "roc_auc": NOTHING if one.roc_auc is None else f"{one.roc_auc:.3f}",
            }
            for one in groups.largest
        ],
    }

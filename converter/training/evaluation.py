"""The judgement of a trained network on rows that it never saw, beside the baselines it has to beat."""

from collections.abc import Callable, Mapping

import numpy as np

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
    Scored,
)
from converter.legacy import has_terms, legacy_score
from converter.training.baselines import fit_logistic_regression
from converter.training.bootstrap import (
    LEVEL,
    STEPS,
    affordable_resamples,
    interval,
    resampled_counts,
    resampled_metrics,
)
from converter.training.calibration import reliability, sigmoid
from converter.training.held_out import HeldOut, Part
from converter.training.metrics import (
    Scores,
    best_threshold,
    calibration_error,
    counted,
    once,
)
from converter.training_settings import EvaluationSection

GAIN_METRICS = ("accuracy", "roc_auc", "log_loss")
N_SHUFFLES = 5
MOST_SHUFFLED_ROWS = 20_000
MOST_LISTED_GROUPS = 10
FEWEST_GROUP_ROWS = 10

Rule = Callable[[np.ndarray], float]  # the threshold for a way of scoring, from its scores of the validation rows


def evaluate(held_out: HeldOut, settings: EvaluationSection) -> Evaluation:
    """The model and its baselines on the test rows; thresholds come from the validation rows."""
    test = held_out.test
    scores = _all_scores(held_out, settings)
    resamples = affordable_resamples(len(test.labels), settings.resamples)
    of = {name: counted(one) for name, one in scores.items()}
    point = {name: metrics(once(len(test.labels))) for name, metrics in of.items()}
    counts = resampled_counts(len(test.labels), resamples, held_out.seed, test.groups)
    drawn = resampled_metrics({name: counted(one, STEPS) for name, one in scores.items()}, counts)
    scored = [_scored(name, one, point[name], drawn[name]) for name, one in scores.items()]
    model = scores[MODEL]
    return Evaluation(
        n_rows={"train": len(held_out.train.labels), "validation": len(held_out.validation.labels)}
        | {"test": len(test.labels)},
        level=LEVEL,
        resamples=resamples,
        resampled="rows" if test.groups is None else "groups",
        bayes_accuracy=_bayes_accuracy(test),
        model=scored[0],
        baselines=tuple(scored[1:]),
        gains=tuple(_gain(name, metric, point, drawn) for name in scores if name != MODEL for metric in GAIN_METRICS),
        confusion=_confusion(model),
        calibration=Calibration(
            temperature=held_out.temperature,
            ece_before=calibration_error(sigmoid(_logits(test)), test.labels),
            ece=calibration_error(model.score, test.labels),
            bins=reliability(model.score, test.labels),
        ),
        importance=permutation_importance(held_out),
        groups=None if test.groups is None else _groups(model, test.groups),
    )


def permutation_importance(held_out: HeldOut) -> tuple[Importance, ...]:
    """How much ROC-AUC each feature is worth to the network, in the order of the features.

    The AUC of the test rows as they are, less the mean AUC with the feature's values shuffled between the rows.
    """
    rng = np.random.default_rng([held_out.seed, 3])
    n_rows = len(held_out.test.labels)
    rows = rng.permutation(n_rows)[:MOST_SHUFFLED_ROWS] if n_rows > MOST_SHUFFLED_ROWS else np.arange(n_rows)
    features, matched = held_out.test.features[rows], held_out.test.labels[rows]

    def roc_auc(values: np.ndarray) -> float:
        score = np.asarray(held_out.score(values), np.float64)
        return float(counted(Scores(score, matched))(once(len(matched)))["roc_auc"][0])

    whole = roc_auc(features)
    found = []
    for column, name in enumerate(held_out.names):
        drops = []
        for _ in range(N_SHUFFLES):
            shuffled = features.copy()
            shuffled[:, column] = rng.permutation(features[:, column])
            drops.append(whole - roc_auc(shuffled))
        found.append(Importance(feature=name, auc_drop=float(np.mean(drops)), deviation=float(np.std(drops))))
    return tuple(found)


def _all_scores(held_out: HeldOut, settings: EvaluationSection) -> dict[str, Scores]:
    """The test rows as the model and each baseline score them, the model first."""
    train, validation, test = held_out.train, held_out.validation, held_out.test
    temperature = held_out.temperature
    is_balanced = settings.threshold == "balanced"

    def best(score: np.ndarray) -> float:
        return best_threshold(score, validation.labels, balanced=is_balanced)

    def rule(score: np.ndarray) -> float:
        return best(score) if settings.threshold == "balanced" else settings.threshold

    def scores(on_validation: np.ndarray, on_test: np.ndarray, threshold_of: Rule) -> Scores:
        return Scores(on_test, test.labels, threshold_of(on_validation))

    regression = fit_logistic_regression(held_out.normalised(train.features), train.labels)
    on_validation, on_test = (regression.score(held_out.normalised(part.features)) for part in (validation, test))
    share = float(train.labels.mean())
    found = {
        MODEL: scores(sigmoid(_logits(validation) / temperature), sigmoid(_logits(test) / temperature), rule),
        MAJORITY: Scores(np.full(len(test.labels), share), test.labels, 0.5),
        LOGISTIC_REGRESSION: scores(on_validation, on_test, rule),
    }
    if has_terms(held_out.names):  # its score is no probability: 0.5 means nothing to it
        on_validation, on_test = (legacy_score(_columns(held_out.names, part)) for part in (validation, test))
        found[LEGACY_FORMULA] = scores(on_validation, on_test, best)
    return found


def _logits(part: Part) -> np.ndarray:
    if part.logits is None:
        raise ValueError("a part without logits can't be judged")
    return np.asarray(part.logits, np.float64)


def _columns(names: tuple[str, ...], part: Part) -> Mapping[str, np.ndarray]:
    return dict(zip(names, part.features.T, strict=True))


def _scored(name: str, scores: Scores, point: Mapping[str, np.ndarray], drawn: Mapping[str, np.ndarray]) -> Scored:
    metrics = {metric: float(value[0]) for metric, value in point.items()}
    return Scored(
        name=name,
        threshold=scores.threshold,
        metrics=metrics | {"ece": calibration_error(scores.score, scores.matched)},
        intervals={metric: interval(values) for metric, values in drawn.items()},
    )


def _gain(
    name: str, metric: str, point: Mapping[str, Mapping[str, np.ndarray]], drawn: Mapping[str, Mapping[str, np.ndarray]]
) -> Gain:
    difference = float(point[MODEL][metric][0] - point[name][metric][0])
    return Gain(
        baseline=name,
        metric=metric,
        difference=difference,
        interval=interval(drawn[MODEL][metric] - drawn[name][metric]),
    )


def _bayes_accuracy(part: Part) -> float | None:
    if part.probability is None:
        return None
    return float(np.maximum(part.probability, 1 - part.probability).mean())


def _confusion(scores: Scores) -> Confusion:
    said_yes, matched = scores.said_yes, scores.matched.astype(bool)
    return Confusion(
        true_positives=int((said_yes & matched).sum()),
        false_positives=int((said_yes & ~matched).sum()),
        false_negatives=int((~said_yes & matched).sum()),
        true_negatives=int((~said_yes & ~matched).sum()),
    )


def _groups(scores: Scores, groups: np.ndarray) -> Groups:
    names, codes, counts = np.unique(groups, return_inverse=True, return_counts=True)
    right = np.bincount(codes, weights=scores.said_yes == scores.matched) / counts
    enough = right[counts >= FEWEST_GROUP_ROWS]
    largest = np.argsort(-counts, kind="stable")[:MOST_LISTED_GROUPS]
    low, middle, high = np.quantile(enough, (0.1, 0.5, 0.9)) if len(enough) else (0.0, 0.0, 0.0)
    return Groups(
        count=len(names),
        min_rows=FEWEST_GROUP_ROWS,
        spread=(float(low), float(middle), float(high)) if len(enough) else None,
        largest=tuple(_group(str(names[code]), scores, codes == code) for code in largest),
    )


def _group(name: str, scores: Scores, rows: np.ndarray) -> GroupScored:
    own = Scores(scores.score[rows], scores.matched[rows], scores.threshold)
    metrics = counted(own)(once(len(own.score)))
    has_both = 0 < own.matched.sum() < len(own.matched)
    return GroupScored(
        group=name,
        n_rows=len(own.score),
        share_of_yes=float(own.matched.mean()),
        mean_score=float(own.score.mean()),
        accuracy=float(metrics["accuracy"][0]),
        roc_auc=float(metrics["roc_auc"][0]) if has_both else None,
    )

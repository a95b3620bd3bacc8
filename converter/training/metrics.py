"""How good scores are, each metric a function of how often every row counts: once each, or as a resampling drew it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

EPSILON = 1e-7  # of a probability, so that its logarithm is finite
N_BINS = 15  # of equal width, for the calibration error
METRICS = ("accuracy", "balanced_accuracy", "roc_auc", "pr_auc", "log_loss", "brier")
"""What `weighted_metrics` computes, in that order."""


@dataclass(frozen=True)
class Scores:
    """Scores with what came true, and the threshold from which on a score says yes.

    Shapes: score (row,) float64 in [0, 1]; matched (row,) bool
    """

    score: np.ndarray
    matched: np.ndarray
    threshold: float = 0.5

    @property
    def said_yes(self) -> np.ndarray:
        """Which rows are called a match."""
        return self.score >= self.threshold


def once(n_rows: int) -> np.ndarray:
    """Counts in which every row counts once.

    Shapes: (1, row)
    """
    return np.ones((1, n_rows))


def counted(scores: Scores, most_steps: int | None = None) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """The metrics as a function of counts; what doesn't depend on them is worked out here, once.

    The areas under curves are exact, or, quicker, those of curves of about `most_steps` steps: scores near each other
    then count as equal.
    A metric that lacks a class is that of a coin: 0.5 for the areas under the ROC curve, 0 for that under
    precision-recall; balanced accuracy is then that of the class there is.

    Shapes: counts (resample, row) -> each metric (resample,)
    Units:  log_loss in nats; everything else a share in [0, 1]
    """
    matched = scores.matched.astype(bool)
    per_row = _per_row(scores, matched)
    curves = _curves(scores.score, matched, most_steps)

    def metrics(counts: np.ndarray) -> dict[str, np.ndarray]:
        n_rows = counts.sum(axis=1, dtype=np.float64)
        right_yes, right_no, yes, log_loss, brier = (counts @ per_row.astype(counts.dtype)).astype(np.float64).T
        roc_auc, pr_auc = curves(counts)
        values = (
            (right_yes + right_no) / n_rows,
            _balanced(right_yes, yes, right_no, n_rows - yes),
            roc_auc,
            pr_auc,
            log_loss / n_rows,
            brier / n_rows,
        )
        return dict(zip(METRICS, values, strict=True))

    return metrics


def calibration_error(score: np.ndarray, matched: np.ndarray) -> float:
    """The expected calibration error: the mean gap between a bin's scores and its share of matches, by its rows."""
    gap = np.bincount(bins_of(score), weights=score - matched, minlength=N_BINS)
    return float(np.abs(gap).sum() / len(score))


def bins_of(score: np.ndarray) -> np.ndarray:
    """The bin of each score; the last one holds 1 too."""
    return np.minimum((score * N_BINS).astype(np.int64), N_BINS - 1)


def best_threshold(score: np.ndarray, matched: np.ndarray, *, balanced: bool) -> float:
    """The score from which on to say yes, so that most rows come out right, or both classes in equal measure.

    It lies midway between two scores, so that rounding doesn't decide.
    """
    matched = matched.astype(bool)
    values, place = np.unique(score, return_inverse=True)
    yes, no = (np.bincount(place, weights=mask, minlength=len(values)) for mask in (matched, ~matched))
    right_yes = np.concatenate([[0.0], np.cumsum(yes[::-1])])[::-1]  # at the threshold before each value, and after all
    right_no = np.concatenate([[0.0], np.cumsum(no)])
    n_yes, n_no = max(yes.sum(), 1.0), max(no.sum(), 1.0)
    quality = right_yes / n_yes + right_no / n_no if balanced else right_yes + right_no
    best = int(np.argmax(quality))
    low = values[best - 1] if best else values[0] - 1e-6
    high = values[best] if best < len(values) else values[-1] + 1e-6
    return float((low + high) / 2)


def _per_row(scores: Scores, matched: np.ndarray) -> np.ndarray:
    clipped = np.clip(scores.score.astype(np.float64), EPSILON, 1.0 - EPSILON)
    said_yes = scores.said_yes
    columns = (
        said_yes & matched,
        ~said_yes & ~matched,
        matched,
        -np.where(matched, np.log(clipped), np.log1p(-clipped)),
        (scores.score - matched) ** 2,
    )
    return np.stack(columns, axis=1).astype(np.float64)


def _balanced(right_yes: np.ndarray, yes: np.ndarray, right_no: np.ndarray, no: np.ndarray) -> np.ndarray:
    of_yes, of_no = right_yes / np.maximum(yes, 1), right_no / np.maximum(no, 1)
    return np.asarray(np.where(yes == 0, of_no, np.where(no == 0, of_yes, (of_yes + of_no) / 2)))


def _curves(
    score: np.ndarray, matched: np.ndarray, most_steps: int | None
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The areas under both curves, equal scores being one step of each, from the highest score down."""
    _, step = np.unique(-score, return_inverse=True)
    if most_steps is not None:
        edges = np.linspace(0, len(score), most_steps, endpoint=False).astype(np.int64)
        step = np.searchsorted(np.sort(step)[edges], step, side="right")
    n_steps = int(step.max()) + 1
    cells = 2 * step + matched

    def areas(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        in_cells = np.stack([np.bincount(cells, weights=row, minlength=2 * n_steps) for row in counts])
        no, yes = in_cells[:, 0::2], in_cells[:, 1::2]
        hits, seen = np.cumsum(yes, axis=1), np.cumsum(no + yes, axis=1)
        n_yes, n_rows = hits[:, -1], seen[:, -1]
        n_pairs = n_yes * (n_rows - n_yes)
        below = (no * (hits - yes / 2)).sum(axis=1)  # pairs whose match scores higher, ties counting half
        roc_auc = np.where(n_pairs == 0, 0.5, below / np.maximum(n_pairs, 1))
        precision = hits / np.maximum(seen, 1)
        return roc_auc, (yes * precision).sum(axis=1) / np.maximum(n_yes, 1)

    return areas

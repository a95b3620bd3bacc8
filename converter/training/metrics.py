"""How good scores are, against labels and against the best that anyone could do."""

import numpy as np

Vector = np.ndarray

EPSILON = 1e-7  # of a probability, so that its logarithm is finite


def evaluate(score: Vector, matched: Vector, probability: Vector) -> dict[str, float]:
    """The metrics of scores on rows whose true probability is known.

    Shapes: all (row,)
    Units:  log_loss in nats; everything else a share in [0, 1]
    """
    matched = matched.astype(bool)
    said_yes = score >= 0.5
    right = said_yes == matched
    clipped = np.clip(score.astype(np.float64), EPSILON, 1.0 - EPSILON)
    return {
        "n_rows": len(matched),
        "accuracy": float(right.mean()),
        "majority_accuracy": float(max(matched.mean(), 1.0 - matched.mean())),
        "bayes_accuracy": float(np.maximum(probability, 1.0 - probability).mean()),
        "balanced_accuracy": balanced_accuracy(said_yes, matched),
        "log_loss": float(-np.where(matched, np.log(clipped), np.log1p(-clipped)).mean()),
        "brier": float(((score.astype(np.float64) - matched) ** 2).mean()),
        "roc_auc": roc_auc(score, matched),
    }


def balanced_accuracy(said_yes: Vector, matched: Vector) -> float:
    """The mean of the accuracies on the two classes; of the one class that is there, if only one is."""
    shares = [
        float((said_yes == matched)[matched == label].mean()) for label in (False, True) if (matched == label).any()
    ]
    return float(np.mean(shares))


def roc_auc(score: Vector, matched: Vector) -> float:
    """The probability that a random match scores above a random non-match, ties counting half; 0.5 without both."""
    n_yes, n_no = int(matched.sum()), int((~matched).sum())
    if not n_yes or not n_no:
        return 0.5
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    mean_rank = last - (count - 1) / 2.0  # 1-based, shared by equal scores
    rank_sum = float(mean_rank[place][matched].sum())
    return (rank_sum - n_yes * (n_yes + 1) / 2.0) / (n_yes * n_no)

"""Making scores probabilities: one temperature for all logits, and what they look like against what came true."""

import numpy as np

from converter.artifact.evaluation import ReliabilityBin
from converter.training.metrics import N_BINS, bins_of

COLDEST, HOTTEST = 0.05, 20.0
N_HALVINGS = 60


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature by which to divide logits so that their log loss is least; it changes no order of scores.

    The loss is convex in 1 / temperature, so its slope is zero at one place: that is searched between 0.05 and 20.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017
    """
    logits = np.asarray(logits, np.float64)
    truth = np.asarray(labels, np.float64)
    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(N_HALVINGS):
        middle = (low + high) / 2
        if ((sigmoid(middle * logits) - truth) * logits).mean() > 0:
            high = middle
        else:
            low = middle
    return float(2 / (low + high))


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """The probability that a logit stands for, without overflow."""
    return np.asarray(np.exp(-np.logaddexp(0.0, -np.asarray(logits, np.float64))))


def reliability(score: np.ndarray, matched: np.ndarray) -> tuple[ReliabilityBin, ...]:
    """What scores say beside what came true, for each bin that has rows."""
    place = bins_of(score)
    counts = np.bincount(place, minlength=N_BINS)
    means = np.bincount(place, weights=score, minlength=N_BINS) / np.maximum(counts, 1)
    shares = np.bincount(place, weights=matched, minlength=N_BINS) / np.maximum(counts, 1)
    return tuple(
        ReliabilityBin(
            low=i / N_BINS,
            high=(i + 1) / N_BINS,
            n_rows=int(counts[i]),
            mean_score=min(float(means[i]), 1.0),  # a mean of ones can round to more
            share_of_yes=float(shares[i]),
        )
        for i in np.flatnonzero(counts)
    )

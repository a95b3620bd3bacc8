"""What a model has to beat: logistic regression on the features as the network sees them."""

from dataclasses import dataclass

import numpy as np

from converter.training.calibration import sigmoid

MOST_STEPS = 100
SHORTEST_STEP = 2.0**-20
ENOUGH = 1e-10  # of the squared Newton decrement


@dataclass(frozen=True)
class LogisticRegression:
    """A weighted sum of features through a sigmoid.

    Shapes: weights (feature,)
    """

    weights: np.ndarray
    intercept: float

    def score(self, features: np.ndarray) -> np.ndarray:
        """The probability of a match for each row.

        Shapes: (row, feature) -> (row,) float64
        """
        return sigmoid(np.asarray(features, np.float64) @ self.weights + self.intercept)


def fit_logistic_regression(features: np.ndarray, matched: np.ndarray, ridge: float = 1.0) -> LogisticRegression:
    """The weights of least log loss plus `ridge` / 2 times their squares, by Newton's method.

    The loss is the sum over the rows, and the intercept is free: what scikit-learn minimises with C = 1 / ridge.

    Shapes: features (row, feature); matched (row,) bool
    """
    rows = np.concatenate([np.asarray(features, np.float64), np.ones((len(features), 1))], axis=1)
    truth = np.asarray(matched, np.float64)
    penalty = np.append(np.full(rows.shape[1] - 1, ridge), 0.0)
    beta = np.zeros(rows.shape[1])

    def loss(at: np.ndarray) -> float:
        logits = rows @ at
        return float((np.logaddexp(0.0, logits) - truth * logits).sum() + (penalty * at * at).sum() / 2)

    now = loss(beta)
    for _ in range(MOST_STEPS):
        score = sigmoid(rows @ beta)
        slope = rows.T @ (score - truth) + penalty * beta
        curvature = (rows.T * (score * (1 - score))) @ rows + np.diag(penalty)
        step = np.linalg.lstsq(curvature, slope, rcond=None)[0]  # singular where every score is 0 or 1
        length = 1.0
        while (then := loss(beta - length * step)) > now and length > SHORTEST_STEP:
            length /= 2
        beta, now = beta - length * step, then
        if slope @ step < ENOUGH:
            break
    return LogisticRegression(beta[:-1], float(beta[-1]))

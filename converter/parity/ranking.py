"""Do two sets of distributions rank their entries alike?"""

from dataclasses import dataclass

import numpy as np

LARGEST_K = 5
SUM_SLACK = 1e-3


@dataclass(frozen=True)
class Ranking:
    """Of how many rows the largest entry, and the set of the `k` largest, are the reference's; ties count as alike."""

    rows: int
    top1: int
    k: int
    topk: int

    def __add__(self, other: "Ranking") -> "Ranking":
        return Ranking(self.rows + other.rows, self.top1 + other.top1, self.k, self.topk + other.topk)

    @property
    def top1_share(self) -> float:
        """The share of rows whose largest entry is the reference's."""
        return self.top1 / self.rows


def ranking_of(reference: np.ndarray, candidate: np.ndarray, *, declared: bool | None) -> Ranking | None:
    """The ranking of arrays that are not empty, None for what holds no distributions.

    Shapes: (..., entry), both alike
    """
    if not reference.ndim or reference.shape[-1] < 2:
        return None
    if not (is_distribution(reference) if declared is None else declared):
        return None
    n_entries = reference.shape[-1]
    rows, others = reference.reshape(-1, n_entries), candidate.reshape(-1, n_entries)
    k = min(LARGEST_K, n_entries - 1)
    top1, topk = (int(np.count_nonzero(_same_top(rows, others, count))) for count in (1, k))
    return Ranking(len(rows), top1, k, topk)


def is_distribution(array: np.ndarray) -> bool:
    """Whether each row of the last dimension lies in [0, 1] and sums to 1."""
    if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
        return False
    return bool((np.abs(array.sum(axis=-1) - 1) <= SUM_SLACK).all())


def _same_top(rows: np.ndarray, others: np.ndarray, k: int) -> np.ndarray:
    """For each row, whether the candidate's k largest entries are, in the reference, as large as its k largest."""
    chosen = np.argsort(-np.nan_to_num(others, nan=-np.inf), axis=-1, kind="stable")[:, :k]
    largest = np.sort(rows, axis=-1)[:, ::-1][:, :k]
    found = np.sort(np.take_along_axis(rows, chosen, axis=-1), axis=-1)[:, ::-1]
    return np.asarray((largest == found).all(axis=-1))

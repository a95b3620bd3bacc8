"""Intervals by resampling: how much of a metric is luck of the rows that happened to be held out."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

LEVEL = 0.95
CHUNK_ELEMENTS = 1 << 21  # counts that are in memory at once
MOST_ELEMENTS = 1 << 28  # beyond, fewer resamples are drawn: so many rows need few
FEWEST_RESAMPLES = 200
STEPS = 2000  # of a resampled curve

Metrics = Mapping[str, np.ndarray]


def resampled_counts(
    n_rows: int, n_resamples: int, seed: int, groups: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """How often each row is drawn, with replacement; whole groups are drawn where rows belong to groups.

    Shapes: several (resample, row) float32 that have `n_resamples` rows together; groups (row,) of any type
    """
    rng = np.random.default_rng([seed, 2])
    codes = None if groups is None else np.unique(groups, return_inverse=True)[1]
    n_drawn = n_rows if codes is None else int(codes.max()) + 1
    chunk = max(CHUNK_ELEMENTS // n_rows, 1)
    for begin in range(0, n_resamples, chunk):
        size = min(chunk, n_resamples - begin)
        drawn = rng.integers(0, n_drawn, (size, n_drawn)) + np.arange(size)[:, None] * n_drawn
        counts = np.bincount(drawn.ravel(), minlength=size * n_drawn).reshape(size, n_drawn).astype(np.float32)
        yield counts if codes is None else counts[:, codes]


def affordable_resamples(n_rows: int, wanted: int) -> int:
    """The resamples to draw: those wanted, or fewer where rows are so many that it would take minutes."""
    return min(wanted, max(MOST_ELEMENTS // n_rows, FEWEST_RESAMPLES))


def resampled_metrics(
    metrics: Mapping[str, Callable[[np.ndarray], Metrics]], counts: Iterator[np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Each metric of each way of scoring, on the same resamples of the rows: so their differences have intervals too.

    Shapes: each (resample,)
    """
    found: dict[str, list[Metrics]] = {name: [] for name in metrics}
    for chunk in counts:
        for name, of in metrics.items():
            found[name].append(of(chunk))
    return {
        name: {key: np.concatenate([one[key] for one in parts]) for key in parts[0]} for name, parts in found.items()
    }


def interval(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of resampled values."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)

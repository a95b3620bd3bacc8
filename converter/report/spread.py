"""How errors are spread, and a bounded sample of the values behind them, gathered while a proof runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

LOWEST_EXPONENT, HIGHEST_EXPONENT, BINS_PER_DECADE = -9, 3, 2
N_BINS = (HIGHEST_EXPONENT - LOWEST_EXPONENT) * BINS_PER_DECADE
PAIRS = 240  # of each output in each runtime, over all samples

Outputs = Mapping[str, np.ndarray]


class Tolerance(Protocol):
    """How far a value may be from its reference: atol + rtol * |reference|."""

    @property
    def atol(self) -> float:
        """In the output's unit."""

    @property
    def rtol(self) -> float:
        """A fraction of the reference."""


ToleranceOf = Callable[[str, str], Tolerance]
"""How far a runtime may be off at an output; integers and booleans may not be at all."""


@dataclass
class Spread:
    """The errors of one output in one runtime, as fractions of what the tolerance allows.

    `bins` counts them by magnitude, from 10^LOWEST_EXPONENT (and below) to 10^HIGHEST_EXPONENT (and above).
    `pairs` holds (reference, candidate): values evenly taken, and the worst of each sample.
    """

    equal: int = 0
    not_comparable: int = 0  # a number against a NaN or an infinity
    bins: list[int] = field(default_factory=lambda: [0] * N_BINS)
    largest: float = 0.0
    pairs: list[tuple[float, float]] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many values were seen."""
        return self.equal + self.not_comparable + sum(self.bins)


class SpreadCollector:
    """Sees the outputs of every runtime, keeps what a plot needs; the same outputs give the same spreads."""

    def __init__(self, reference: Mapping[str, Outputs], tolerance_of: ToleranceOf) -> None:
        self.spreads: dict[tuple[str, str], Spread] = {}
        self._reference, self._tolerance_of = reference, tolerance_of

    def __call__(self, runtime: str, sample: str, outputs: Outputs) -> None:
        """Take in the outputs of one sample, which have the form of the reference."""
        for name, truth in self._reference[sample].items():
            if truth.size and truth.dtype.kind in "biuf":
                spread = self.spreads.setdefault((runtime, name), Spread())
                tolerance = self._tolerance_of(runtime, name) if truth.dtype.kind == "f" else None
                self._add(spread, _flat(truth), _flat(outputs[name]), tolerance)

    def _add(self, spread: Spread, truth: np.ndarray, got: np.ndarray, tolerance: Tolerance | None) -> None:
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            same = (truth == got) | (np.isnan(truth) & np.isnan(got))
            gap = np.abs(got - truth)
            allowed = tolerance.atol + tolerance.rtol * np.abs(truth) if tolerance else 0.0
            fraction = np.where(same, 0.0, gap / allowed)
        lost = ~same & ~np.isfinite(gap)
        spread.equal += int(same.sum())
        spread.not_comparable += int(lost.sum())
        counted = fraction[~same & ~lost]
        for index, count in zip(*np.unique(_bin_of(counted), return_counts=True), strict=True):
            spread.bins[int(index)] += int(count)
        fraction[lost] = np.inf
        spread.largest = max(spread.largest, float(fraction.max()))
        self._keep_pairs(spread, truth, got, worst=int(np.argmax(fraction)))

    def _keep_pairs(self, spread: Spread, truth: np.ndarray, got: np.ndarray, *, worst: int) -> None:
        share = max(PAIRS // len(self._reference), 4)
        chosen = np.unique(np.append(np.linspace(0, truth.size - 1, min(share, truth.size)).astype(int), worst))
        for index in chosen:
            pair = float(truth[index]), float(got[index])
            if np.isfinite(pair).all() and len(spread.pairs) < 2 * PAIRS:
                spread.pairs.append(pair)


def _flat(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64).ravel()


def _bin_of(fraction: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        place = np.floor((np.log10(fraction) - LOWEST_EXPONENT) * BINS_PER_DECADE)
    whole = np.nan_to_num(place, nan=0, posinf=N_BINS - 1, neginf=0).astype(int)
    return np.asarray(np.clip(whole, 0, N_BINS - 1))

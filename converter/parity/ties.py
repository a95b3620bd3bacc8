"""Accepts an index of an extremum that points at another element of the same value."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from converter.parity.compare import Rules, Tolerance
from converter.parity.inputs import Sample


@dataclass(frozen=True)
class Searched:
    """The reference's values that indices point into, and the axis that they count along."""

    values: np.ndarray
    axis: int


Search = Callable[[str, Sample], Searched | None]
"""What an output's indices point into for one sample; None for an output that holds no such indices."""


def with_ties_settled(
    reference: Mapping[str, np.ndarray],
    candidate: Mapping[str, np.ndarray],
    search: Search,
    sample: Sample,
    rules: Rules,
) -> dict[str, np.ndarray]:
    """Return the candidate's outputs, with the reference's index for each one that points at as good a value.

    Values are as good if they differ by no more than the tolerance of the output.
    """
    settled = dict(candidate)
    for name, wanted in reference.items():
        got = candidate.get(name)
        if got is None or wanted.dtype.kind not in "iu" or got.shape != wanted.shape or np.array_equal(got, wanted):
            continue
        searched = search(name, sample)
        if searched is not None:
            settled[name] = settle(wanted, got, searched, rules(name).tolerance)
    return settled


def settle(reference: np.ndarray, candidate: np.ndarray, searched: Searched, tolerance: Tolerance) -> np.ndarray:
    """Return the candidate's indices, the reference's where both point at values that tie.

    Rows whose indices name an element twice, or none at all, are left as they are.
    """
    values, axis = searched.values, searched.axis
    if not values.ndim or not values.size or not reference.size:
        return candidate
    axis %= values.ndim
    shape = list(values.shape)
    shape[axis] = reference.size * shape[axis] // values.size
    if np.prod(shape) != reference.size:
        return candidate
    wanted, got = (array.astype(np.int64).reshape(shape) for array in (reference, candidate))
    is_there = (got >= 0) & (got < values.shape[axis])
    places = np.where(is_there, got, 0)
    is_settled = is_there.all(axis=axis, keepdims=True) & _are_distinct(got, axis)
    one, other = (np.take_along_axis(values, index, axis).astype(np.float64) for index in (wanted, places))
    with np.errstate(invalid="ignore"):
        is_tie = (one == other) | (np.abs(one - other) <= tolerance.atol + tolerance.rtol * np.abs(one))
    settled = np.where(is_settled & is_tie, wanted, got)
    return settled.reshape(candidate.shape).astype(candidate.dtype)


def _are_distinct(indices: np.ndarray, axis: int) -> np.ndarray:
    ordered = np.sort(indices, axis=axis)
    return np.asarray((np.diff(ordered, axis=axis) != 0).all(axis=axis, keepdims=True))

"""Axes in parts: what a Reshape makes of axes that lie apart in the value moved, without bringing them together."""

from collections.abc import Sequence
from itertools import accumulate
from operator import mul
from typing import NamedTuple

from converter.tfjs.graph import Dim, Shape
from converter.tfjs.passes.nhwc_layout.groups import Group, matching_groups
from converter.tfjs.permute import Perm, inverse, is_identity, moved

_HIGHEST_RANK = 4  # up to which every backend can do everything


class Run(NamedTuple):
    """Parts that make up axes which lie side by side in the value moved."""

    parts: tuple[int, ...]
    axes: tuple[int, ...]
    dims: tuple[Dim, ...]


class Parts(NamedTuple):
    """How the axes of a value are cut: sizes of the parts in the order of the axes, and how many each axis has.

    A value that is reduced is held in parts, of which part k is axis `perm[k]`. A whole one stays as it was before the
    Reshape, in axes that `runs` names, the others having size 1.
    """

    shape: tuple[Dim, ...]
    dims: tuple[Dim, ...]
    counts: tuple[int, ...]
    perm: Perm
    runs: tuple[Run, ...]
    rank: int  # of a whole value

    def of_axis(self, axis: int) -> range:
        """The parts of an axis."""
        first = sum(self.counts[:axis])
        return range(first, first + self.counts[axis])

    def dims_of(self, shape: Shape) -> tuple[Dim, ...] | None:
        """The sizes of the parts of a value whose axes are as these or of size 1, None if some are not."""
        if shape is None or len(shape) != len(self.shape):
            return None
        if any(dim not in (1, full) for dim, full in zip(shape, self.shape, strict=True)):
            return None
        return tuple(1 if dim == 1 else self.dims[k] for axis, dim in enumerate(shape) for k in self.of_axis(axis))


class _Cut(NamedTuple):
    size: Dim
    run: tuple[int, ...]
    axis: int


def parted(old: Shape, new: Shape, perm: Sequence[int]) -> Parts | None:
    """The fewest parts in which both sides of a Reshape of a value that owes `perm` can be, None if there are none."""
    groups = None if old is None or new is None else matching_groups(old, new)
    if old is None or new is None or groups is None:
        return None
    tight = [axis for axis in inverse(perm) if old[axis] != 1]
    places = {axis: place for place, axis in enumerate(tight)}
    cuts: list[_Cut] = []
    for group in groups:
        if (found := _cuts(group, old, new, places)) is None:
            return None
        cuts += found
    order = sorted(range(len(cuts)), key=lambda k: (places[cuts[k].run[0]], k))
    if len(cuts) > _HIGHEST_RANK or is_identity(order):
        return None
    dims = tuple(cut.size for cut in cuts)
    counts = tuple(sum(1 for cut in cuts if cut.axis == axis) for axis in range(len(new)))
    runs = [
        Run(tuple(k for k in order if cuts[k].run == run), tuple(perm[axis] for axis in run), moved(old, run))
        for run in dict.fromkeys(cuts[k].run for k in order)
    ]
    return Parts(new, dims, counts, inverse(order), tuple(runs), len(old))


def _cuts(group: Group, old: Sequence[Dim], new: Sequence[Dim], places: dict[int, int]) -> list[_Cut] | None:
    """The parts of axes that hold the same elements, None if their sizes don't divide each other."""
    axes = [axis for axis in group.new if new[axis] != 1]
    if len(group.old) == len(axes) == 1:
        return [_Cut(new[axes[0]], (group.old[0],), axes[0])]
    runs = _runs(group.old, places)
    before = _ends([_size(old, run) for run in runs])
    behind = _ends([_size(new, [axis]) for axis in axes])
    ends = sorted({*before, *behind})
    found = []
    for start, end in zip([1, *ends], ends, strict=False):
        if end % start:
            return None
        run = next(run for run, limit in zip(runs, before, strict=True) if limit >= end)
        axis = next(axis for axis, limit in zip(axes, behind, strict=True) if limit >= end)
        found.append(_Cut(end // start, tuple(run), axis))
    return found


def _runs(axes: Sequence[int], places: dict[int, int]) -> list[list[int]]:
    """Axes that follow each other in the value moved as well, together."""
    runs: list[list[int]] = []
    for axis in axes:
        if runs and places[axis] == places[runs[-1][-1]] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    return runs


def _size(dims: Sequence[Dim], axes: Sequence[int]) -> int:
    size = 1
    for axis in axes:
        dim = dims[axis]
        assert isinstance(dim, int)  # a dynamic dimension is a group of its own
        size *= dim
    return size


def _ends(sizes: Sequence[int]) -> list[int]:
    return list(accumulate(sizes, mul))

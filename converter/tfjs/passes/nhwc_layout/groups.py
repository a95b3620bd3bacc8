"""Which axes before and after a reshape hold the same elements."""

from collections.abc import Sequence
from typing import NamedTuple

from converter.tfjs.graph import Dim, Shape
from converter.tfjs.permute import Perm, identity, inverse, keeps_order


class Group(NamedTuple):
    """Axes before and after a reshape that hold the same elements."""

    old: list[int]
    new: list[int]


class Regrouped(NamedTuple):
    """How a reshape acts on a value that owes a permutation.

    `order` has the old axes, those of size 1 left out, as the value moved must have them, and `is_ready` whether it
    does; `perm` is what the result owes.
    """

    order: list[int]
    is_ready: bool
    perm: Perm


def regrouped(old: Shape, new: Shape, perm: Sequence[int]) -> Regrouped | None:
    """What becomes of a reshape between these shapes, None if the axes don't match."""
    groups = None if old is None or new is None else matching_groups(old, new)
    if groups is None or old is None or new is None:
        return None
    now = [axis for axis in inverse(perm) if old[axis] != 1]
    tidy = sorted(groups, key=lambda group: min((perm[axis] for axis in group.old), default=-1))
    order = [axis for group in tidy for axis in group.old]
    axes = [axis for group in tidy for axis in group.new]
    return Regrouped(order, now == order, identity(len(new)) if keeps_order(new, axes) else inverse(axes))


def regrouped_into(old: Shape, new: Shape, target: Perm) -> Regrouped | None:
    """What a reshape takes for its result to be in the order `target`, None if that takes a Transpose of its own."""
    groups = None if old is None or new is None else matching_groups(old, new)
    if groups is None or old is None or new is None or len(new) != len(target):
        return None
    place = inverse(target)
    tidy = sorted(groups, key=lambda group: min((place[axis] for axis in group.new if new[axis] != 1), default=-1))
    axes = [axis for group in tidy for axis in group.new if new[axis] != 1]
    order = [axis for group in tidy for axis in group.old]
    return Regrouped(order, False, inverse(target)) if axes == [axis for axis in target if new[axis] != 1] else None


def matching_groups(old: Sequence[Dim], new: Sequence[Dim]) -> list[Group] | None:
    """The shortest runs of axes with the same elements; axes of size 1 follow the run before them.

    None where a dynamic dimension isn't found again, or there are no elements.
    """
    groups = [Group([], [])]
    left = [axis for axis, dim in enumerate(old) if dim != 1]
    at = 0
    while left or at < len(new):
        if at < len(new) and new[at] == 1:
            groups[-1].new.append(at)
            at += 1
            continue
        group = _next_group(old, left, new, at)
        if group is None:
            return None
        groups.append(group)
        left = left[len(group.old) :]
        at += len(group.new)
    return groups


def _next_group(old: Sequence[Dim], left: Sequence[int], new: Sequence[Dim], at: int) -> Group | None:
    if not left or at == len(new):
        return None
    if isinstance(old[left[0]], str) and old[left[0]] == new[at]:
        return Group([left[0]], [at])
    n_old, n_new, before, behind = 0, 0, 1, 1
    while before != behind or not n_old:
        if before <= behind:
            size = old[left[n_old]] if n_old < len(left) else None
            n_old, before = n_old + 1, before * size if isinstance(size, int) else 0
        else:
            size = new[at + n_new] if at + n_new < len(new) else None
            n_new, behind = n_new + 1, behind * size if isinstance(size, int) else 0
        if not before or not behind:
            return None
    return Group(list(left[:n_old]), list(range(at, at + n_new)))

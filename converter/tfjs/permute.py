"""Permutations of axes: `perm[k]` is the axis of the value moved that becomes axis k, as in Transpose."""

from collections.abc import Sequence

from converter.tfjs.graph import Dim, Shape

Perm = tuple[int, ...]


def identity(rank: int) -> Perm:
    """The permutation that moves nothing."""
    return tuple(range(rank))


def is_identity(perm: Sequence[int]) -> bool:
    """Whether a permutation moves nothing."""
    return all(axis == index for index, axis in enumerate(perm))


def inverse(perm: Sequence[int]) -> Perm:
    """The permutation that undoes another."""
    return tuple(sorted(range(len(perm)), key=perm.__getitem__))


def after(first: Sequence[int], then: Sequence[int]) -> Perm:
    """The one permutation that does what two do in turn."""
    return tuple(first[axis] for axis in then)


def dropped(perm: Sequence[int], axes: Sequence[int]) -> Perm:
    """The permutation of the other axes, once some are gone from the value moved."""
    kept = [place for axis, place in enumerate(perm) if axis not in axes]
    return tuple(sorted(kept).index(place) for place in kept)


def inserted(perm: Sequence[int], axis: int) -> Perm:
    """The permutation with a new axis, which lies where the one that it precedes is, or last."""
    place = perm[axis] if axis < len(perm) else len(perm)
    later = [one + (one >= place) for one in perm]
    return (*later[:axis], place, *later[axis:])


def moved(dims: Sequence[Dim], perm: Sequence[int]) -> tuple[Dim, ...]:
    """The dimensions of a value after a permutation."""
    return tuple(dims[axis] for axis in perm)


def keeps_order(shape: Shape, perm: Sequence[int]) -> bool:
    """Whether a permutation only moves axes of size 1, so that the elements stay where they are in memory."""
    if shape is None:
        return is_identity(perm)
    axes = [axis for axis in perm if shape[axis] != 1]
    return axes == sorted(axes)


def reshape_operand(dims: Sequence[Dim]) -> list[int] | None:
    """The constant operand of a Reshape to these dimensions, None if there is no such one."""
    n_dynamic = sum(1 for dim in dims if not isinstance(dim, int))
    if n_dynamic > 1 or (n_dynamic and 0 in dims):
        return None
    return [dim if isinstance(dim, int) else -1 for dim in dims]

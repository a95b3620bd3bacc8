"""Ops that pick or place elements: slices, gathers, scatters, searches."""

from collections.abc import Mapping, Sequence

from converter.tfjs.graph import Dim, Shape, TensorType
from converter.tfjs.infer.call import NUMBERS, Call, Rule, add_dims, may_equal, multiply_dims
from converter.tfjs.infer.layout import shape_operand

_MOVABLE = ("float32", "int32", "bool")
_MASKS = ("begin_mask", "end_mask", "new_axis_mask", "ellipsis_mask", "shrink_axis_mask")


def _slice(call: Call) -> tuple[TensorType, ...]:
    shape, begin, size, dtype = call.shape(0), call.ints(1), call.ints(2), call.dtype(0)
    if shape is None:
        known = begin if begin is not None else size
        return (TensorType(dtype, None if known is None else (None,) * len(known)),)
    call.need(len(shape) > 0, "a scalar can't be sliced")
    for values in (begin, size):
        call.need(values is None or len(values) == len(shape), "begin and size need one number per axis")
    starts = begin if begin is not None else (None,) * len(shape)
    sizes = size if size is not None else (None,) * len(shape)
    dims = (_slice_dim(call, *one) for one in zip(shape, starts, sizes, strict=True))
    return (TensorType(dtype, tuple(dims)),)


def _slice_dim(call: Call, dim: Dim, start: int | None, size: int | None) -> Dim:
    if size is None:
        return None
    call.need(size >= -1 and (start is None or start >= 0), "begin must be >= 0 and size >= -1")
    if size == -1:
        left = dim if start == 0 else dim - start if isinstance(dim, int) and start is not None else None
        call.need(not isinstance(left, int) or left >= 0, f"begin {start} is past the end of {dim}")
        return left
    fits = not isinstance(dim, int) or (start or 0) + size <= dim
    call.need(fits, f"{size} elements from {start} are past the end of {dim}")
    return size


def _strided_slice(call: Call) -> tuple[TensorType, ...]:
    shape, dtype = call.shape(0), call.dtype(0)
    specs = [call.ints(index) for index in (1, 2, 3)]
    lengths = {len(values) for values in specs if values is not None}
    lengths |= {dim for index in (1, 2, 3) for dim in call.ranked(index, 1) or () if isinstance(dim, int)}
    if shape is None or not lengths:
        return (TensorType(dtype, None),)
    call.need(len(lengths) == 1, "begin, end and strides need one length")
    return (TensorType(dtype, _sliced(call, shape, specs, lengths.pop())),)


def _sliced(call: Call, shape: Sequence[Dim], specs: Sequence[Sequence[int] | None], length: int) -> tuple[Dim, ...]:
    begin_mask, end_mask, new_axis, ellipsis, shrink = (call.number(name, 0) for name in _MASKS)
    n_real = sum(1 for at in range(length) if not (new_axis | ellipsis) >> at & 1)
    call.need(n_real <= len(shape), "more indices than axes")
    begin, end, strides = ([None] * length if values is None else list(values) for values in specs)
    result: list[Dim] = []
    axis = 0
    for at in range(length):
        if ellipsis >> at & 1:
            result += shape[axis : axis + len(shape) - n_real]
            axis += len(shape) - n_real
        elif new_axis >> at & 1:
            result.append(1)
        else:
            if not shrink >> at & 1:
                start = None if begin_mask >> at & 1 else begin[at]
                stop = None if end_mask >> at & 1 else end[at]
                whole = (bool(begin_mask >> at & 1), bool(end_mask >> at & 1))
                result.append(_stride_dim(call, shape[axis], (start, stop, strides[at]), whole))
            axis += 1
    return (*result, *shape[axis:])


def _stride_dim(call: Call, dim: Dim, spec: tuple[int | None, int | None, int | None], whole: tuple[bool, bool]) -> Dim:
    start, stop, step = spec
    call.need(step != 0, "strides can't be 0")
    if step is None or (start is None and not whole[0]) or (stop is None and not whole[1]):
        return None
    if isinstance(dim, int):
        return len(range(dim)[slice(start, stop, step)])
    from_start = start is None or start == 0
    if step == 1 and from_start and (stop is None or stop == 2**31 - 1):
        return dim
    return dim if step == -1 and start is None and stop is None else None


def _gather(call: Call) -> tuple[TensorType, ...]:
    call.dtype(1, "int32")
    dtype = call.dtype(0, *_MOVABLE)
    shape, indices, axis = call.shape(0), call.shape(1), call.scalar(2)
    if shape is None or indices is None:
        return (TensorType(dtype, None),)
    if axis is None:
        return (TensorType(dtype, (None,) * (len(shape) + len(indices) - 1)),)
    at = call.axis(axis, len(shape))
    return (TensorType(dtype, (*shape[:at], *indices, *shape[at + 1 :])),)


def _gather_nd(call: Call) -> tuple[TensorType, ...]:
    call.dtype(1, "int32")
    dtype = call.dtype(0, *_MOVABLE)
    shape, indices = call.shape(0), call.shape(1)
    if shape is None or indices is None:
        return (TensorType(dtype, None),)
    return (TensorType(dtype, (*indices[:-1], *_rest(call, shape, indices))),)


def _rest(call: Call, shape: Sequence[Dim], indices: Sequence[Dim]) -> Sequence[Dim]:
    call.need(len(indices) > 0, "indices can't be a scalar")
    depth = indices[-1]
    if not isinstance(depth, int):
        raise call.error("the length of an index must be known")
    call.need(depth <= len(shape), f"indices of {depth} numbers into rank {len(shape)}")
    return shape[depth:]


def _check_updates(call: Call, shape: Shape, indices: Shape, updates: Shape) -> None:
    if shape is None or indices is None:
        return
    call.merge(updates, (*indices[:-1], *_rest(call, shape, indices)))


def _scatter_nd(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "int32")
    shape = shape_operand(call, 2)
    _check_updates(call, shape, call.shape(0), call.shape(1))
    return (TensorType(call.dtype(1, *_MOVABLE), shape),)


def _tensor_scatter_update(call: Call) -> tuple[TensorType, ...]:
    call.dtype(1, "int32")
    _check_updates(call, call.shape(0), call.shape(1), call.shape(2))
    return (TensorType(call.same_dtype((0, 2), *_MOVABLE), call.shape(0)),)


def _top_k(call: Call) -> tuple[TensorType, ...]:
    dtype, shape, k = call.dtype(0, *NUMBERS), call.shape(0), call.scalar(1)
    if shape is not None:
        call.need(len(shape) > 0, "a scalar has no last axis")
        last = shape[-1]
        call.need(k is None or (k >= 0 and (not isinstance(last, int) or k <= last)), f"{k} of {last} elements")
        shape = (*shape[:-1], k)
    return TensorType(dtype, shape), TensorType("int32", shape)


def _where(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "bool")
    return (TensorType("int32", (None, call.operands[0].rank)),)


def _bound(call: Call) -> tuple[TensorType, ...]:
    call.same_dtype((0, 1), *NUMBERS)
    one, other = call.shape(0), call.shape(1)
    if one is not None and other is not None:
        same = len(one) == len(other) and all(map(may_equal, one[:-1], other[:-1]))
        call.need(same, "sequences and values must have the same leading axes")
    return (TensorType("int32", other),)


def _space_to_batch(call: Call) -> tuple[TensorType, ...]:
    return _batches(call, to_batch=True)


def _batch_to_space(call: Call) -> tuple[TensorType, ...]:
    return _batches(call, to_batch=False)


def _batches(call: Call, *, to_batch: bool) -> tuple[TensorType, ...]:
    shape, blocks, pads = call.shape(0), call.ints(1), call.constants[2]
    dtype = call.dtype(0, *NUMBERS)
    if shape is None or blocks is None or pads is None:
        return (TensorType(dtype, None if shape is None else (None,) * len(shape)),)
    n = len(blocks)
    call.need(len(shape) > n and pads.shape == (n, 2), "one block and one pair of pads or crops per axis")
    borders = [int(a) + int(b) for a, b in pads]
    total = multiply_dims(*blocks)
    if to_batch:
        space = tuple(
            _exact(call, add_dims(*one[:2]), one[2]) for one in zip(shape[1 : n + 1], borders, blocks, strict=True)
        )
        return (TensorType(dtype, (multiply_dims(shape[0], total), *space, *shape[n + 1 :])),)
    space = tuple(
        add_dims(multiply_dims(one[0], one[2]), -one[1]) for one in zip(shape[1 : n + 1], borders, blocks, strict=True)
    )
    return (TensorType(dtype, (_exact(call, shape[0], total), *space, *shape[n + 1 :])),)


def _exact(call: Call, dim: Dim, divisor: Dim) -> Dim:
    if divisor == 1:
        return dim
    if not isinstance(dim, int) or not isinstance(divisor, int):
        return None
    call.need(dim % divisor == 0, f"{dim} does not divide by {divisor}")
    return dim // divisor


RULES: Mapping[str, Rule] = {
    "BatchToSpaceND": _batch_to_space,
    "GatherNd": _gather_nd,
    "GatherV2": _gather,
    "LowerBound": _bound,
    "ScatterNd": _scatter_nd,
    "Slice": _slice,
    "SpaceToBatchND": _space_to_batch,
    "StridedSlice": _strided_slice,
    "TensorScatterUpdate": _tensor_scatter_update,
    "TopKV2": _top_k,
    "UpperBound": _bound,
    "Where": _where,
}

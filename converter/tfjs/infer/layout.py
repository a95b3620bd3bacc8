"""Ops that move elements without computing: reshape, transpose, join, split, pad, repeat."""

from collections.abc import Mapping, Sequence
from math import prod

from converter.tfjs.graph import Dim, Shape, TensorType
from converter.tfjs.infer.call import Call, Rule, add_dims, may_equal, multiply_dims


def shape_operand(call: Call, index: int) -> Shape:
    """The shape that an operand's values spell; unknown dimensions where only the running graph knows them."""
    vector = call.ranked(index, 1)
    values = call.ints(index)
    if values is not None:
        call.need(all(value >= -1 for value in values), f"{list(values)} is no shape")
        return tuple(value if value >= 0 else None for value in values)
    if vector is None or not isinstance(vector[0], int):
        return None
    return (None,) * vector[0]


def _reshape(call: Call) -> tuple[TensorType, ...]:
    target, source = shape_operand(call, 1), call.shape(0)
    values = call.ints(1)
    if values is not None and target is not None:
        call.need(values.count(-1) <= 1, "only one dimension can be -1")
        if source is not None:
            target = _resolve(call, source, values)
    return (TensorType(call.dtype(0), target),)


def _resolve(call: Call, source: Sequence[Dim], target: Sequence[int]) -> tuple[Dim, ...]:
    rest = prod(value for value in target if value != -1)
    total = multiply_dims(*source)
    if -1 not in target:
        call.need(may_equal(total, rest), f"{list(target)} has another number of elements")
        return tuple(target)
    free = _free_dim(call, source, rest)
    return tuple(free if value == -1 else value for value in target)


def _free_dim(call: Call, source: Sequence[Dim], rest: int) -> Dim:
    known = prod(dim for dim in source if isinstance(dim, int))
    named = [dim for dim in source if not isinstance(dim, int)]
    if named:
        return named[0] if len(named) == 1 and known == rest else None
    call.need(rest != 0 and known % rest == 0, f"{known} elements do not divide by {rest}")
    return known // rest


def _squeeze(call: Call) -> tuple[TensorType, ...]:
    shape = call.shape(0)
    axes = call.numbers("axis") or call.numbers("squeeze_dims") or []
    if shape is None:
        return (TensorType(call.dtype(0), None),)
    dropped = {call.axis(axis, len(shape)) for axis in axes}
    call.need(all(may_equal(shape[axis], 1) for axis in dropped), f"axes {axes} are not all 1")
    return (TensorType(call.dtype(0), tuple(dim for axis, dim in enumerate(shape) if axis not in dropped)),)


def _expand_dims(call: Call) -> tuple[TensorType, ...]:
    shape, axis = call.shape(0), call.scalar(1)
    if shape is None:
        return (TensorType(call.dtype(0), None),)
    if axis is None:
        return (TensorType(call.dtype(0), (None,) * (len(shape) + 1)),)
    at = call.axis(axis, len(shape) + 1)
    return (TensorType(call.dtype(0), (*shape[:at], 1, *shape[at:])),)


def _transpose(call: Call) -> tuple[TensorType, ...]:
    shape, perm = call.shape(0), call.ints(1)
    dtype = call.dtype(0, "float32", "int32", "bool", "complex64")
    if shape is None or perm is None:
        rank = call.operands[0].rank
        return (TensorType(dtype, None if rank is None else (None,) * rank),)
    call.need(sorted(perm) == list(range(len(shape))), f"{list(perm)} is no permutation of the axes")
    return (TensorType(dtype, tuple(shape[axis] for axis in perm)),)


def _concat(call: Call) -> tuple[TensorType, ...]:
    tensors = range(len(call.operands) - 1)
    dtype = call.same_dtype(tensors)
    known = [shape for shape in map(call.shape, tensors) if shape is not None]
    if not known:
        return (TensorType(dtype, None),)
    rank = len(known[0])
    call.need(rank > 0 and all(len(shape) == rank for shape in known), "the ranks differ or are 0")
    axis = call.scalar(len(call.operands) - 1)
    if axis is None:
        return (TensorType(dtype, (None,) * rank),)
    at = call.axis(axis, rank)
    merged = call.merge(*((*shape[:at], None, *shape[at + 1 :]) for shape in known)) or ()
    joined = add_dims(*(shape[at] for shape in known)) if len(known) == len(tensors) else None
    return (TensorType(dtype, (*merged[:at], joined, *merged[at + 1 :])),)


def _pack(call: Call) -> tuple[TensorType, ...]:
    dtype = call.same_dtype(range(len(call.operands)))
    shape = call.merge(*(one.shape for one in call.operands))
    if shape is None:
        return (TensorType(dtype, None),)
    at = call.axis(call.number("axis", 0), len(shape) + 1)
    return (TensorType(dtype, (*shape[:at], len(call.operands), *shape[at:])),)


def _unpack(call: Call) -> tuple[TensorType, ...]:
    shape, dtype = call.shape(0), call.dtype(0)
    if shape is None:
        raise call.error("the number of outputs is the size of an axis, so the shape must be known")
    at = call.axis(call.number("axis", 0), len(shape))
    count = shape[at]
    if not isinstance(count, int):
        raise call.error(f"the number of outputs is the size of axis {at}, which is not known")
    return (TensorType(dtype, (*shape[:at], *shape[at + 1 :])),) * count


def _split(call: Call) -> tuple[TensorType, ...]:
    count, axis = call.number("num_split", 1), call.scalar(0)
    shape, dtype = call.shape(1), call.dtype(1)
    call.need(count > 0, "num_split must be positive")
    if shape is None or axis is None:
        rank = call.operands[1].rank
        return (TensorType(dtype, None if rank is None else (None,) * rank),) * count
    at = call.axis(axis, len(shape))
    size = shape[at]
    if isinstance(size, int):
        call.need(size % count == 0, f"axis {at} does not split into {count} equal parts")
        size //= count
    elif count > 1:
        size = None
    return (TensorType(dtype, (*shape[:at], size, *shape[at + 1 :])),) * count


def _split_v(call: Call) -> tuple[TensorType, ...]:
    shape, axis, dtype = call.shape(0), call.scalar(2), call.dtype(0)
    sizes = shape_operand(call, 1)
    if sizes is None:
        raise call.error("the number of outputs is the number of sizes, which is not known")
    if shape is None or axis is None:
        rank = call.operands[0].rank
        return (TensorType(dtype, None if rank is None else (None,) * rank),) * len(sizes)
    at = call.axis(axis, len(shape))
    parts = _parts(call, shape[at], sizes)
    return tuple(TensorType(dtype, (*shape[:at], part, *shape[at + 1 :])) for part in parts)


def _parts(call: Call, total: Dim, sizes: Sequence[Dim]) -> Sequence[Dim]:
    if call.ints(1) is None:
        return sizes
    known = sum(size for size in sizes if isinstance(size, int))
    unknown = sum(1 for size in sizes if size is None)
    call.need(unknown <= 1, "only one size can be -1")
    if not isinstance(total, int):
        return [total] if list(sizes) == [None] else sizes
    call.need(known == total if not unknown else known <= total, f"sizes {list(sizes)} do not add up to {total}")
    return [total - known if size is None else size for size in sizes]


def _tile(call: Call) -> tuple[TensorType, ...]:
    shape, reps = call.shape(0), shape_operand(call, 1)
    if shape is None or reps is None:
        known = shape if shape is not None else reps
        return (TensorType(call.dtype(0), None if known is None else (None,) * len(known)),)
    call.need(len(shape) == len(reps), "there must be one repetition per axis")
    return (TensorType(call.dtype(0), tuple(map(multiply_dims, shape, reps))),)


def _broadcast_to(call: Call) -> tuple[TensorType, ...]:
    target = shape_operand(call, 1)
    merged = call.broadcast(call.shape(0), target)
    if target is not None and merged is not None:
        call.need(len(merged) == len(target) and all(map(may_equal, merged, target)), "x is larger than the shape")
    return (TensorType(call.dtype(0), merged if call.constants[1] is None else target),)


def _broadcast_args(call: Call) -> tuple[TensorType, ...]:
    call.same_dtype((0, 1), "int32")
    lengths = [call.ranked(index, 1) for index in (0, 1)]
    known = [shape[0] for shape in lengths if shape is not None]
    length = max(known) if len(known) == 2 and all(isinstance(one, int) for one in known) else None  # type: ignore[type-var]
    return (TensorType("int32", (length,)),)


def _ensure_shape(call: Call) -> tuple[TensorType, ...]:
    return (TensorType(call.dtype(0), call.merge(call.shape(0), shape_operand(call, 1))),)


def _pad(call: Call) -> tuple[TensorType, ...]:
    shape, pads = call.shape(0), call.constants[1]
    dtype = call.dtype(0, "float32", "int32", "bool")
    if call.op == "PadV2":
        call.same_dtype((0, 2))
        call.ranked(2, 0)
    if shape is None:
        return (TensorType(dtype, None),)
    call.need(may_equal((call.ranked(1, 2) or (None,))[0], len(shape)), "there must be one pair of pads per axis")
    if pads is None:
        return (TensorType(dtype, (None,) * len(shape)),)
    call.need(pads.shape == (len(shape), 2) and bool((pads >= 0).all()), "pads must be pairs >= 0, one per axis")
    return (TensorType(dtype, tuple(add_dims(dim, int(a), int(b)) for dim, (a, b) in zip(shape, pads, strict=True))),)


def _reverse(call: Call) -> tuple[TensorType, ...]:
    shape, axes = call.shape(0), call.ints(1)
    if shape is not None:
        for axis in axes or ():
            call.axis(axis, len(shape))
    return (TensorType(call.dtype(0, "float32", "int32", "bool"), shape),)


def _depth_to_space(call: Call) -> tuple[TensorType, ...]:
    dtype = call.dtype(0, "float32")
    shape, block = call.ranked(0, 4), call.number("block_size", 2)
    if shape is None:
        return (TensorType(dtype, None),)
    batch, height, width, depth = shape
    if isinstance(depth, int):
        call.need(depth % block**2 == 0, f"depth {depth} does not divide by {block}²")
        depth //= block**2
    else:
        depth = None
    return (TensorType(dtype, (batch, multiply_dims(height, block), multiply_dims(width, block), depth)),)


RULES: Mapping[str, Rule] = {
    "BroadcastArgs": _broadcast_args,
    "BroadcastTo": _broadcast_to,
    "ConcatV2": _concat,
    "DepthToSpace": _depth_to_space,
    "EnsureShape": _ensure_shape,
    "ExpandDims": _expand_dims,
    "MirrorPad": _pad,
    "Pack": _pack,
    "Pad": _pad,
    "PadV2": _pad,
    "Reshape": _reshape,
    "ReverseV2": _reverse,
    "Split": _split,
    "SplitV": _split_v,
    "Squeeze": _squeeze,
    "Tile": _tile,
    "Transpose": _transpose,
    "Unpack": _unpack,
}

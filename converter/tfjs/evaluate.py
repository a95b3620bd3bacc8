"""What an operation makes of constants, computed with numpy as TF.js would.

Arrays that are stored narrower than their dtype stay so where elements only move. int32 results that would not fit are
not computed: backends differ there.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from converter.dtypes import INT32_HIGHEST, INT32_LOWEST, dtype_of
from converter.errors import InternalError
from converter.tfjs.graph import Attr, DataType
from converter.tfjs.infer import STORAGE_OF_TF

Arrays = Sequence[np.ndarray]
Evaluator = Callable[[Arrays, Mapping[str, Attr]], "Arrays | None"]


def evaluate(op: str, operands: Arrays, attrs: Mapping[str, Attr]) -> list[np.ndarray] | None:
    """The results of an op, None where it isn't one of these or its results depend on the backend."""
    if op not in EVALUATORS or any(dtype_of(array).storage in ("string", "complex64") for array in operands):
        return None
    with np.errstate(all="ignore"):
        results = EVALUATORS[op](operands, attrs)
    if results is None:
        return None
    stored = [_stored(np.asarray(result)) for result in results]
    return None if any(one is None for one in stored) else [one for one in stored if one is not None]


def widened(array: np.ndarray) -> np.ndarray:
    """An array in the dtype that a running graph sees."""
    return array.astype(dtype_of(array).storage or array.dtype, copy=False)


def _stored(array: np.ndarray) -> np.ndarray | None:
    if array.dtype == np.int64:
        if array.size and (array.min() < INT32_LOWEST or array.max() > INT32_HIGHEST):
            return None
        return array.astype(np.int32)
    if array.dtype.itemsize > 4:
        raise InternalError(f"folding made {array.dtype}")
    return np.ascontiguousarray(array).reshape(array.shape)


def _numbers(operands: Arrays) -> list[np.ndarray]:
    """Operands as a kernel computes with them: float32, or integers wide enough not to overflow unseen."""
    wide = [widened(array) for array in operands]
    return [array.astype(np.int64) if array.dtype == np.int32 else array for array in wide]


def _binary(function: Callable[[np.ndarray, np.ndarray], np.ndarray], *kinds: str) -> Evaluator:
    def run(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays | None:
        one, other = _numbers(operands)
        return [function(one, other)] if one.dtype.kind in kinds and one.dtype == other.dtype else None

    return run


def _unary(function: Callable[[np.ndarray], np.ndarray], *kinds: str) -> Evaluator:
    def run(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays | None:
        (one,) = _numbers(operands)
        return [function(one)] if one.dtype.kind in kinds else None

    return run


def _whole_division(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Evaluator:
    def run(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays | None:
        one, other = _numbers(operands)
        return [function(one, other)] if one.dtype.kind == "i" and bool(np.all(other)) else None

    return run


def _cast(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays | None:
    target = attrs["DstT"]
    storage = STORAGE_OF_TF.get(target.tf) if isinstance(target, DataType) else None
    (array,) = map(widened, operands)
    if storage is None or (storage == "int32" and not bool(np.all(np.abs(array) <= INT32_HIGHEST))):
        return None
    return [array.astype(storage)]


def _slice(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays:
    array, begin, size = operands
    ends = [dim if length < 0 else start + length for start, length, dim in zip(begin, size, array.shape, strict=True)]
    return [array[tuple(slice(int(start), int(end)) for start, end in zip(begin, ends, strict=True))]]


def _strided_slice(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays | None:
    if attrs.get("ellipsis_mask") or attrs.get("new_axis_mask"):
        return None
    masks = [int(attrs.get(name, 0)) for name in ("begin_mask", "end_mask", "shrink_axis_mask")]  # type: ignore[arg-type]
    array, begin, end, strides = operands
    index: list[slice | int] = []
    for axis, (start, stop, step) in enumerate(zip(begin, end, strides, strict=True)):
        no_start, no_stop, shrink = (bool(mask >> axis & 1) for mask in masks)
        if shrink:
            index.append(int(start))
        else:
            index.append(slice(None if no_start else int(start), None if no_stop else int(stop), int(step)))
    return [array[tuple(index)]]


def _gather(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays | None:
    array, indices, axis = operands
    size = array.shape[int(axis)]
    if attrs.get("batch_dims") or not bool(np.all((indices >= 0) & (indices < size))):
        return None
    return [np.take(array, indices, axis=int(axis))]


def _split_v(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays:
    array, sizes, axis = operands
    lengths = [int(size) for size in sizes]
    if -1 in lengths:
        lengths[lengths.index(-1)] = array.shape[int(axis)] - sum(lengths) - 1
    return np.split(array, np.cumsum(lengths)[:-1].tolist(), axis=int(axis))


def _unpack(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays:
    (array,) = operands
    return list(np.moveaxis(array, _int(attrs, "axis"), 0))


def _range(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays | None:
    start, limit, step = map(widened, operands)
    return [np.arange(start.item(), limit.item(), step.item())] if start.dtype == np.int32 and step.item() else None


def _squeeze(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays:
    axes = attrs.get("axis") or attrs.get("squeeze_dims")
    return [np.squeeze(operands[0], axis=tuple(int(axis) for axis in axes))] if isinstance(axes, list) else []


def _concat(operands: Arrays, attrs: Mapping[str, Attr]) -> Arrays:
    return [np.concatenate(_alike(operands[:-1]), axis=int(operands[-1]))]


def _alike(arrays: Arrays) -> Arrays:
    return arrays if len({array.dtype for array in arrays}) == 1 else [widened(array) for array in arrays]


def _int(attrs: Mapping[str, Attr], name: str) -> int:
    return int(attrs.get(name, 0))  # type: ignore[arg-type]


def _ints(array: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in array.ravel())


EVALUATORS: Mapping[str, Evaluator] = {
    "Abs": _unary(np.abs, "f", "i"),
    "AddV2": _binary(np.add, "f", "i"),
    "BroadcastTo": lambda x, attrs: [np.broadcast_to(x[0], _ints(x[1]))],
    "Cast": _cast,
    "ConcatV2": _concat,
    "Equal": _binary(np.equal, "f", "i"),
    "ExpandDims": lambda x, attrs: [np.expand_dims(x[0], int(x[1]))],
    "Fill": lambda x, attrs: [np.full(_ints(x[0]), x[1])],
    "FloorDiv": _whole_division(np.floor_divide),
    "FloorMod": _whole_division(np.mod),
    "Greater": _binary(np.greater, "f", "i"),
    "GatherV2": _gather,
    "Identity": lambda x, attrs: [x[0]],
    "Less": _binary(np.less, "f", "i"),
    "LogicalAnd": _binary(np.logical_and, "b"),
    "LogicalNot": _unary(np.logical_not, "b"),
    "LogicalOr": _binary(np.logical_or, "b"),
    "Maximum": _binary(np.maximum, "f", "i"),
    "Minimum": _binary(np.minimum, "f", "i"),
    "Mul": _binary(np.multiply, "f", "i"),
    "Neg": _unary(np.negative, "f", "i"),
    "NotEqual": _binary(np.not_equal, "f", "i"),
    "Pack": lambda x, attrs: [np.stack(_alike(x), axis=_int(attrs, "axis"))],
    "Range": _range,
    "RealDiv": _binary(np.divide, "f"),
    "Reciprocal": _unary(lambda x: np.float32(1) / x, "f"),
    "Reshape": lambda x, attrs: [np.reshape(x[0], _ints(x[1]))],
    "Rsqrt": _unary(lambda x: np.float32(1) / np.sqrt(x), "f"),
    "Slice": _slice,
    "SplitV": _split_v,
    "Sqrt": _unary(np.sqrt, "f"),
    "Square": _unary(np.square, "f", "i"),
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Sub": _binary(np.subtract, "f", "i"),
    "Tile": lambda x, attrs: [np.tile(x[0], _ints(x[1]))],
    "Transpose": lambda x, attrs: [np.transpose(x[0], _ints(x[1]))],
    "Unpack": _unpack,
}
"""Every op that is computed at compile time."""

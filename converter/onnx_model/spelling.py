"""Small ONNX constructions, spelled as the model's opset wants them."""

from collections.abc import Sequence

import numpy as np

from converter.onnx_model.resolver import Call

_FIRST_WITH_INPUTS = 13  # from this opset on, Unsqueeze and Split take their arguments as operands
_FIRST_WITH_STEPS = 10  # from this opset on, Slice takes steps


def vector(call: Call, values: Sequence[int], name: str) -> str:
    """An int64 constant of rank 1."""
    return call.constant(np.asarray(values, dtype=np.int64), name)


def unsqueeze(call: Call, value: str, axis: int = 0) -> str:
    """A value with one axis more, of size 1."""
    if call.resolver.opset < _FIRST_WITH_INPUTS:
        return call.add("Unsqueeze", value, axes=[axis])
    return call.add("Unsqueeze", value, vector(call, [axis], "axes"))


def stack(call: Call, values: Sequence[str], axis: int = 0) -> str:
    """Values of one shape side by side along a new axis."""
    return concat(call, [unsqueeze(call, value, axis) for value in values], axis)


def concat(call: Call, values: Sequence[str], axis: int) -> str:
    """Values one after the other along an axis."""
    return values[0] if len(values) == 1 else call.add("Concat", *values, axis=axis)


def row(call: Call, value: str, index: int | str, axis: int = 0) -> str:
    """A value at one position of an axis, which is gone; the position may be a value itself."""
    position = call.constant(np.asarray(index, dtype=np.int64), "position") if isinstance(index, int) else index
    return call.add("Gather", value, position, axis=axis)


def size(call: Call, value: str, axis: int) -> int | str:
    """The size of an axis: a number, or a scalar value that only the running graph knows."""
    type_ = call.resolver.types.get(value)
    if type_ is not None and type_.shape is not None and isinstance(dim := type_.shape[axis], int):
        return dim
    return row(call, call.add("Shape", value), axis)


def backwards(call: Call, value: str) -> str:
    """A value with its first axis in reverse order.

    Raises: UnsupportedError if only the running graph knows its size, and the opset has no way to say it.
    """
    count = size(call, value, 0)
    if isinstance(count, int):
        return call.add("Gather", value, vector(call, range(count)[::-1], "backwards"), axis=0)
    if call.resolver.opset < _FIRST_WITH_STEPS:
        call.refuse("reverses a scan output of unknown length", hint=f"export at opset {_FIRST_WITH_STEPS} or later")
    first = np.iinfo(np.int64).min
    bounds = [vector(call, [bound], name) for bound, name in ((-1, "start"), (first, "end"), (0, "axes"), (-1, "step"))]
    return call.add("Slice", value, *bounds)


def split(call: Call, value: str, sizes: Sequence[int], axis: int) -> list[str]:
    """A value cut along an axis into pieces of these sizes."""
    if len(sizes) == 1:
        return [value]
    if call.resolver.opset < _FIRST_WITH_INPUTS:
        return call.add_all("Split", value, n_outputs=len(sizes), axis=axis, split=list(sizes))
    return call.add_all("Split", value, vector(call, sizes, "sizes"), n_outputs=len(sizes), axis=axis)

"""Ops that reduce or accumulate along axes."""

from collections.abc import Mapping

from converter.tfjs.graph import Dim, Shape, TensorType
from converter.tfjs.infer.call import NUMBERS, Call, Rule


def reduced(call: Call, shape: Shape, axes: tuple[int, ...] | None, *, keep_dims: bool) -> Shape:
    """A shape without the reduced axes, or with 1 in their places."""
    if shape is None:
        return None
    if axes is None:
        return (None,) * len(shape) if keep_dims else None
    gone = {call.axis(axis, len(shape)) for axis in axes}
    call.need(len(gone) == len(axes), f"axes {list(axes)} name one twice")
    kept: list[Dim] = [1 if axis in gone else dim for axis, dim in enumerate(shape)]
    return tuple(dim for axis, dim in enumerate(kept) if keep_dims or axis not in gone)


def _reduce(call: Call, *allowed: str) -> tuple[TensorType, ...]:
    call.ranked(1, 0, 1)
    shape = reduced(call, call.shape(0), call.ints(1), keep_dims=call.flag("keep_dims"))
    return (TensorType(call.dtype(0, *allowed), shape),)


def _arg(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, *NUMBERS)
    axis = call.scalar(1)
    shape = call.shape(0)
    if axis is None:
        return (TensorType("int32", None if not shape else (None,) * (len(shape) - 1)),)
    return (TensorType("int32", reduced(call, shape, (axis,), keep_dims=False)),)


def _accumulate(call: Call) -> tuple[TensorType, ...]:
    axis, shape = call.scalar(1), call.shape(0)
    if axis is not None and shape is not None:
        call.axis(axis, len(shape))
    return (TensorType(call.dtype(0, *NUMBERS), shape),)


def _bincount(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "int32")
    shape, size = call.ranked(0, 1, 2), call.scalar(1)
    if call.op == "DenseBincount" and (shape is None or len(shape) == 2):
        counts: Shape = None if shape is None else (shape[0], size)
    else:
        call.ranked(0, 1)
        counts = (size,)
    return (TensorType(call.dtype(2, *NUMBERS), counts),)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("Max", "Min", "Prod", "Sum"), lambda call: _reduce(call, *NUMBERS)),
    **dict.fromkeys(("All", "Any"), lambda call: _reduce(call, "bool")),
    **dict.fromkeys(("ArgMax", "ArgMin"), _arg),
    **dict.fromkeys(("Cumprod", "Cumsum"), _accumulate),
    **dict.fromkeys(("Bincount", "DenseBincount"), _bincount),
    "Mean": lambda call: _reduce(call, "float32"),
}

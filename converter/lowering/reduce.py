"""Reductions that are right for every dtype, rank and axis on every backend.

WebGPU transposes before it reduces any but the last axes, which is an invalid shader for int32 above rank 2, and it
loses `keep_dims` of small products.
"""

from collections.abc import Sequence

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import as_number, cast, transpose
from converter.tfjs.graph import Ref, TensorType

Axes = Sequence[int] | Ref  # a Ref: axes that only the running graph knows


def reduce_axes(ctx: LoweringContext, op: str, x: Ref, axes: Axes, *, keepdims: bool) -> Ref:
    """`x` reduced by Sum, Mean, Max, Min or Prod; Mean of integers is truncated as ONNX's is, bools stay bools."""
    dtype, x = ctx.type(x).dtype, as_number(ctx, x)
    if isinstance(axes, Ref):
        return cast(ctx, _reduce_at_run_time(ctx, op, x, axes, keepdims=keepdims), dtype)
    if not axes:
        return cast(ctx, x, dtype)
    if dtype == "float32" and op != "Prod":
        return ctx.emit(op, x, ctx.param(axes), keep_dims=keepdims)
    if op == "Mean":
        total = reduce_axes(ctx, "Sum", x, axes, keepdims=keepdims)
        return truncated_quotient(ctx, total, host.product([host.sizes(ctx, x)[axis] for axis in axes]))
    kept = [axis for axis in range(ctx.rank(x)) if axis not in axes]
    last = transpose(ctx, x, [*kept, *sorted(axes)])
    reduced = ctx.emit(op, last, ctx.param(list(range(len(kept), ctx.rank(x)))), keep_dims=False)
    if keepdims:
        shape = host.sizes(ctx, x)
        reduced = host.resize(ctx, reduced, [Size(1) if axis in axes else size for axis, size in enumerate(shape)])
    return cast(ctx, reduced, dtype)


def _reduce_at_run_time(ctx: LoweringContext, op: str, x: Ref, axes: Ref, *, keepdims: bool) -> Ref:
    if op == "Prod" or (op == "Mean" and ctx.type(x).dtype != "float32"):
        ctx.refuse(f"the axes of an integer mean or a product must be known ({ctx.node.inputs[1]} is not)")
    rank = ctx.rank(x)
    shape = (None,) * (rank if keepdims else rank - host.length(ctx, axes, "the axes"))
    source = cast(ctx, x, "float32")
    (reduced,) = ctx.emit_all(op, source, axes, keep_dims=keepdims, types=[TensorType("float32", shape)])
    return reduced


def truncated_quotient(ctx: LoweringContext, x: Ref, divisor: Size) -> Ref:
    """The int32 `x` divided by a positive size, toward zero."""
    by = host.scalar(ctx, host.as_vector(ctx, divisor))
    zero = ctx.data(np.zeros((), dtype=np.int32))
    sign = ctx.emit(
        "Sub", cast(ctx, ctx.emit("Greater", x, zero), "int32"), cast(ctx, ctx.emit("Less", x, zero), "int32")
    )
    return ctx.emit("Mul", sign, ctx.emit("FloorDiv", ctx.emit("Abs", x), by))

"""Operators that give a value another shape, order its axes, repeat it, or tell its shape."""

from collections.abc import Sequence

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import MAX_RANK, cast, transpose
from converter.lowering.movement import broadcast_against, broadcast_to, empty, movable, tile
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref


@lowers("Reshape", since=(1, 5, 13, 14, 19, 21, 23, 24, 25))
def lower_reshape(ctx: LoweringContext) -> None:
    """The data with another shape; 0 copies a dimension (unless `allowzero`), -1 is whatever is left.

    Emits: Reshape; for a shape that only the running graph knows, host arithmetic that replaces its zeros.
    Source: https://onnx.ai/onnx/operators/onnx__Reshape.html
    """
    ctx.ignore_attrs("consumed_inputs")  # a hint about memory
    x, allowzero = ctx.operand(0), bool(ctx.attr("allowzero", 0))
    target = ctx.attr("shape") if ctx.since == 1 else ctx.ints(1)
    if target is not None:
        ctx.result(host.resize(ctx, x, _resolved(ctx, x, target, allowzero)))
    elif (shape := _target(ctx, x)) is not None:
        ctx.result(host.resize(ctx, x, shape))
    else:
        ctx.result(_reshape_at_run_time(ctx, x, allowzero))


def _resolved(ctx: LoweringContext, x: Ref, target: Sequence[int], allowzero: bool) -> list[Size | None]:
    shape: list[Size | None] = []
    if 0 in target and not allowzero:
        source = host.sizes(ctx, x)
        shape = [source[axis] if size == 0 else Size(size) for axis, size in enumerate(target)]
    else:
        shape = [Size(size) for size in target]
    return [None if size == Size(-1) else size for size in shape]


def _target(ctx: LoweringContext, x: Ref) -> list[Size | None] | None:
    """The output shape that ONNX knows, if its dynamic dimensions are those of `x`, or there is only one."""
    shape = ctx.output_shape()
    if shape is None:
        return None
    source = {size.name: size for size in host.sizes(ctx, x) if size.name}
    sizes = [Size(dim) if isinstance(dim, int) else source.get(dim) if dim else None for dim in shape]
    return sizes if sizes.count(None) <= (0 if 0 in shape else 1) else None


def _reshape_at_run_time(ctx: LoweringContext, x: Ref, allowzero: bool) -> Ref:
    target = host.argument(ctx, 1, "the shape")
    n_axes = host.length(ctx, target, "the shape")
    if not allowzero:
        source = [*host.sizes(ctx, x)[:n_axes], *[Size(0)] * (n_axes - ctx.rank(x))]
        copies = cast(ctx, ctx.emit("Equal", target, host.number(ctx, *[0] * n_axes)), "int32")
        target = ctx.emit("AddV2", target, ctx.emit("Mul", copies, host.shape_vector(ctx, source)))
    return ctx.refine(ctx.emit("Reshape", x, target), (None,) * n_axes)


@lowers("Flatten", since=(1, 9, 11, 13, 21, 23, 24, 25))
def lower_flatten(ctx: LoweringContext) -> None:
    """The data as a matrix: the axes before `axis`, and the others.

    Shapes: (d0, …, dn) -> (d0 · … · d(axis-1), d(axis) · … · dn)
    Emits: Reshape.
    """
    x = ctx.operand(0)
    axis, rank = ctx.attr("axis", 1), ctx.rank(x)
    if not -rank <= axis <= rank:
        ctx.refuse(f"axis {axis} is outside a value of rank {rank}")
    axis, shape = axis + rank if axis < 0 else axis, host.sizes(ctx, x)
    ctx.result(host.resize(ctx, x, [host.product(shape[:axis]), host.product(shape[axis:])]))


@lowers("Squeeze", since=(1, 11))
@lowers("Squeeze", since=(13, 21, 23, 24, 25), const_inputs=(1,))
def lower_squeeze(ctx: LoweringContext) -> None:
    """The data without axes of size 1: those given, or all.

    Emits: Reshape, or Squeeze where several dimensions are dynamic.
    """
    x = ctx.operand(0)
    axes = ctx.attr("axes", None) if ctx.since < 13 else ctx.ints(1)
    dims = ctx.dims(x)
    if axes is None:
        if not all(isinstance(dim, int) for dim in dims):
            ctx.refuse(
                "without axes, which dimensions go depends on sizes that only the running graph knows",
                hint="name the axes, or fix the sizes with `--bind name=size`",
            )
        axes = [axis for axis, dim in enumerate(dims) if dim == 1]
    ctx.result(host.squeeze(ctx, x, [ctx.axis(axis, len(dims)) for axis in axes]))


@lowers("Unsqueeze", since=(1, 11))
@lowers("Unsqueeze", since=(13, 21, 23, 24, 25), const_inputs=(1,))
def lower_unsqueeze(ctx: LoweringContext) -> None:
    """The data with axes of size 1 inserted; axes count in the result.

    Emits: Reshape, or ExpandDims where several dimensions are dynamic.
    """
    x = ctx.operand(0)
    axes = ctx.attr("axes") if ctx.since < 13 else ctx.ints(1) or []
    rank = ctx.rank(x) + len(axes)
    ctx.result(host.unsqueeze(ctx, x, [ctx.axis(axis, rank) for axis in axes]))


@lowers("Shape", since=(1, 13, 15, 19, 21, 23, 24, 25))
def lower_shape(ctx: LoweringContext) -> None:
    """The shape of the data from `start` to `end`, as a vector on the host.

    Emits: Shape, and Slice for a part of it.
    """
    x = ctx.operand(0)
    rank = ctx.rank(x)
    start, end, _ = slice(ctx.attr("start", 0), ctx.attr("end", rank)).indices(rank)
    shape = ctx.emit("Shape", x)
    if end - start < rank:
        shape = ctx.emit("Slice", shape, ctx.param([start]), ctx.param([max(end - start, 0)]))
    ctx.result(shape)


@lowers("Size", since=(1, 13, 19, 21, 23, 24, 25))
def lower_size(ctx: LoweringContext) -> None:
    """The number of elements of the data, as a scalar on the host."""
    ctx.result(ctx.emit("Size", ctx.operand(0)))


@lowers("Transpose", since=(1, 13, 21, 23, 24, 25))
def lower_transpose(ctx: LoweringContext) -> None:
    """The data with its axes reordered; reversed where `perm` is absent."""
    x = ctx.operand(0)
    ctx.result(transpose(ctx, x, ctx.attr("perm", list(reversed(range(ctx.rank(x)))))))


@lowers("Expand", since=(8, 13))
def lower_expand(ctx: LoweringContext) -> None:
    """The data broadcast against a shape.

    Emits: BroadcastTo; Tile where the shape is dynamic; above rank 4 a product with ones.
    """
    x = ctx.operand(0)
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
    elif (sizes := _expanded(ctx, x)) is not None:
        ctx.result(broadcast_to(ctx, x, sizes))
    else:
        ctx.result(_expand_at_run_time(ctx, x))


def _expanded(ctx: LoweringContext, x: Ref) -> list[Size] | None:
    """The size of each axis of the result, if all can be told from the shape of `x` and what ONNX knows."""
    source, target = host.sizes(ctx, x), ctx.ints(1)
    if target is not None:
        rank = max(len(source), len(target))
        source = [*[Size(1)] * (rank - len(source)), *source]
        target = [*[1] * (rank - len(target)), *target]
        return [have if want == 1 else Size(want) for have, want in zip(source, target, strict=True)]
    shape = ctx.output_shape()
    if shape is None:
        return None
    named = {size.name: size for size in source if size.name}
    sizes = [Size(dim) if isinstance(dim, int) else named[dim] for dim in shape if isinstance(dim, int) or dim in named]
    return sizes if len(sizes) == len(shape) else None


def _expand_at_run_time(ctx: LoweringContext, x: Ref) -> Ref:
    target = host.argument(ctx, 1, "the shape")
    return broadcast_against(ctx, x, target, host.length(ctx, target, "the shape"))


@lowers("Tile", since=(6, 13))
def lower_tile(ctx: LoweringContext) -> None:
    """The data repeated along each axis.

    Emits: Tile; above rank 4 one for each axis, on a value of rank 3.
    """
    x, repeats = ctx.operand(0), ctx.ints(1)
    if (nothing := empty(ctx)) is not None:
        ctx.result(nothing)
    elif repeats is not None:
        ctx.result(tile(ctx, x, repeats))
    elif ctx.rank(x) <= MAX_RANK:
        repeated = ctx.emit("Tile", movable(ctx, x), host.argument(ctx, 1, "the number of repetitions"))
        ctx.result(cast(ctx, repeated, ctx.type(x).dtype))
    else:
        ctx.refuse("repetitions above rank 4 must be known before the graph runs", hint="make them a constant")

"""Matrix products."""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import MAX_RANK, cast, pad, reshape
from converter.lowering.movement import broadcast_to
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref


@lowers("Gemm", since=(6, 7, 9, 11, 13))
def lower_gemm(ctx: LoweringContext) -> None:
    """Y = alpha * op(A) @ op(B) + beta * C, where op transposes if asked to."""
    ctx.result(gemm(ctx))


def gemm(ctx: LoweringContext) -> Ref:
    """Return alpha * op(A) @ op(B) + beta * C, where op transposes if asked to.

    Shapes: A (m, k) or (k, m); B (k, n) or (n, k); C broadcasts to (m, n); Y (m, n).
    Emits:  MatMul; Mul and AddV2 only where alpha, beta or C need them. Constants absorb transposition and factors.
    """
    alpha, beta = float(ctx.attr("alpha", 1.0)), float(ctx.attr("beta", 1.0))
    ctx.ignore_attrs("broadcast")  # before opset 7: C broadcasts whether it is set or not
    transpose_a, transpose_b = bool(ctx.attr("transA", 0)), bool(ctx.attr("transB", 0))
    integer = ctx.dtype(0).is_integer
    a = cast(ctx, ctx.operand(0), "float32")
    weights = ctx.known(1)
    if weights is not None and weights.dtype == np.float32:
        matrix = weights.T if transpose_b else weights
        b = ctx.data(matrix * np.float32(alpha) if alpha != 1.0 else matrix)
        y = ctx.emit("MatMul", a, b, transpose_a=transpose_a, transpose_b=False)
    else:
        b = cast(ctx, ctx.operand(1), "float32")
        y = _scaled(ctx, ctx.emit("MatMul", a, b, transpose_a=transpose_a, transpose_b=transpose_b), alpha)
    if ctx.has(2) and beta != 0.0:
        bias = ctx.known(2)
        if bias is not None and bias.dtype == np.float32:
            row = bias[0] if bias.ndim == 2 and bias.shape[0] == 1 else bias
            y = ctx.emit("AddV2", y, ctx.data(row * np.float32(beta) if beta != 1.0 else row))
        else:
            y = ctx.emit("AddV2", y, _scaled(ctx, cast(ctx, ctx.operand(2), "float32"), beta))
    return cast(ctx, y, "int32") if integer else y


def _scaled(ctx: LoweringContext, x: Ref, factor: float) -> Ref:
    return x if factor == 1.0 else ctx.emit("Mul", x, ctx.data(factor))


@lowers("MatMul", since=(1, 9, 13))
def lower_matmul(ctx: LoweringContext) -> None:
    """Y = A @ B as numpy.matmul has it: leading axes broadcast, vectors are rows or columns.

    Emits: MatMul for two matrices; BatchMatMulV2 otherwise, with a matrix on the right flattened against a stack.
    """
    integer = ctx.dtype(0).is_integer
    a, b = cast(ctx, ctx.operand(0), "float32"), cast(ctx, ctx.operand(1), "float32")
    y = matmul(ctx, a, b)
    ctx.result(cast(ctx, y, "int32") if integer else y)


def matmul(ctx: LoweringContext, a: Ref, b: Ref, transposed: tuple[bool, bool] = (False, False)) -> Ref:
    """Return numpy.matmul of two float32 values of any rank above zero, each with its last two axes swapped if asked.

    A vector has no axes to swap.
    """
    a_dims, b_dims = ctx.dims(a), ctx.dims(b)
    out = list(ctx.output_type().shape or ()) if len(a_dims) == 1 or len(b_dims) == 1 else None
    turn_a, turn_b = transposed[0] and len(a_dims) > 1, transposed[1] and len(b_dims) > 1
    if len(a_dims) == 1:
        a = reshape(ctx, a, (1, a_dims[0]))
    if len(b_dims) == 1:
        b = reshape(ctx, b, (b_dims[0], 1))
    a, b = _filled(ctx, *_same_stacks(ctx, a, b))
    if ctx.rank(a) == 2 and ctx.rank(b) == 2:
        y = ctx.emit("MatMul", a, b, transpose_a=turn_a, transpose_b=turn_b)
    else:
        y = ctx.emit("BatchMatMulV2", a, b, adj_x=turn_a, adj_y=turn_b)
    if out is not None:
        y = _drop_vector_axes(ctx, y, len(a_dims) == 1, len(b_dims) == 1)
    return y


def _filled(ctx: LoweringContext, a: Ref, b: Ref) -> tuple[Ref, Ref]:
    """Both operands with one more term, 0 times 0, where the number of terms may be 0 and the result not empty.

    A product of no terms is whatever the memory holds on wasm, and fails on GPUs.
    """
    a_dims, b_dims = ctx.dims(a), ctx.dims(b)
    is_static = isinstance(a_dims[-1], int) or isinstance(b_dims[-2], int)
    kept = {*a_dims[:-1], *b_dims[:-2], b_dims[-1]} - {None}
    if is_static or {a_dims[-1], b_dims[-2]} & kept or max(len(a_dims), len(b_dims)) > MAX_RANK:
        return a, b
    a_pads, b_pads = ([(0, 0)] * len(dims) for dims in (a_dims, b_dims))
    a_pads[-1] = b_pads[-2] = (0, 1)
    return pad(ctx, a, a_pads), pad(ctx, b, b_pads)


def _same_stacks(ctx: LoweringContext, a: Ref, b: Ref) -> tuple[Ref, Ref]:
    """Both operands with the same leading axes, unless one has none: TF.js broadcasts a single matrix only."""
    a_stack, b_stack = ctx.dims(a)[:-2], ctx.dims(b)[:-2]
    if a_stack == b_stack or all(dim == 1 for dim in a_stack) or all(dim == 1 for dim in b_stack):
        return a, b
    rank = max(len(a_stack), len(b_stack))
    a_sizes, b_sizes = ([*[Size(1)] * (rank + 2 - ctx.rank(x)), *host.sizes(ctx, x)] for x in (a, b))
    stack = [y if x.dim == 1 else x for x, y in zip(a_sizes[:-2], b_sizes[:-2], strict=True)]
    return broadcast_to(ctx, a, [*stack, *a_sizes[-2:]]), broadcast_to(ctx, b, [*stack, *b_sizes[-2:]])


def _drop_vector_axes(ctx: LoweringContext, y: Ref, row: bool, column: bool) -> Ref:
    rank = ctx.rank(y)
    axes = ([rank - 2] if row else []) + ([rank - 1] if column else [])
    return ctx.emit("Squeeze", y, squeeze_dims=axes)

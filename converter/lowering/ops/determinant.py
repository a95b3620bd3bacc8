"""Determinants."""

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import cast
from converter.lowering.reduce import reduce_axes
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

LARGEST = 32


@lowers("Det", since=(11, 22))
def lower_det(ctx: LoweringContext) -> None:
    """The determinant of each square matrix, without a division: no pivot can be 0.

    F₁ = A and Fₖ₊₁ = mu(Fₖ) @ A, where mu keeps what is above the diagonal, drops what is below it, and puts the
    negative sum of the diagonal entries further down in each diagonal place; the determinant is ±Fₙ[0, 0].
    Shapes: (…, n, n) -> (…)
    Emits:  for each row of the matrix BatchMatMulV2 and arithmetic with constant masks.
    Source: R. S. Bird, A simple division-free algorithm for computing determinants (2011)
    """
    x = cast(ctx, ctx.operand(0), "float32")
    sizes = host.sizes(ctx, x)
    n = sizes[-1].number
    if not sizes[-1].is_static or n > LARGEST:
        ctx.refuse(f"determinants of matrices with {sizes[-1].name or n} rows", hint=f"at most {LARGEST}, and fixed")
    a = host.resize(ctx, x, [host.product(sizes[:-2]), Size(n), Size(n)])
    f = a
    for _ in range(n - 1):
        f = ctx.emit("BatchMatMulV2", _mu(ctx, f, n), a, adj_x=False, adj_y=False)
    corner = ctx.emit("Slice", f, ctx.param([0, 0, 0]), ctx.param([-1, 1, 1]))
    ctx.result(host.resize(ctx, corner if n % 2 else ctx.emit("Neg", corner), list(sizes[:-2])))


def _mu(ctx: LoweringContext, f: Ref, n: int) -> Ref:
    identity = np.eye(n, dtype=np.float32)[None]
    above, below = np.triu(np.ones((1, n, n), dtype=np.float32), 1), np.tril(np.ones((1, n, n), dtype=np.float32), -1)
    diagonal = reduce_axes(ctx, "Sum", ctx.emit("Mul", f, ctx.data(identity)), [2], keepdims=False)
    rest = ctx.emit("MatMul", diagonal, ctx.data(-below[0]), transpose_a=False, transpose_b=False)
    placed = ctx.emit("Mul", host.unsqueeze(ctx, rest, [1]), ctx.data(identity))
    return ctx.emit("AddV2", ctx.emit("Mul", f, ctx.data(above)), placed)

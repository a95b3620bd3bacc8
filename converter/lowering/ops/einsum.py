"""Einstein sums: the Einsum kernel is missing on wasm, so they become transposes, sums and matrix products."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import cast, transpose
from converter.lowering.movement import broadcast_to
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

ELLIPSIS_LABELS = "⁰¹²³⁴⁵⁶⁷"  # what the axes behind `...` are called while the sum is planned


@dataclass(frozen=True)
class _Term:
    """A value and a label for each of its axes, no label twice."""

    value: Ref
    labels: str


@lowers("Einsum", since=(12, 28))
def lower_einsum(ctx: LoweringContext) -> None:
    """The Einstein sum of any number of operands; `...` stands for axes that broadcast.

    Emits: for each operand the diagonals its repeated labels name, then BatchMatMulV2 from left to right, then Sum and
           Transpose.
    """
    terms, result = _equation(ctx, str(ctx.attr("equation")))
    current = _diagonal(ctx, terms[0])
    for index, term in enumerate(terms[1:], start=2):
        needed = set(result).union(*(later.labels for later in terms[index:]))
        current = _product(ctx, current, _diagonal(ctx, term), needed)
    current = _summed(ctx, current, set(result))
    y = transpose(ctx, current.value, [current.labels.index(label) for label in result])
    ctx.result(cast(ctx, y, "int32") if ctx.dtype(0).is_integer else y)


def _equation(ctx: LoweringContext, equation: str) -> tuple[list[_Term], str]:
    left, arrow, right = equation.replace(" ", "").partition("->")
    operands = [cast(ctx, operand, "float32") for operand in ctx.operands()]
    subscripts = left.split(",")
    if len(subscripts) != len(operands):
        ctx.refuse(f"the equation {equation!r} is for {len(subscripts)} operand(s), the node has {len(operands)}")
    hidden = max(ctx.rank(x) - len(s.replace("...", "")) for s, x in zip(subscripts, operands, strict=True))
    labels = []
    for subscript, operand in zip(subscripts, operands, strict=True):
        own = ctx.rank(operand) - len(subscript.replace("...", ""))
        labels.append(subscript.replace("...", ELLIPSIS_LABELS[hidden - own : hidden]))
    if not arrow:
        letters = [label for label in "".join(subscripts) if label not in ".,"]
        right = "..." * ("..." in left) + "".join(sorted(label for label in set(letters) if letters.count(label) == 1))
    result = right.replace("...", ELLIPSIS_LABELS[:hidden])
    return [_Term(operand, own) for operand, own in zip(operands, labels, strict=True)], result


def _diagonal(ctx: LoweringContext, term: _Term) -> _Term:
    """A term without repeated labels: of two axes with one label only the entries with equal indices count."""
    value, labels = term.value, term.labels
    while twice := next((label for label in labels if labels.count(label) > 1), None):
        first, second = labels.index(twice), labels.rindex(twice)
        size = ctx.dims(value)[first]
        if not isinstance(size, int):
            ctx.refuse("a diagonal of a dynamic size", hint="fix it with `--bind name=size`")
        shape = [1] * len(labels)
        shape[first] = shape[second] = size
        masked = ctx.emit("Mul", value, ctx.data(np.eye(size, dtype=np.float32).reshape(shape)))
        value = ctx.emit("Sum", masked, ctx.param([second]), keep_dims=False)
        labels = labels[:second] + labels[second + 1 :]
    return _Term(value, labels)


def _summed(ctx: LoweringContext, term: _Term, needed: set[str]) -> _Term:
    """A term without the axes that nothing after it needs."""
    axes = [axis for axis, label in enumerate(term.labels) if label not in needed]
    if not axes:
        return term
    value = ctx.emit("Sum", term.value, ctx.param(axes), keep_dims=False)
    return _Term(value, "".join(label for label in term.labels if label in needed))


def _product(ctx: LoweringContext, left: _Term, right: _Term, needed: set[str]) -> _Term:
    """The product of two terms, summed over the labels that only these two have."""
    left = _summed(ctx, left, needed | set(right.labels))
    right = _summed(ctx, right, needed | set(left.labels))
    shared = [label for label in left.labels if label in right.labels]
    stack = [label for label in shared if label in needed]
    inner = [label for label in shared if label not in needed]
    rows = [label for label in left.labels if label not in shared]
    columns = [label for label in right.labels if label not in shared]
    sizes = _sizes(ctx, left, right)
    one = _grouped(ctx, left, sizes, (stack, rows, inner))
    other = _grouped(ctx, right, sizes, (stack, inner, columns))
    product = ctx.emit("BatchMatMulV2", one, other, adj_x=False, adj_y=False)
    labels = [*stack, *rows, *columns]
    return _Term(host.resize(ctx, product, [sizes[label] for label in labels]), "".join(labels))


def _sizes(ctx: LoweringContext, *terms: _Term) -> dict[str, Size]:
    """The size of each label; an axis of size 1 broadcasts to the other operand's."""
    sizes: dict[str, Size] = {}
    for term in terms:
        for label, size in zip(term.labels, host.sizes(ctx, term.value), strict=True):
            if label not in sizes or sizes[label].dim == 1:
                sizes[label] = size
    return sizes


def _grouped(ctx: LoweringContext, term: _Term, sizes: dict[str, Size], groups: Sequence[Sequence[str]]) -> Ref:
    """A term as a stack of matrices: the axes of each group merged into one."""
    order = [label for group in groups for label in group]
    value = transpose(ctx, term.value, [term.labels.index(label) for label in order])
    if 1 in ctx.dims(value):
        value = broadcast_to(ctx, value, [sizes[label] for label in order])
    return host.resize(ctx, value, [host.product([sizes[label] for label in group]) for group in groups])

"""Finds the values that reach a discontinuous operation, where another rounding can give another result.

An integer product that is scaled before it is summed, not after it, can land on the other side of a tie: no pass may
compute such a value with other roundings. Exact changes are free, such as factors that are powers of two.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from converter.tfjs.graph import Graph, Node

CALLS = ("Recurrence", "StatelessIf", "StatelessWhile")
_DISCONTINUOUS = frozenset({
    "All", "Any", "ArgMax", "ArgMin", "Ceil", "Equal", "Floor", "FloorDiv", "FloorMod", "Greater", "GreaterEqual",
    "IsFinite", "IsInf", "IsNan", "Less", "LessEqual", "LowerBound", "Mod", "NonMaxSuppressionV2",
    "NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5", "NotEqual", "Round", "Sign", "TopKV2",
    "Unique", "UniqueV2", "UpperBound",
})  # fmt: skip
_SUMMING = frozenset({
    "AvgPool", "AvgPool3D", "BatchMatMul", "BatchMatMulV2", "Conv1D", "Conv2D", "Conv2DBackpropInput", "Conv3D",
    "Cumprod", "Cumsum", "DepthwiseConv2dNative", "Einsum", "LRN", "LogSoftmax", "MatMul", "Mean", "Prod",
    "ResizeBilinear", "Softmax", "Sum",
})  # fmt: skip
"""Operations that combine many elements in an order of their own: of inexact operands they give any last bits."""


def nodes_before_discontinuity(graph: Graph, live: Sequence[Node], *, returned: Iterable[str]) -> frozenset[str]:
    """Return which of the live nodes have values that reach a discontinuous operation without being summed first.

    `returned` are nodes whose values go on outside of the graph, to where they count as reaching one; so do the
    operands of functions.
    """
    found = set(returned)
    for node in reversed(live):
        if _is_discontinuous(graph, node) or (node.name in found and node.op not in _SUMMING):
            found.update(ref.node for ref in node.inputs)
    return frozenset(found)


def _is_discontinuous(graph: Graph, node: Node) -> bool:
    if node.op == "Cast":
        return graph.type_of(node.inputs[0]).dtype == "float32" != node.outputs[0].dtype
    return node.op in _DISCONTINUOUS or node.op in CALLS


def are_powers_of_two(factors: np.ndarray) -> bool:
    """Return whether multiplying by any of these factors only changes the exponent."""
    return bool((np.abs(np.frexp(factors)[0]) == 0.5).all())


def are_integers(values: np.ndarray, limit: int) -> bool:
    """Return whether all values are integers of at most that magnitude."""
    return bool(((np.abs(values) <= limit) & (values == np.rint(values))).all())

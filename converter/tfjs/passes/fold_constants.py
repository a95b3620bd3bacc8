"""Computes what depends on constants alone, and shapes that are known."""

from math import prod

import numpy as np

from converter.dtypes import dtype_of
from converter.tfjs.evaluate import EVALUATORS, evaluate
from converter.tfjs.graph import Graph, Node, Ref, TensorType, n_elements
from converter.tfjs.infer import infer
from converter.tfjs.rewrite import Rewrite, rewrite

KEPT_NARROW = 1 << 10  # elements; larger constants of narrow integers are widened when the graph runs
MAX_GROWTH = 1 << 16  # elements; a constant is downloaded, what made it may have been one node


def fold_constants(graph: Graph) -> Graph:
    """The graph with each node replaced whose results are known before it runs.

    A result that is larger than its operands together, and than `MAX_GROWTH` elements, is left to the running graph.
    """
    return rewrite(graph, lambda rw: lambda node: _fold(rw, node))


def _fold(rw: Rewrite, node: Node) -> bool:
    if node.op in ("Shape", "Size", "Rank"):
        results = _facts(node.op, rw.old_type(node.inputs[0]))
    else:
        results = _results(rw, node)
    if results is None or len(results) != len(node.outputs):
        return False
    for index, array in enumerate(results):
        rw.bind_array(Ref(node.name, index), array)
    return True


def _facts(op: str, type_: TensorType) -> list[np.ndarray] | None:
    if op == "Rank" and type_.rank is not None:
        return [np.asarray(type_.rank, dtype=np.int32)]
    dims = [dim for dim in type_.shape or () if isinstance(dim, int)]
    if len(dims) != type_.rank:
        return None
    return [np.asarray(dims if op == "Shape" else prod(dims), dtype=np.int32)]


def _results(rw: Rewrite, node: Node) -> list[np.ndarray] | None:
    operands = [array for array in map(rw.known, node.inputs) if array is not None]
    if node.op not in EVALUATORS or not operands or len(operands) != len(node.inputs):
        return None
    return None if _grows(node, operands) or _widens(node, operands) else evaluate(node.op, operands, node.attrs)


def _grows(node: Node, operands: list[np.ndarray]) -> bool:
    given = [TensorType(dtype_of(array).storage or "", array.shape) for array in operands]
    limit = max(MAX_GROWTH, sum(array.size for array in operands))
    sizes = [n_elements(type_.shape) for type_ in infer(node.op, given, node.attrs, operands)]
    return any(size is None or size > limit for size in sizes)


def _widens(node: Node, operands: list[np.ndarray]) -> bool:
    """Whether a large constant of one or two bytes per element would become one of four."""
    (array, *_) = operands
    return node.op == "Cast" and array.dtype.kind in "iu" and array.itemsize < 4 and array.size > KEPT_NARROW

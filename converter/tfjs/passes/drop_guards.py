"""Drops the check for NaN behind the Softmax of an attention that leaves each query something to see.

A softmax is NaN where all scores of a row are -inf; exporters guard each attention against that, masked or not.
Source: a quarter of the attention's time on wasm is spent on the zeros of the guard, which TF.js spreads with Tile.
"""

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_PRODUCTS = frozenset({"BatchMatMulV2", "MatMul"})
_SCALING = frozenset({"Mul", "RealDiv"})
_DEEPEST = 8  # operations between a product and its softmax


def drop_guards(graph: Graph) -> Graph:
    """The graph without SelectV2(IsNan(p), 0, p) for a softmax p of products, none of whose rows can be all -inf.

    Values so large that a product overflows give NaN then, as they do in PyTorch.
    """
    return rewrite(graph, lambda rw: lambda node: node.op == "SelectV2" and _drop(rw, node))


def _drop(rw: Rewrite, node: Node) -> bool:
    condition, instead, old = node.inputs
    zero = rw.known(instead)
    if zero is None or zero.any() or any(rw.known(ref) is not None for ref in (condition, old)):
        return False
    test, softmax = rw.source.nodes[condition.node], rw.source.nodes[old.node]
    if test.op != "IsNan" or test.inputs != (old,) or softmax.op != "Softmax" or softmax.outputs != node.outputs:
        return False
    return _sees(rw, softmax.inputs[0], _DEEPEST) and rw.forward(node, rw.value(old))


def _sees(rw: Rewrite, old: Ref, depth: int) -> bool:
    """Whether each row of scores has one that is not -inf, by what they are made of."""
    node = rw.source.nodes[old.node]
    if rw.known(old) is not None or not depth:
        return False
    if node.op in _PRODUCTS:
        return True
    if node.op not in _SCALING and node.op != "AddV2":
        return False
    return _with_constant(rw, node, depth) if node.op in _SCALING else _with_mask(rw, node, depth)


def _with_constant(rw: Rewrite, node: Node, depth: int) -> bool:
    arrays = [(side, array) for side in (0, 1) if (array := rw.known(node.inputs[side])) is not None]
    if len(arrays) != 1 or (node.op == "RealDiv" and arrays[0][0] == 0):
        return False
    ((side, array),) = arrays
    is_plain = bool(np.isfinite(array).all()) and (node.op == "Mul" or bool(array.all()))
    return is_plain and _sees(rw, node.inputs[1 - side], depth - 1)


def _with_mask(rw: Rewrite, node: Node, depth: int) -> bool:
    """A sum of scores and a mask, which leaves a place in each row and nowhere is more than finite."""
    for side in (0, 1):
        mask = node.inputs[1 - side]
        if _leaves_a_place(rw, mask) and _sees(rw, node.inputs[side], depth - 1):
            return True
    return False


def _leaves_a_place(rw: Rewrite, old: Ref) -> bool:
    array = rw.known(old)
    if array is not None:
        return not (np.isnan(array) | np.isposinf(array)).any() and bool(np.isfinite(array).any(axis=-1).all())
    node = rw.source.nodes[old.node]
    if node.op != "SelectV2":
        return False
    values = [rw.known(ref) for ref in node.inputs[1:]]
    return all(value is not None and bool(np.isfinite(value).all()) for value in values)

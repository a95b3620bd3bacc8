"""Transposes weights before the graph runs, though they are widened and scaled, or filled in, only when it does."""

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_SCALING = frozenset({"AddV2", "Mul", "RealDiv", "Sub"})


def transpose_constants(graph: Graph) -> Graph:
    """The graph with the Transpose of what Cast, arithmetic and Fill make of constants done on the constants."""
    return rewrite(graph, lambda rw: lambda node: _transpose(rw, node))


def _transpose(rw: Rewrite, node: Node) -> bool:
    if node.op != "Transpose" or rw.known(node.inputs[0]) is not None:
        return False
    perm = rw.known(node.inputs[1])
    if perm is None or not _is_made_of_constants(rw, node.inputs[0]):
        return False
    return rw.forward(node, _moved(rw, node.inputs[0], tuple(int(axis) for axis in perm)))


def _is_made_of_constants(rw: Rewrite, old: Ref) -> bool:
    if rw.known(old) is not None:
        return True
    producer = rw.source.nodes[old.node]
    if producer.op == "Fill":
        return rw.known(producer.inputs[0]) is not None
    return (producer.op == "Cast" or producer.op in _SCALING) and all(
        _is_made_of_constants(rw, operand) for operand in producer.inputs
    )


def _moved(rw: Rewrite, old: Ref, perm: tuple[int, ...]) -> Ref:
    """What an old value, broadcast to as many axes as there are in `perm`, becomes when they are reordered."""
    array = rw.known(old)
    if array is not None:
        wide = array.reshape((1,) * (len(perm) - array.ndim) + array.shape) if array.ndim else array
        return rw.data(np.ascontiguousarray(np.transpose(wide, perm)) if array.ndim else array, f"{old.node}/moved")
    producer = rw.source.nodes[old.node]
    if producer.op == "Fill":
        dims = rw.known(producer.inputs[0])
        assert dims is not None
        full = [1] * (len(perm) - len(dims)) + [int(dim) for dim in dims]
        shape = rw.param([full[axis] for axis in perm])
        return rw.emit("Fill", shape, rw.operand(producer, 1), name=f"{producer.name}/moved", **producer.attrs)
    operands = [_moved(rw, operand, perm) for operand in producer.inputs]
    return rw.emit(producer.op, *operands, name=f"{producer.name}/moved", **producer.attrs)

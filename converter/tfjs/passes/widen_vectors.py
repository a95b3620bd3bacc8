"""Gives vectors the rank of what they are broadcast to, where that rank is above 4.

WebGPU's shader for a vector of 2 to 127 elements indexes a `vec5`, which WGSL doesn't have (binary_op_webgpu.js).
"""

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.passes.families import BROADCASTING
from converter.tfjs.rewrite import Rewrite, rewrite

_LARGEST_RIGHT_RANK = 4


def widen_vectors(graph: Graph) -> Graph:
    """The graph with a reshape of each vector that is broadcast to rank 5 or more."""
    return rewrite(graph, lambda rw: lambda node: _widen(rw, node))


def _widen(rw: Rewrite, node: Node) -> bool:
    rank = node.outputs[0].rank
    if node.op not in BROADCASTING or rank is None or rank <= _LARGEST_RIGHT_RANK:
        return False
    if not any(rw.old_type(old).rank == 1 for old in node.inputs):
        return False
    return rw.put(
        node, node.op, *(_wide(rw, node, index, old, rank) for index, old in enumerate(node.inputs)), **node.attrs
    )


def _wide(rw: Rewrite, node: Node, index: int, old: Ref, rank: int) -> Ref:
    shape = rw.old_type(old).shape
    if shape is None or len(shape) != 1:
        return rw.operand(node, index)
    name = f"{node.name}/wide{index}"
    if (values := rw.known(old)) is not None:
        return rw.data(values.reshape([1] * (rank - 1) + [values.size]), name=name)
    target = [1] * (rank - 1) + [shape[0] if isinstance(shape[0], int) else -1]
    return rw.emit("Reshape", rw.operand(node, index), rw.param(target), name=name)

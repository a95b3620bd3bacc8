"""Gives integers that became floats a buffer of their own before anything transposes them.

WebGPU casts int32 to float32 by renaming the dtype (kernels/Cast.js). Its kernels convert what they read, but for the
transpose of rank 3 and more, which does not compile for such a value (transpose_webgpu.js:44).
"""

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_SAME_BUFFER = frozenset({"ExpandDims", "Identity", "Reshape", "Squeeze"})
_TRANSPOSING = frozenset({
    "ArgMax", "ArgMin", "BatchToSpaceND", "Cumprod", "Cumsum", "Max", "Mean", "Min", "Prod", "SpaceToBatchND", "Sum",
    "Transpose",
})  # fmt: skip
_LARGEST_RIGHT_RANK = 2


def settle_casts(graph: Graph) -> Graph:
    """The graph with a multiplication by one after each cast to float32 whose result is transposed somewhere."""
    return rewrite(graph, lambda rw: lambda node: _settle(rw, node))


def _settle(rw: Rewrite, node: Node) -> bool:
    if node.op != "Cast" or node.outputs[0].dtype != "float32" or not _is_transposed(rw, Ref(node.name)):
        return False
    if rw.old_type(node.inputs[0]).dtype == "float32":
        return False
    renamed = rw.emit("Cast", rw.operand(node, 0), name=f"{node.name}/renamed", **node.attrs)
    return rw.put(node, "Mul", renamed, rw.data(np.ones((), dtype=np.float32), name=f"{node.name}/one"))


def _is_transposed(rw: Rewrite, old: Ref) -> bool:
    """Whether a kernel that transposes reads the value, or another shape of it."""
    waiting, seen = [old], {old}
    while waiting:
        value = waiting.pop()
        rank = rw.old_type(value).rank
        for reader in rw.readers(value):
            if reader.op in _TRANSPOSING and (rank is None or rank > _LARGEST_RIGHT_RANK):
                return True
            result = Ref(reader.name)
            if reader.op in _SAME_BUFFER and result not in seen:
                seen.add(result)
                waiting.append(result)
    return False

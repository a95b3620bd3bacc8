"""Copies operands that a kernel overwrites where anything else holds the same buffer.

The kernels are those of `OVERWRITTEN_OPERANDS`. On cpu a constant, an input, or a value with another reader would hold
the kernel's result from then on; Reshape, Identity, Slice and some Casts share the buffer of their operand.
"""

from converter.tfjs.constraints import OVERWRITTEN_OPERANDS
from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.optable import OPTABLE
from converter.tfjs.rewrite import Rewrite, rewrite

_SAME_BUFFER = frozenset({"ExpandDims", "Identity", "Reshape", "Squeeze"})
_ALLOCATING_CATEGORIES = frozenset({"arithmetic", "basic_math", "logical", "reduction"})
_ALLOCATING = frozenset({
    "BatchMatMulV2", "Conv2D", "Conv2DBackpropInput", "Conv3D", "DepthwiseConv2dNative", "Fill",
    "FusedDepthwiseConv2dNative", "GatherNd", "GatherV2", "LogSoftmax", "MatMul", "Ones", "OnesLike", "PadV2",
    "ScatterNd", "Softmax", "TensorScatterUpdate", "Tile", "Zeros", "ZerosLike", "_FusedConv2D", "_FusedMatMul",
})  # fmt: skip
_READING_SHAPES = frozenset({"Rank", "Shape", "Size"})


def copy_overwritten(graph: Graph) -> Graph:
    """Insert a copy in front of each operand that is overwritten and may share its buffer.

    The copy is AddN of one value, which cpu and wasm add to zeros and GPUs pass on as it is.
    """
    return rewrite(graph, lambda rw: lambda node: _copy(rw, node), only=OVERWRITTEN_OPERANDS)


def _copy(rw: Rewrite, node: Node) -> bool:
    index = OVERWRITTEN_OPERANDS.get(node.op)
    if index is None or _is_sole_holder(rw, node.inputs[index]):
        return False
    operands = list(rw.operands(node))
    operands[index] = rw.emit("AddN", operands[index], name=f"{node.name}/copy")
    return rw.put(node, node.op, *operands, **node.attrs)


def _is_sole_holder(rw: Rewrite, old: Ref) -> bool:
    """Whether the reader of a value is the only one that its buffer has, and the graph made that buffer."""
    while True:
        readers = [reader for reader in rw.readers(old) if reader.op not in _READING_SHAPES]
        if rw.known(old) is not None or len(readers) > 1:
            return False
        producer = rw.source.nodes[old.node]
        if producer.op not in _SAME_BUFFER:
            return _allocates(producer)
        old = producer.inputs[0]


def _allocates(node: Node) -> bool:
    """Whether the cpu kernel of a node puts its result into a buffer that no other value has."""
    return node.op in _ALLOCATING or (node.op in OPTABLE and OPTABLE[node.op].category in _ALLOCATING_CATEGORIES)

"""Finds the outputs of a model that are indices of a search, and those that were rounded to float16 on their way."""

from dataclasses import dataclass

import onnx

from converter.onnx_model.load import LoadedOnnx
from converter.onnx_model.pieces import known_values, nodes_of

_HALVES = (onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16)
_SAME_INDICES = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})
_SEARCHES = {"ArgMax": (0, 0), "ArgMin": (0, 0), "TopK": (1, -1)}  # op -> (its output of indices, its default axis)
_SIZES = frozenset({"Shape", "Size"})


@dataclass(frozen=True)
class IndexOutput:
    """The tensor that an output's indices point into, and the axis that they count along."""

    searched: str
    axis: int


def index_outputs(loaded: LoadedOnnx) -> dict[str, IndexOutput]:
    """Return the outputs that are the indices of ArgMax, ArgMin or TopK, in another shape or dtype at most."""
    graph = loaded.proto.graph
    producers = {name: node for node in graph.node for name in node.output if name}
    found = {}
    for info in graph.output:
        name, node = info.name, producers.get(info.name)
        while node is not None and node.op_type in _SAME_INDICES and not node.domain:
            name = node.input[0]
            node = producers.get(name)
        if node is None or node.domain or node.op_type not in _SEARCHES:
            continue
        position, axis = _SEARCHES[node.op_type]
        if list(node.output).index(name) == position:
            given = [attr.i for attr in node.attribute if attr.name == "axis"]
            found[info.name] = IndexOutput(node.input[0], int(given[0]) if given else axis)
    return found


def float16_outputs(loaded: LoadedOnnx) -> frozenset[str]:
    """Return the outputs that depend on a value which the graph rounds to float16 or bfloat16 when it runs.

    Weights that are only stored so, and inputs that are at once cast to float32, round nothing.
    """
    graph, known = loaded.proto.graph, known_values(loaded)
    halves = {info.name for info in graph.input if info.type.tensor_type.elem_type in _HALVES}
    halves |= {name for name, array in loaded.constants.items() if array.dtype.name in ("float16", "bfloat16")}
    rounded: set[str] = set()
    for facts in nodes_of(loaded):
        target = _cast_target(graph.node[facts.index])
        if facts.op in _SIZES or known.issuperset(facts.outputs):
            if target in _HALVES:
                halves.update(facts.outputs)
            continue
        is_half = target in _HALVES if target is not None else not halves.isdisjoint(facts.reads)
        if is_half:
            halves.update(facts.outputs)
        if is_half or not rounded.isdisjoint(facts.reads):
            rounded.update(facts.outputs)
    return frozenset(info.name for info in graph.output if info.name in rounded)


def _cast_target(node: onnx.NodeProto) -> int | None:
    """The element type that a Cast gives, None for any other node."""
    if node.op_type != "Cast":
        return None
    return next((int(attr.i) for attr in node.attribute if attr.name == "to"), None)

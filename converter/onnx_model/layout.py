"""Images that a caller hands over with their channels last."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

import onnx
from onnx import helper

from converter.onnx_model.load import LoadedOnnx

_TO_NCHW = (0, 3, 1, 2)


def with_channels_last(loaded: LoadedOnnx, names: Collection[str]) -> LoadedOnnx:
    """The model with some inputs as (batch, height, width, channel), of the same names.

    Shapes: those inputs had (batch, channel, height, width); no output is one of them.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(loaded.proto)
    graph = proto.graph
    inner = {name: _unused(graph, f"{name}/nchw") for name in names}
    _rename(graph.node, inner)
    for info in graph.input:
        if info.name in inner:
            batch, channel, height, width = list(info.type.tensor_type.shape.dim)
            del info.type.tensor_type.shape.dim[:]
            info.type.tensor_type.shape.dim.extend([batch, height, width, channel])
    moves = [
        helper.make_node("Transpose", [name], [inside], _unused(graph, inside), perm=_TO_NCHW)
        for name, inside in inner.items()
    ]
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*moves, *nodes])
    return replace(loaded, proto=proto)


def _unused(graph: onnx.GraphProto, name: str) -> str:
    taken = {text for node in graph.node for text in (node.name, *node.input, *node.output)}
    while name in taken:
        name += "_"
    return name


def _rename(nodes: Iterable[onnx.NodeProto], names: Mapping[str, str]) -> None:
    """Let nodes, and those of the graphs inside them, read other values."""
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                _rename(graph.node, names)  # in which no name may mean anything else

"""Pieces of a model, and its inner values as outputs, for finding out where it goes wrong."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from converter.errors import UnsupportedError
from converter.onnx_model.load import LoadedOnnx
from converter.onnx_model.model import ValueType
from converter.onnx_model.protos import type_proto
from converter.onnx_model.save import whole

MESSAGE_LIMIT_BYTES = (1 << 31) - (1 << 20)  # a protobuf message stops at 2 GiB

RANDOM = frozenset({
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
})  # fmt: skip


@dataclass(frozen=True)
class NodeFacts:
    """A node of the model as its author wrote it; `reads` has what its sub-graphs read of the graph around them too."""

    index: int
    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    reads: tuple[str, ...]
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.domain and self.domain + '::'}{self.op})"


def nodes_of(loaded: LoadedOnnx) -> list[NodeFacts]:
    """The nodes of the main graph, in its topological order."""
    return [_facts(node, index) for index, node in enumerate(loaded.proto.graph.node)]


def known_values(loaded: LoadedOnnx) -> set[str]:
    """The values that no input decides: initializers, constants, and what is made of nothing else."""
    known = {*loaded.constants, *(tensor.name for tensor in loaded.proto.graph.initializer), ""}
    for node in nodes_of(loaded):
        if node.op not in RANDOM and known.issuperset(node.reads):
            known.update(node.outputs)
    return known - {""}


def with_outputs(loaded: LoadedOnnx, names: Sequence[str]) -> bytes:
    """The model with exactly these values as outputs, serialized.

    Raises: UnsupportedError if the model is too large to be one message.
    """
    size_bytes = sum(array.nbytes for array in loaded.constants.values())
    if size_bytes > MESSAGE_LIMIT_BYTES:
        raise UnsupportedError(
            f"{size_bytes / 1e9:.1f} GB of weights don't fit one message", hint="look into a part of the model"
        )
    proto = whole(loaded)
    declared = {info.name: info for info in proto.graph.output}
    outputs = [declared.get(name, onnx.ValueInfoProto(name=name)) for name in names]
    del proto.graph.output[:]
    proto.graph.output.extend(outputs)
    return proto.SerializeToString(deterministic=True)


def piece_of(
    loaded: LoadedOnnx,
    nodes: Iterable[NodeFacts],
    *,
    inputs: Mapping[str, ValueType],
    outputs: Mapping[str, ValueType],
    constants: Mapping[str, np.ndarray],
) -> bytes:
    """A model of some nodes only, in order, with the types of what goes in and comes out, and weights of its own."""
    graph = helper.make_graph(
        [_named(loaded.proto.graph.node[node.index], node.name) for node in nodes],
        "piece",
        [helper.make_value_info(name, type_proto(type_)) for name, type_ in inputs.items()],
        [helper.make_value_info(name, type_proto(type_)) for name, type_ in outputs.items()],
        [numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=loaded.proto.opset_import, functions=loaded.proto.functions)
    proto.ir_version = loaded.proto.ir_version
    return proto.SerializeToString(deterministic=True)


def _named(node: onnx.NodeProto, name: str) -> onnx.NodeProto:
    """The node under the name that it goes by in the whole model, where a number may stand for one."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    copy.name = name
    return copy


def _facts(node: onnx.NodeProto, index: int) -> NodeFacts:
    return NodeFacts(
        index=index,
        name=node.name or f"{node.op_type}_{index}",
        op=node.op_type,
        domain="" if node.domain == "ai.onnx" else node.domain,
        inputs=tuple(node.input),
        reads=tuple(dict.fromkeys([*filter(None, node.input), *_captured(node)])),
        outputs=tuple(filter(None, node.output)),
    )


def _captured(node: onnx.NodeProto) -> list[str]:
    """What the sub-graphs of a node read of the graph around them."""
    names: list[str] = []
    for attr in node.attribute:
        for graph in [*([attr.g] if attr.HasField("g") else []), *attr.graphs]:
            own = {info.name for info in graph.input} | {tensor.name for tensor in graph.initializer}
            read: list[str] = []
            for inner in graph.node:
                read += [*filter(None, inner.input), *_captured(inner)]
                own.update(inner.output)
            read += [info.name for info in graph.output]
            names += [name for name in read if name not in own]
    return names

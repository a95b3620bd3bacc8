"""The view written back as ONNX protos, for what ONNX itself does better: shape inference and evaluation."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper

from converter.onnx_model.model import OnnxGraph, OnnxModel, OnnxNode, ValueType, since_version

SMALL_ELEMENTS = 1024  # larger constants become inputs: shape inference never reads their values
_IR_VERSION = 10


def node_proto(node: OnnxNode, types: Mapping[str, ValueType]) -> onnx.NodeProto:
    """A node, its sub-graphs included."""
    proto = onnx.NodeProto(
        name=node.name,
        op_type=node.op,
        domain=node.domain,
        overload=node.overload,
        input=node.inputs,
        output=node.outputs,
    )
    declared = _declared_attributes(node)
    for name, value in node.attrs.items():
        kind = declared.get(name) if isinstance(value, list) and not value else None  # empty lists don't tell theirs
        proto.attribute.append(helper.make_attribute(name, _attr_value(value, types), attr_type=kind))
    return proto


def _declared_attributes(node: OnnxNode) -> dict[str, int]:
    if not node.since:
        return {}
    schema = defs.get_schema(node.op, node.since, node.domain)
    return {name: attribute.type.value for name, attribute in schema.attributes.items()}  # type: ignore[attr-defined]


def _attr_value(value: Any, types: Mapping[str, ValueType]) -> Any:
    if isinstance(value, np.ndarray):
        return numpy_helper.from_array(value)
    return _subgraph(value, types) if isinstance(value, OnnxGraph) else value


def type_proto(type_: ValueType) -> onnx.TypeProto:
    """A tensor type."""
    return helper.make_tensor_type_proto(type_.dtype.onnx_code, None if type_.shape is None else list(type_.shape))


def _infos(names: Iterable[str], types: Mapping[str, ValueType]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_value_info(name, type_proto(types[name])) if name in types else onnx.ValueInfoProto(name=name)
        for name in names
    ]


def _subgraph(graph: OnnxGraph, types: Mapping[str, ValueType]) -> onnx.GraphProto:
    """A sub-graph each of whose outputs a node of its own makes: shape inference wants it so."""
    made = {name for node in graph.nodes for name in node.outputs}
    nodes = [node_proto(node, types) for node in graph.nodes]
    outputs: list[str] = []
    for index, name in enumerate(graph.outputs):
        own = name in made and name not in outputs
        outputs.append(name if own else f"{name}/as output {index} of {graph.name}")
        if not own:
            nodes.append(helper.make_node("Identity", [name], [outputs[-1]]))
    known = {new: types[name] for new, name in zip(outputs, graph.outputs, strict=True) if name in types}
    inner = _infos(sorted((made & types.keys()) - {*outputs}), types)
    own_constants = [numpy_helper.from_array(array, name) for name, array in graph.constants.items()]
    return helper.make_graph(
        nodes, graph.name, _infos(graph.inputs, types), _infos(outputs, known), own_constants, value_info=inner
    )


def model_proto(model: OnnxModel) -> onnx.ModelProto | None:
    """A prepared model, its large constants as inputs; None if its nodes follow more than one version of an opset."""
    if not _has_one_opset(model.graph, model.opsets):
        return None
    graph = model.graph
    small = {name: array for name, array in graph.constants.items() if array.size <= SMALL_ELEMENTS}
    large = [name for name in graph.constants if name not in small]
    inner = {name for node in graph.nodes for name in node.outputs} - {*graph.outputs}
    proto = helper.make_graph(
        [node_proto(node, graph.types) for node in graph.nodes],
        graph.name or "main",
        _infos((*graph.inputs, *large), graph.types),
        _infos(graph.outputs, graph.types),
        [numpy_helper.from_array(array, name) for name, array in small.items()],
        value_info=_infos(sorted(inner & graph.types.keys()), graph.types),
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in model.opsets.items()]
    return helper.make_model(proto, opset_imports=imports, ir_version=_IR_VERSION)


def _has_one_opset(graph: OnnxGraph, opsets: Mapping[str, int]) -> bool:
    own = all(
        node.domain in opsets and node.since == since_version(node.op, opsets[node.domain], node.domain)
        for node in graph.nodes
    )
    return own and all(_has_one_opset(inner, opsets) for inner in graph.subgraphs())

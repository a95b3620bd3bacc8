"""Gives a model tensors as inputs where it has sequences and optionals."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import onnx
from onnx import helper

from converter.errors import UnsupportedError
from converter.onnx_model.load import LoadedOnnx


def take_apart(loaded: LoadedOnnx, lengths: Mapping[str, int | None]) -> LoadedOnnx:
    """The model with an input for each element of those inputs that are sequences or optionals.

    `lengths` says how many elements each has, None that an optional has none. The elements of `name` are the inputs
    `name/0`, `name/1` and so on, as they are for outputs.
    Raises: UnsupportedError if an input is neither a sequence nor an optional of tensors or of sequences of tensors.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(loaded.proto)
    nodes: list[onnx.NodeProto] = []
    inputs: list[onnx.ValueInfoProto] = []
    for info in proto.graph.input:
        if info.name in lengths:
            inputs.extend(_elements(info, lengths[info.name]))
            nodes.extend(_together(info, lengths[info.name]))
        else:
            inputs.append(info)
    nodes.extend(proto.graph.node)
    del proto.graph.input[:], proto.graph.node[:]
    proto.graph.input.extend(inputs)
    proto.graph.node.extend(nodes)
    return replace(loaded, proto=proto)


def _elements(info: onnx.ValueInfoProto, count: int | None) -> Iterator[onnx.ValueInfoProto]:
    type_ = info.type
    while not type_.HasField("tensor_type"):
        kind = type_.WhichOneof("value")
        if kind not in ("sequence_type", "optional_type"):
            raise UnsupportedError(f"its type is {kind}, not a sequence of tensors", where=f"graph input {info.name!r}")
        type_ = getattr(type_, kind).elem_type
    return (helper.make_value_info(f"{info.name}/{index}", type_) for index in range(count or 0))


def _together(info: onnx.ValueInfoProto, count: int | None) -> Iterator[onnx.NodeProto]:
    """The nodes that make the elements what the model's own nodes read."""
    names = [f"{info.name}/{index}" for index in range(count or 0)]
    if not info.type.HasField("optional_type"):
        yield _sequence(info.type, names, info.name)
        return
    type_ = info.type.optional_type.elem_type
    if count is None:
        absent = helper.make_node("Optional", [], [info.name])
        absent.attribute.append(helper.make_attribute("type", type_))
        yield absent
    elif type_.HasField("sequence_type"):
        yield _sequence(type_, names, f"{info.name}/element")
        yield helper.make_node("Optional", [f"{info.name}/element"], [info.name])
    else:
        yield helper.make_node("Optional", names, [info.name])


def _sequence(type_: onnx.TypeProto, names: list[str], output: str) -> onnx.NodeProto:
    if names:
        return helper.make_node("SequenceConstruct", names, [output])
    return helper.make_node("SequenceEmpty", [], [output], dtype=type_.sequence_type.elem_type.tensor_type.elem_type)

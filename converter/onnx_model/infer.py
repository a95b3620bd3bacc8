"""What ONNX's shape inference says of one node, where the whole model can't be inferred yet."""

from collections.abc import Mapping

import numpy as np
from onnx import defs, helper, numpy_helper, shape_inference

from converter.onnx_model.model import Dim, OnnxNode, ValueType, value_type
from converter.onnx_model.protos import node_proto, type_proto

_ARGUMENT_ELEMENTS = 64  # of a shape, axes, scales: what inference reads


def infer_outputs(
    node: OnnxNode, constants: Mapping[str, np.ndarray], types: Mapping[str, ValueType]
) -> dict[str, ValueType]:
    """The types of those outputs that inference finds one for."""
    known = [name for name in dict.fromkeys(node.inputs) if name in types]
    if not node.since or any(name and name not in types for name in node.inputs):
        return {}
    arguments = {
        name: numpy_helper.from_array(constants[name])
        for name in known
        if name in constants and constants[name].size <= _ARGUMENT_ELEMENTS
    }
    try:
        found = shape_inference.infer_node_outputs(
            defs.get_schema(node.op, node.since, node.domain),
            node_proto(node, types),
            {name: type_proto(types[name]) for name in known},
            arguments,
            opset_imports=[helper.make_opsetid(node.domain, node.since)],
        )
    except Exception:  # inference raises many types; a lowering knows more, or says what it lacks
        return {}
    inferred = {name: value_type(proto) for name, proto in found.items()}
    return {name: type_ for name, type_ in inferred.items() if type_ is not None}


def join(one: ValueType | None, other: ValueType | None) -> ValueType | None:
    """What is true of a value that is either of two; None if nothing is, or their element types differ."""
    if one is None or other is None or one.dtype != other.dtype:
        return None
    if one.shape is None or other.shape is None or len(one.shape) != len(other.shape):
        return ValueType(one.dtype, None)
    return ValueType(one.dtype, tuple(a if a == b else None for a, b in zip(one.shape, other.shape, strict=True)))


def merge(one: ValueType | None, other: ValueType | None) -> ValueType | None:
    """What two statements about one value say together; where they contradict each other, the first is believed."""
    if one is None or other is None:
        return one or other
    if one.shape is None or other.shape is None or len(one.shape) != len(other.shape):
        return one if one.shape is not None or one.dtype != other.dtype else ValueType(one.dtype, other.shape)
    return ValueType(one.dtype, tuple(_sharper(a, b) for a, b in zip(one.shape, other.shape, strict=True)))


def _sharper(one: Dim, other: Dim) -> Dim:
    if isinstance(one, int) or other is None:
        return one
    return other if isinstance(other, int) or one is None else one


def without_names(type_: ValueType | None) -> ValueType | None:
    """A type without the names of dimensions: inside a sub-graph they may mean another size each time it runs."""
    if type_ is None or type_.shape is None:
        return type_
    return ValueType(type_.dtype, tuple(dim if isinstance(dim, int) else None for dim in type_.shape))

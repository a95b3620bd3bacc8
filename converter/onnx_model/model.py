"""The view: nodes with resolved operator versions, constants as arrays, a type for each value that has one."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper

from converter.dtypes import BY_ONNX_CODE, DType
from converter.errors import UnsupportedError
from converter.onnx_model.expression import Integer

Dim = int | str | None


@dataclass(frozen=True, slots=True)
class ValueType:
    """What ONNX says of a value: its element type and its shape (None: unknown rank)."""

    dtype: DType
    shape: tuple[Dim, ...] | None

    @property
    def is_static(self) -> bool:
        """Whether every dimension is a number."""
        return self.shape is not None and all(isinstance(dim, int) for dim in self.shape)


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One node: `since` is the opset in which the semantics it follows began; an absent input is ""."""

    name: str
    op: str
    domain: str
    since: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any]  # a sub-graph is an OnnxGraph, a tensor an array
    overload: str = ""

    def __str__(self) -> str:
        since = f", since {self.since}" if self.since else ""
        return f"{self.name} ({self.domain and self.domain + '::'}{self.op}{since})"


@dataclass(frozen=True)
class OnnxGraph:
    """A graph or sub-graph; `nodes` is in topological order.

    What is known of a value is in `constants` and `types`, and in `elements` where only some elements of a small
    integer tensor are known (None: known only at run time). In a prepared model the main graph has them for all
    sub-graphs as well, where every name is the name of one value only.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, np.ndarray]
    types: Mapping[str, ValueType]
    elements: Mapping[str, tuple[Integer | None, ...]] = field(default_factory=dict)

    def subgraphs(self) -> Iterator["OnnxGraph"]:
        """The graphs that its nodes hold, those inside them not."""
        return (value for node in self.nodes for value in node.attrs.values() if isinstance(value, OnnxGraph))


FunctionKey = tuple[str, str, str]  # domain, name, overload


@dataclass(frozen=True)
class OnnxModel:
    """A model; `problems` are the nodes that preparing it showed to be impossible, their outputs nobody makes."""

    graph: OnnxGraph
    opsets: Mapping[str, int]
    producer: str
    functions: Mapping[FunctionKey, onnx.FunctionProto] = field(default_factory=dict)
    problems: tuple[UnsupportedError, ...] = ()


@cache
def since_version(op: str, opset: int, domain: str = "") -> int:
    """The opset in which the semantics that `op` has at `opset` began, 0 if ONNX defines no such operator there."""
    try:
        return int(defs.get_schema(op, opset, domain).since_version)
    except defs.SchemaError:
        return 0


def view(proto: onnx.ModelProto, constants: Mapping[str, np.ndarray]) -> OnnxModel:
    """The view of a model whose types are inferred; `constants` are the initializers kept outside the proto.

    Raises: UnsupportedError if an input is no tensor.
    """
    opsets = opset_versions(proto.opset_import)
    producer = " ".join(filter(None, (proto.producer_name, proto.producer_version)))
    functions = {(_domain(f.domain), f.name, f.overload): f for f in proto.functions}
    graph = _graph(proto.graph, opsets, {})
    graph = replace(graph, inputs=tuple(name for name in graph.inputs if name not in constants))
    graph = replace(graph, constants={**constants, **graph.constants})
    for info in proto.graph.input:
        if info.name not in graph.types:
            kind = info.type.WhichOneof("value") or "nothing known"
            raise UnsupportedError(
                f"its type is {kind.removesuffix('_type')}, not a tensor",
                where=f"graph input {info.name!r}",
                hint="only tensors can enter a TF.js graph: pass the elements one by one",
            )
    return OnnxModel(graph, opsets, producer, functions)


def body_of(function: onnx.FunctionProto, attrs: Mapping[str, Any]) -> OnnxGraph:
    """What a call of a function computes, with the attributes of the call in the place of its parameters."""
    given = {attr.name: _attr(attr, {}, {}) for attr in function.attribute_proto} | dict(attrs)
    opsets = opset_versions(function.opset_import)
    nodes = tuple(_node(node, index, opsets, given) for index, node in enumerate(function.node))
    return OnnxGraph(function.name, tuple(function.input), tuple(function.output), nodes, {}, {})


def opset_versions(imports: Iterable[onnx.OperatorSetIdProto]) -> dict[str, int]:
    """The version of each domain that a model or function imports."""
    return {_domain(entry.domain): entry.version for entry in imports}


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _graph(proto: onnx.GraphProto, opsets: Mapping[str, int], given: Mapping[str, Any]) -> OnnxGraph:
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.initializer}
    types: dict[str, ValueType] = {}
    for info in (*proto.input, *proto.value_info, *proto.output):
        if (type_ := value_type(info.type)) is not None:
            types[info.name] = type_
    for name, array in constants.items():
        types.setdefault(name, array_type(array))
    return OnnxGraph(
        name=proto.name,
        inputs=tuple(info.name for info in proto.input if info.name not in constants),
        outputs=tuple(info.name for info in proto.output),
        nodes=tuple(_node(node, index, opsets, given) for index, node in enumerate(proto.node)),
        constants=constants,
        types=types,
    )


def array_type(array: np.ndarray) -> ValueType:
    """The type of a constant."""
    return ValueType(BY_ONNX_CODE[helper.np_dtype_to_tensor_dtype(array.dtype)], tuple(array.shape))


def value_type(proto: onnx.TypeProto) -> ValueType | None:
    """The type of a value, None where it is unknown or no tensor."""
    tensor = proto.tensor_type
    if not proto.HasField("tensor_type") or not tensor.elem_type:
        return None
    if not tensor.HasField("shape"):
        return ValueType(BY_ONNX_CODE[tensor.elem_type], None)
    return ValueType(BY_ONNX_CODE[tensor.elem_type], tuple(_dim(dim) for dim in tensor.shape.dim))


def _dim(dim: onnx.TensorShapeProto.Dimension) -> Dim:
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    return dim.dim_param or None


def _node(proto: onnx.NodeProto, index: int, opsets: Mapping[str, int], given: Mapping[str, Any]) -> OnnxNode:
    domain = _domain(proto.domain)
    return OnnxNode(
        name=proto.name or f"{proto.op_type}_{index}",
        op=proto.op_type,
        domain=domain,
        since=since_version(proto.op_type, opsets[domain], domain) if domain in opsets else 0,
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attrs=dict(_attrs(proto.attribute, opsets, given)),
        overload=proto.overload,
    )


def _attrs(
    protos: Iterable[onnx.AttributeProto], opsets: Mapping[str, int], given: Mapping[str, Any]
) -> Iterator[tuple[str, Any]]:
    for proto in protos:
        if not proto.ref_attr_name:
            yield proto.name, _attr(proto, opsets, given)
        elif proto.ref_attr_name in given:
            yield proto.name, given[proto.ref_attr_name]


def _attr(attr: onnx.AttributeProto, opsets: Mapping[str, int], given: Mapping[str, Any]) -> Any:
    value = helper.get_attribute_value(attr)
    match attr.type:
        case onnx.AttributeProto.STRING:
            return value.decode()
        case onnx.AttributeProto.STRINGS:
            return [item.decode() for item in value]
        case onnx.AttributeProto.INTS | onnx.AttributeProto.FLOATS:
            return list(value)
        case onnx.AttributeProto.TENSOR:
            return numpy_helper.to_array(value)
        case onnx.AttributeProto.GRAPH:
            return _graph(value, opsets, given)
        case _:
            return value

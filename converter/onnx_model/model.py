"""The view: nodes with resolved operator versions, constants as arrays, a type for each value that has one."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import onnx
from onnx import defs, helper, numpy_helper

from converter.dtypes import BY_ONNX_CODE, DType
from converter.errors import UnsupportedError

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

    def __str__(self) -> str:
        return f"{self.name} ({self.domain and self.domain + '::'}{self.op}, since {self.since})"


@dataclass(frozen=True)
class OnnxGraph:
    """A graph or sub-graph; `nodes` is in topological order."""

    name: str
    inputs: Mapping[str, ValueType]
    outputs: Mapping[str, ValueType]
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, np.ndarray]
    types: Mapping[str, ValueType]


@dataclass(frozen=True)
class OnnxModel:
    """A model ready to be lowered."""

    graph: OnnxGraph
    opsets: Mapping[str, int]
    producer: str


@cache
def since_version(op: str, opset: int, domain: str = "") -> int:
    """The opset in which the semantics that `op` has at `opset` began.

    Raises: UnsupportedError if ONNX defines no such operator there.
    """
    try:
        return int(defs.get_schema(op, opset, domain).since_version)
    except defs.SchemaError as error:
        raise UnsupportedError(
            f"{domain or 'ai.onnx'}::{op} is no operator of opset {opset}",
            hint="custom operators can't be converted; export with standard operators only",
        ) from error


def view(proto: onnx.ModelProto, constants: Mapping[str, np.ndarray]) -> OnnxModel:
    """The view of a model whose types are inferred; `constants` are the initializers kept outside the proto."""
    opsets = {entry.domain if entry.domain != "ai.onnx" else "": entry.version for entry in proto.opset_import}
    producer = " ".join(filter(None, (proto.producer_name, proto.producer_version)))
    return OnnxModel(_graph(proto.graph, opsets, constants), opsets, producer)


def _graph(proto: onnx.GraphProto, opsets: Mapping[str, int], extra: Mapping[str, np.ndarray]) -> OnnxGraph:
    constants = {**extra, **{tensor.name: numpy_helper.to_array(tensor) for tensor in proto.initializer}}
    types: dict[str, ValueType] = {}
    for info in (*proto.input, *proto.value_info, *proto.output):
        if (type_ := value_type(info)) is not None:
            types[info.name] = type_
    for name, array in constants.items():
        types.setdefault(name, _array_type(array))
    nodes = tuple(_node(node, index, opsets) for index, node in enumerate(proto.node))
    return OnnxGraph(
        name=proto.name,
        inputs={info.name: _declared(info) for info in proto.input if info.name not in constants},
        outputs={info.name: _declared(info, types) for info in proto.output},
        nodes=nodes,
        constants=constants,
        types=types,
    )


def _array_type(array: np.ndarray) -> ValueType:
    return ValueType(BY_ONNX_CODE[helper.np_dtype_to_tensor_dtype(array.dtype)], tuple(array.shape))


def value_type(info: onnx.ValueInfoProto) -> ValueType | None:
    """The type of a value, None where it is untyped or no tensor."""
    tensor = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not tensor.elem_type:
        return None
    if not tensor.HasField("shape"):
        return ValueType(BY_ONNX_CODE[tensor.elem_type], None)
    return ValueType(BY_ONNX_CODE[tensor.elem_type], tuple(_dim(dim) for dim in tensor.shape.dim))


def _dim(dim: onnx.TensorShapeProto.Dimension) -> Dim:
    if dim.HasField("dim_value"):
        return dim.dim_value if dim.dim_value >= 0 else None
    return dim.dim_param or None


def _declared(info: onnx.ValueInfoProto, known: Mapping[str, ValueType] | None = None) -> ValueType:
    type_ = (known or {}).get(info.name) or value_type(info)
    if type_ is None:
        kind = info.type.WhichOneof("value") or "nothing known"
        raise UnsupportedError(
            f"its type is {kind.removesuffix('_type')}, not a tensor",
            where=f"graph input or output {info.name!r}",
            hint="only tensors can enter or leave a TF.js graph",
        )
    return type_


def _node(proto: onnx.NodeProto, index: int, opsets: Mapping[str, int]) -> OnnxNode:
    domain = "" if proto.domain == "ai.onnx" else proto.domain
    since = since_version(proto.op_type, opsets[domain], domain) if domain in opsets else 0
    return OnnxNode(
        name=proto.name or f"{proto.op_type}_{index}",
        op=proto.op_type,
        domain=domain,
        since=since,
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attrs={attr.name: _attr(attr, opsets) for attr in proto.attribute},
    )


def _attr(attr: onnx.AttributeProto, opsets: Mapping[str, int]) -> Any:
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
            return _graph(value, opsets, {})
        case _:
            return value

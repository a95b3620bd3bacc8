"""What an ONNX file says of itself before anything is worked out: its border and its operators."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import defs

from converter.dtypes import BY_ONNX_CODE
from converter.onnx_model.load import LoadedOnnx
from converter.onnx_model.model import opset_versions, since_version
from converter.onnx_model.prepare import HANDLERS
from converter.onnx_model.resolver import HasLowering


@dataclass(frozen=True)
class Occurrence:
    """A node as the file has it; `since` is 0 where ONNX defines no such operator."""

    name: str
    domain: str
    op: str
    since: int

    @property
    def qualified(self) -> str:
        """The operator, with its domain where that isn't ONNX's own."""
        return f"{self.domain}::{self.op}" if self.domain else self.op


@dataclass(frozen=True)
class Survey:
    """The inputs that a caller gives, the outputs, and every node: those of sub-graphs and functions too."""

    inputs: tuple[dict[str, Any], ...]
    outputs: tuple[dict[str, Any], ...]
    nodes: tuple[Occurrence, ...]
    functions: frozenset[tuple[str, str]]
    opsets: dict[str, int]
    producer: str

    def is_expressible(self, node: Occurrence, has_lowering: HasLowering) -> bool:
        """Whether there is a way to express the operator at all: a lowering, a function, or work at compile time."""
        if node.op == "Constant" or (node.domain, node.op) in self.functions:
            return True
        if has_lowering(node.domain, node.op, node.since) or (node.op, node.since) in HANDLERS:
            return True
        if not node.since:
            return False
        schema = defs.get_schema(node.op, node.since, node.domain)
        return bool(schema.has_function or schema.has_context_dependent_function)  # type: ignore[attr-defined]


def survey(loaded: LoadedOnnx) -> Survey:
    """What a loaded file says of itself."""
    proto = loaded.proto
    opsets = opset_versions(proto.opset_import)
    weights = {*loaded.constants, *(tensor.name for tensor in proto.graph.initializer)}
    nodes = list(_nodes(proto.graph.node, opsets))
    for function in proto.functions:
        nodes += _nodes(function.node, opset_versions(function.opset_import))
    return Survey(
        inputs=tuple(_described(info) for info in proto.graph.input if info.name not in weights),
        outputs=tuple(_described(info) for info in proto.graph.output),
        nodes=tuple(nodes),
        functions=frozenset((function.domain, function.name) for function in proto.functions),
        opsets={domain or "ai.onnx": number for domain, number in opsets.items()},
        producer=f"{proto.producer_name} {proto.producer_version}".strip() or "unknown",
    )


def _nodes(protos: Iterable[onnx.NodeProto], opsets: dict[str, int]) -> Iterator[Occurrence]:
    for index, proto in enumerate(protos):
        domain = "" if proto.domain == "ai.onnx" else proto.domain
        since = since_version(proto.op_type, opsets.get(domain, 0), domain)
        yield Occurrence(proto.name or f"{proto.op_type}_{index}", domain, proto.op_type, since)
        for attribute in proto.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph.node, opsets)


def _described(info: onnx.ValueInfoProto) -> dict[str, Any]:
    kind = info.type.WhichOneof("value")
    if kind != "tensor_type":
        return {"name": info.name, "dtype": str(kind).removesuffix("_type"), "shape": None}
    tensor = info.type.tensor_type
    known = BY_ONNX_CODE.get(tensor.elem_type)
    shape = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim]
    return {
        "name": info.name,
        "dtype": known.name if known else f"ONNX type {tensor.elem_type}",
        "shape": shape if tensor.HasField("shape") else None,
    }

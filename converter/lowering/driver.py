"""Lowers a model: its inputs, its nodes, its outputs, and what a caller needs to know of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from converter.errors import UnsupportedError
from converter.lowering.ops import load_all
from converter.lowering.registry import REGISTRY, Registry
from converter.lowering.values import Values
from converter.lowering.walk import joined, lower_nodes
from converter.onnx_model import OnnxGraph, OnnxModel, ValueType
from converter.tfjs.builder import Builder
from converter.tfjs.graph import Graph, NameAllocator, Ref, TensorType


@dataclass(frozen=True)
class Lowered:
    """A TF.js graph, and where each ONNX value lives in it."""

    graph: Graph
    values: Mapping[str, Ref]


def lower(model: OnnxModel, registry: Registry = REGISTRY) -> Lowered:
    """The TF.js graph of a prepared ONNX model.

    Raises: UnsupportedError naming every node that can't be lowered, with the reason.
    """
    values, problems = _lowered(model, registry)
    if problems:
        raise joined(problems, f"ONNX graph {model.graph.name!r}")
    builder = values.builder
    for name in model.graph.outputs:
        builder.output(name, values.get(name))
    builder.graph.metadata = interface_of(model.graph)
    return Lowered(builder.graph, values.bound())


def problems_of(model: OnnxModel, registry: Registry = REGISTRY) -> list[UnsupportedError]:
    """Why a prepared model can't be lowered: an error for each input or node, none if it can."""
    return _lowered(model, registry)[1]


def _lowered(model: OnnxModel, registry: Registry) -> tuple[Values, list[UnsupportedError]]:
    load_all()
    builder = Builder(Graph(), NameAllocator())
    values = Values(model.graph, builder)
    problems = list(model.problems)
    for name in model.graph.inputs:
        type_ = model.graph.types[name]
        if type_.dtype.storage is None:
            problems.append(UnsupportedError(f"TF.js has no {type_.dtype.name}", where=f"input {name!r}"))
        else:
            values.bind(name, builder.placeholder(name, TensorType(type_.dtype.storage, type_.shape)))
    return values, [*problems, *lower_nodes(model.graph.nodes, values, registry)]


def interface_of(graph: OnnxGraph) -> dict[str, object]:
    """What a caller needs to know that the graph itself can't say: ONNX names, dtypes and shapes, in order."""
    return {
        "inputs": _described({name: graph.types[name] for name in graph.inputs}),
        "outputs": _described({name: graph.types[name] for name in graph.outputs}),
    }


def _described(values: Mapping[str, ValueType]) -> list[dict[str, object]]:
    return [
        {"name": name, "dtype": type_.dtype.name, "shape": None if type_.shape is None else list(type_.shape)}
        for name, type_ in values.items()
    ]

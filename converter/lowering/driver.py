"""Walks an ONNX graph and lowers each node; knows no operator by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from converter.errors import InternalError, UnsupportedError
from converter.lowering.context import LoweringContext
from converter.lowering.ops import load_all
from converter.lowering.registry import REGISTRY, Registry
from converter.lowering.values import Values
from converter.onnx_model import OnnxGraph, OnnxModel, OnnxNode, ValueType
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
    load_all()
    graph = Graph()
    builder = Builder(graph, NameAllocator())
    values = Values(model.graph, builder)
    for name, type_ in model.graph.inputs.items():
        if type_.dtype.storage is None:
            raise UnsupportedError(f"TF.js has no {type_.dtype.name}", where=f"input {name!r}")
        values.bind(name, builder.placeholder(name, TensorType(type_.dtype.storage, type_.shape)))
    problems: list[UnsupportedError] = []
    for node in model.graph.nodes:
        try:
            _lower_node(node, values, registry)
        except UnsupportedError as problem:
            problems.append(_located(problem, node))
        except InternalError as bug:
            raise InternalError(f"while lowering node {node}: {bug}") from bug
    _raise(problems, model)
    for name in model.graph.outputs:
        builder.output(name, values.get(name))
    graph.metadata = _metadata(model.graph)
    return Lowered(graph, values.bound())


def _lower_node(node: OnnxNode, values: Values, registry: Registry) -> None:
    lowering = registry.find(node.domain, node.op, node.since)
    for index in sorted(lowering.const_inputs):
        name = node.inputs[index] if index < len(node.inputs) else ""
        if name and values.known(name) is None:
            raise UnsupportedError(
                f"operand {index} ({name}) must be known before the graph runs",
                hint="make it a constant of the model, or fix the dimensions it is computed from (`--bind name=size`)",
            )
    if any(name and not values.is_bound(name) for name in node.inputs):
        return  # it reads what a refused node should have made: that one is the problem to report
    ctx = LoweringContext(node, values, lowering.const_inputs)
    lowering.run(ctx)
    ctx.finish()


def _located(problem: UnsupportedError, node: OnnxNode) -> UnsupportedError:
    return problem if problem.where else UnsupportedError(problem.what, where=f"node {node}", hint=problem.hint)


def _raise(problems: list[UnsupportedError], model: OnnxModel) -> None:
    if len(problems) == 1:
        raise problems[0]
    if problems:
        lines = [f"  - {problem.where}: {problem.what}" for problem in problems]
        hints = sorted({problem.hint for problem in problems if problem.hint})
        raise UnsupportedError(
            "\n".join([f"{len(problems)} nodes can't be converted:", *lines]),
            where=f"ONNX graph {model.graph.name!r}",
            hint="; ".join(hints),
        )


def _metadata(graph: OnnxGraph) -> dict[str, object]:
    """What a caller needs to know that the graph itself can't say: ONNX names, dtypes and shapes, in order."""
    return {"inputs": _described(graph.inputs), "outputs": _described({n: graph.types[n] for n in graph.outputs})}


def _described(values: Mapping[str, ValueType]) -> list[dict[str, object]]:
    return [
        {"name": name, "dtype": type_.dtype.name, "shape": None if type_.shape is None else list(type_.shape)}
        for name, type_ in values.items()
    ]

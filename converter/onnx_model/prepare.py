"""Works out what can be known before lowering: functions inlined, types inferred, constants folded, dead nodes gone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import onnx

from converter.errors import CheckpointError
from converter.onnx_model import control, masked_assignment, structures
from converter.onnx_model.bind import declare_shapes
from converter.onnx_model.declared_shapes import infer, infer_types
from converter.onnx_model.elements import Dimensions
from converter.onnx_model.load import LoadedOnnx
from converter.onnx_model.model import OnnxGraph, OnnxModel, OnnxNode, since_version, view
from converter.onnx_model.protos import SMALL_ELEMENTS, model_proto
from converter.onnx_model.resolver import HasLowering, Resolver
from converter.onnx_model.scope import Scope, Value, leaves

MISREAD_DEFAULTS = {"MeanVarianceNormalization": ("axes", [0, 2, 3]), "STFT": ("onesided", 1)}
MAX_ROUNDS = 4
HANDLERS = {**control.HANDLERS, **masked_assignment.HANDLERS, **structures.HANDLERS}


def prepare(
    loaded: LoadedOnnx,
    *,
    has_lowering: HasLowering,
    shapes: Mapping[str, Sequence[int | str]] | None = None,
    unroll_limit: int | None = None,
) -> OnnxModel:
    """The model as the lowerings see it.

    `shapes` replaces the shapes of inputs; functions are inlined where `has_lowering` says that they have none of their
    own. A loop that leaves more than `unroll_limit` nodes is not unrolled. Of control flow only what depends on the
    running graph is left, of sequences and optionals nothing: an output that is one becomes an output for each element,
    named `name/0`, `name/1` and so on.

    Raises: CheckpointError if the model contradicts itself, or the shapes contradict the model; UnsupportedError if an
            input is no tensor.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(loaded.proto)
    if shapes:
        declare_shapes(proto.graph, shapes)
    _spell_defaults(proto.graph)
    model, dimensions = view(infer_types(proto), loaded.constants), Dimensions()
    for _ in range(MAX_ROUNDS):
        model, is_changed = _resolve(model, has_lowering, dimensions, unroll_limit)
        inferred = _inferred_again(model) if is_changed else None
        if inferred is None:
            break
        model = inferred
    return replace(model, graph=_without_dead_nodes(model.graph))


def _resolve(
    model: OnnxModel, has_lowering: HasLowering, dimensions: Dimensions, unroll_limit: int | None
) -> tuple[OnnxModel, bool]:
    """The model after one walk over it, and whether nodes were put in the place of others."""
    resolver, scope = Resolver(model, HANDLERS, has_lowering, dimensions, unroll_limit), Scope()
    nodes: list[OnnxNode] = []
    resolver.run(model.graph.nodes, scope, nodes)
    outputs: list[str] = []
    for name in model.graph.outputs:
        outputs.extend(_handed_out(name, scope.find(name), resolver, nodes))
    graph = replace(
        model.graph,
        outputs=tuple(outputs),
        nodes=tuple(nodes),
        constants=resolver.constants,
        types=resolver.types,
        elements={name: known.integers() for name, known in resolver.elements.items()},
    )
    problems = (*model.problems, *resolver.problems)
    return replace(model, graph=graph, functions={}, problems=problems), resolver.changed


def _handed_out(name: str, value: Value, resolver: Resolver, nodes: list[OnnxNode]) -> list[str]:
    """The outputs that hand out a value: itself, or the elements of a structure."""
    values = list(leaves(value))
    names = [name] if isinstance(value, str) else [f"{name}/{index}" for index in range(len(values))]
    since = since_version("Identity", resolver.opset)
    for own, source in zip(names, values, strict=True):
        if own != source and source in resolver.constants:
            resolver.constants[own] = resolver.constants[source]
        elif own != source:
            nodes.append(OnnxNode(f"output {own}", "Identity", "", since, (source,), (own,), {}))
        if source in resolver.types:
            resolver.types[own] = resolver.types[source]
    return names


def _inferred_again(model: OnnxModel) -> OnnxModel | None:
    """The model with the types that ONNX infers for it as a whole, None if there is no such model any more."""
    live = replace(model, graph=_without_dead_nodes(model.graph))
    proto = None if model.problems else model_proto(live)
    if proto is None:
        return None
    try:
        inferred = infer(proto)
    except CheckpointError:  # a node by itself may be inferred where the whole is not
        return None
    constants = {name: array for name, array in live.graph.constants.items() if array.size > SMALL_ELEMENTS}
    return replace(view(inferred, constants), producer=model.producer)


def _spell_defaults(graph: onnx.GraphProto) -> None:
    """Write out the defaults that ONNX's shape inference gets wrong, or can't do without."""
    for node in graph.node:
        name, value = MISREAD_DEFAULTS.get(node.op_type, ("", None))
        if name and all(attribute.name != name for attribute in node.attribute):
            node.attribute.append(onnx.helper.make_attribute(name, value))


def _without_dead_nodes(graph: OnnxGraph) -> OnnxGraph:
    """The graph, and those inside it, without what no output needs."""
    kept, needed = _live_nodes(graph)
    constants = {name: array for name, array in graph.constants.items() if name in needed}
    types = {name: type_ for name, type_ in graph.types.items() if name in needed or name in graph.inputs}
    return replace(graph, nodes=kept, constants=constants, types=types)


def _live_nodes(graph: OnnxGraph) -> tuple[tuple[OnnxNode, ...], set[str]]:
    """The nodes that the outputs need, and the names of all values that they read or make."""
    kept, needed = [], set(graph.outputs)
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            attrs = dict(node.attrs)
            needed.update(node.inputs, node.outputs)
            for name, value in node.attrs.items():
                if isinstance(value, OnnxGraph):
                    nodes, names = _live_nodes(value)
                    attrs[name] = replace(value, nodes=nodes)
                    needed.update(names, value.inputs)
            kept.append(replace(node, attrs=attrs))
    return tuple(reversed(kept)), needed

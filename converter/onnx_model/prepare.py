"""Works out what can be known before lowering: functions inlined, types inferred, constants folded, dead nodes gone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import onnx
from onnx import defs, inliner, shape_inference

from converter.errors import CheckpointError
from converter.onnx_model.fold import fold_constants
from converter.onnx_model.load import LoadedOnnx
from converter.onnx_model.model import OnnxGraph, OnnxModel, since_version, view

MISREAD_DEFAULTS = {"MeanVarianceNormalization": ("axes", [0, 2, 3]), "STFT": ("onesided", 1)}

HasLowering = Callable[[str, str, int], bool]  # (domain, op, since)


def prepare(
    loaded: LoadedOnnx, *, has_lowering: HasLowering, shapes: Mapping[str, Sequence[int | str]] | None = None
) -> OnnxModel:
    """The model as the lowerings see it.

    `shapes` replaces the shapes of inputs. Functions are inlined where `has_lowering` says that they have no lowering.

    Raises: CheckpointError if the model contradicts itself, or the shapes contradict the model.
    """
    proto = onnx.ModelProto()
    proto.CopyFrom(loaded.proto)
    if shapes:
        _declare(proto.graph, shapes)
    _spell_defaults(proto.graph)
    proto = _inline(proto, has_lowering)
    model = view(_infer(proto), loaded.constants)
    graph = fold_constants(model.graph, model.opsets)
    return replace(model, graph=_without_dead_nodes(graph))


def _declare(graph: onnx.GraphProto, shapes: Mapping[str, Sequence[int | str]]) -> None:
    """Give inputs the shapes that their user declares; what was inferred from other shapes is forgotten."""
    changed = False
    for info in graph.input:
        dims = info.type.tensor_type.shape.dim
        declared = shapes.get(info.name)
        if declared is None or list(declared) == [
            d.dim_value if d.HasField("dim_value") else d.dim_param for d in dims
        ]:
            continue
        changed = True
        del dims[:]
        for size in declared:
            dims.add(**{"dim_value" if isinstance(size, int) else "dim_param": size})
    if changed:
        for info in graph.output:
            info.type.tensor_type.ClearField("shape")
        del graph.value_info[:]


def _spell_defaults(graph: onnx.GraphProto) -> None:
    """Write out the defaults that ONNX's shape inference gets wrong, or can't do without."""
    for node in graph.node:
        name, value = MISREAD_DEFAULTS.get(node.op_type, ("", None))
        if name and all(attribute.name != name for attribute in node.attribute):
            node.attribute.append(onnx.helper.make_attribute(name, value))


def _inline(proto: onnx.ModelProto, has_lowering: HasLowering) -> onnx.ModelProto:
    if proto.functions:
        proto = inliner.inline_local_functions(proto)
    while names := _inlinable(proto, has_lowering):
        proto = inliner.inline_selected_functions(_infer(proto), names, inline_schema_functions=True)
    return proto


def _inlinable(proto: onnx.ModelProto, has_lowering: HasLowering) -> list[tuple[str, str]]:
    opsets = {entry.domain if entry.domain != "ai.onnx" else "": entry.version for entry in proto.opset_import}
    names: set[tuple[str, str]] = set()
    for node in proto.graph.node:
        domain = "" if node.domain == "ai.onnx" else node.domain
        if domain not in opsets or has_lowering(
            domain, node.op_type, since_version(node.op_type, opsets[domain], domain)
        ):
            continue
        schema = defs.get_schema(node.op_type, opsets[domain], domain)
        if schema.has_function or schema.has_context_dependent_function:  # type: ignore[attr-defined]
            names.add((node.domain, node.op_type))
    return sorted(names)


def _infer(proto: onnx.ModelProto) -> onnx.ModelProto:
    try:
        return shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=True)
    except (shape_inference.InferenceError, onnx.checker.ValidationError, ValueError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise CheckpointError(
            f"its types or shapes contradict each other: {lines[-1] if lines else type(error).__name__}",
            where=proto.graph.name or "ONNX graph",
            hint="export the model again; `python -m onnx.checker` may say more",
        ) from error


def _without_dead_nodes(graph: OnnxGraph) -> OnnxGraph:
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(node.inputs)
            for value in node.attrs.values():
                if isinstance(value, OnnxGraph):
                    needed.update(_names_read(value))
    constants = {name: array for name, array in graph.constants.items() if name in needed}
    return replace(graph, nodes=tuple(reversed(kept)), constants=constants)


def _names_read(graph: OnnxGraph) -> set[str]:
    names = set(graph.outputs)
    for node in graph.nodes:
        names.update(node.inputs)
        for value in node.attrs.values():
            if isinstance(value, OnnxGraph):
                names |= _names_read(value)
    return names

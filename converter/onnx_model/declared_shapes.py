"""Inferred types of a model, and the shapes that it declares of inner values and outputs where they agree with them."""

from collections.abc import Iterator

import onnx
from onnx import shape_inference

from converter.errors import CheckpointError

INFERENCE_ERRORS = (shape_inference.InferenceError, onnx.checker.ValidationError, ValueError)


def infer_types(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with types for its values.

    Shapes that are declared of inner values and outputs are used if all of them agree with what follows from the inputs
    and the nodes. If one does not, they are those of another model, or of another batch size, and none is used.

    Raises: CheckpointError if the inputs, the constants and the nodes contradict each other.
    """
    if not any(_shape(info) is not None for info in _declarations(proto.graph)):
        return infer(proto)
    bare = onnx.ModelProto()
    bare.CopyFrom(proto)
    for info in _declarations(bare.graph):
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.ClearField("shape")
    inferred = infer(bare)
    if not _agree(proto.graph, inferred.graph, _named_dims(proto.graph)):
        return inferred
    try:
        return infer(proto)
    except CheckpointError:  # a declared shape contradicts another that is declared
        return inferred


def infer(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with types for its values; known values of shapes are used where ONNX can use them.

    ONNX takes some sums of vectors for sums of shapes, and refuses right models for it.

    Raises: CheckpointError if the model contradicts itself.
    """
    try:
        return _inferred(proto, data_prop=True)
    except INFERENCE_ERRORS:
        pass
    try:
        return _inferred(proto, data_prop=False)
    except INFERENCE_ERRORS as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise CheckpointError(
            f"its types or shapes contradict each other: {lines[-1] if lines else type(error).__name__}",
            where=proto.graph.name or "ONNX graph",
            hint="export the model again; `python -m onnx.checker` may say more",
        ) from error


def _inferred(proto: onnx.ModelProto, *, data_prop: bool) -> onnx.ModelProto:
    return shape_inference.infer_shapes(proto, check_type=True, strict_mode=True, data_prop=data_prop)


def _subgraphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graphs that its nodes hold, those inside them not."""
    return (attr.g for node in graph.node for attr in node.attribute if attr.type == onnx.AttributeProto.GRAPH)


def _declarations(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    """The inner values and the outputs that a graph and those inside it declare, and that nodes compute."""
    computed = {name for node in graph.node for name in node.output}
    yield from (info for info in (*graph.value_info, *graph.output) if info.name in computed)
    for inner in _subgraphs(graph):
        yield from _declarations(inner)


def _shape(info: onnx.ValueInfoProto) -> list[int | str] | None:
    """The declared shape of a tensor, "" for a dimension of which nothing is declared; None if there is none."""
    if not info.type.HasField("tensor_type") or not info.type.tensor_type.HasField("shape"):
        return None
    return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param for dim in info.type.tensor_type.shape.dim]


def _named_dims(graph: onnx.GraphProto) -> set[str]:
    """The names of dimensions that the inputs declare to be dynamic."""
    return {dim for info in graph.input for dim in _shape(info) or () if isinstance(dim, str) and dim}


def _agree(declared: onnx.GraphProto, inferred: onnx.GraphProto, dynamic: set[str]) -> bool:
    """Return whether no declared shape contradicts what was inferred without it."""
    found = {info.name: _shape(info) for info in (*inferred.value_info, *inferred.output)}
    for info in (*declared.value_info, *declared.output):
        one, other = _shape(info), found.get(info.name)
        if one is None or other is None:
            continue
        if len(one) != len(other) or any(_contradict(*pair, dynamic) for pair in zip(one, other, strict=True)):
            return False
    pairs = zip(_subgraphs(declared), _subgraphs(inferred), strict=True)
    return all(_agree(one, other, dynamic) for one, other in pairs)


def _contradict(declared: int | str, inferred: int | str, dynamic: set[str]) -> bool:
    """Return whether a size that is declared is another one, or that of a dimension that an input has as dynamic."""
    if not isinstance(declared, int):
        return False
    return declared != inferred if isinstance(inferred, int) else inferred in dynamic

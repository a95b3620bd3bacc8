"""Inputs that become constants, or get other shapes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import onnx
from onnx import helper

from converter.onnx_model.load import LoadedOnnx


def with_values(loaded: LoadedOnnx, values: Mapping[str, int]) -> LoadedOnnx:
    """The model with numbers in the place of inputs of one element."""
    if not values:
        return loaded
    proto = onnx.ModelProto()
    proto.CopyFrom(loaded.proto)
    kept = [info for info in proto.graph.input if info.name not in values]
    fixed = [info for info in proto.graph.input if info.name in values]
    del proto.graph.input[:]
    proto.graph.input.extend(kept)
    for info in fixed:
        tensor = info.type.tensor_type
        dims = [1] * len(tensor.shape.dim)
        proto.graph.initializer.append(helper.make_tensor(info.name, tensor.elem_type, dims, [values[info.name]]))
    return replace(loaded, proto=proto)


def with_shapes(loaded: LoadedOnnx, shapes: Mapping[str, Sequence[int | str]]) -> LoadedOnnx:
    """The model with the shapes that its user declares for its inputs."""
    proto = onnx.ModelProto()
    proto.CopyFrom(loaded.proto)
    declare_shapes(proto.graph, shapes)
    return replace(loaded, proto=proto)


def declare_shapes(graph: onnx.GraphProto, shapes: Mapping[str, Sequence[int | str]]) -> None:
    """Give inputs the shapes that their user declares; what was inferred from other shapes is forgotten."""
    changed = False
    for info in graph.input:
        tensor = info.type.tensor_type
        dims = tensor.shape.dim
        declared = shapes.get(info.name)
        found = [d.dim_value if d.HasField("dim_value") else d.dim_param for d in dims]
        if declared is None or (tensor.HasField("shape") and list(declared) == found):
            continue
        changed = True
        tensor.shape.SetInParent()
        del dims[:]
        for size in declared:
            dims.add(**{"dim_value" if isinstance(size, int) else "dim_param": size})
    if changed:
        for info in graph.output:
            info.type.tensor_type.ClearField("shape")
        del graph.value_info[:]

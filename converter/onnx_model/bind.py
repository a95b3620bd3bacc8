"""Inputs that become constants."""

from collections.abc import Mapping
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

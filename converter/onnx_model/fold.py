"""Evaluates what is already known, with ONNX's own reference evaluator."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from converter.onnx_model.model import OnnxGraph, OnnxNode, ValueType

MAX_ELEMENTS = 1 << 20  # a folded constant may be this large, or as large as the constants it comes from
KEPT_NARROW = 1 << 10  # quantized weights of more elements than this stay as narrow as they are
NOT_FOLDED = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}


def fold_constants(graph: OnnxGraph, opsets: Mapping[str, int]) -> OnnxGraph:
    """The graph without the nodes whose results are known, and those results as constants."""
    constants = dict(graph.constants)
    types = dict(graph.types)
    kept = []
    for node in graph.nodes:
        results = _known(node, constants, types, opsets)
        if results is None:
            kept.append(node)
            continue
        for name, array in results.items():
            constants[name] = array
            if name in types:
                types[name] = ValueType(types[name].dtype, tuple(array.shape))
    return replace(graph, nodes=tuple(kept), constants=constants, types=types)


def _known(
    node: OnnxNode, constants: Mapping[str, np.ndarray], types: Mapping[str, ValueType], opsets: Mapping[str, int]
) -> dict[str, np.ndarray] | None:
    if node.domain or node.op in NOT_FOLDED:
        return None
    if node.op == "Constant":
        return {node.outputs[0]: _constant(node)} if "sparse_value" not in node.attrs else None
    if node.op in ("Shape", "Size"):
        return _static_shape(node, types.get(node.inputs[0]))
    if any(name and name not in constants for name in node.inputs) or not all(node.outputs):
        return None
    if any(isinstance(value, OnnxGraph) for value in node.attrs.values()) or _too_large(node, constants, types):
        return None
    if _widens(node, constants):
        return None
    return _evaluate(node, constants, opsets)


def _widens(node: OnnxNode, constants: Mapping[str, np.ndarray]) -> bool:
    """Whether folding would make a large constant of narrow integers take four times its size in the file."""
    return node.op == "DequantizeLinear" and constants[node.inputs[0]].size > KEPT_NARROW


def _constant(node: OnnxNode) -> np.ndarray:
    (kind, value), *_ = node.attrs.items()
    match kind:
        case "value_float" | "value_floats":
            return np.asarray(value, dtype=np.float32)
        case "value_int" | "value_ints":
            return np.asarray(value, dtype=np.int64)
        case "value_string" | "value_strings":
            return np.asarray(value, dtype=object)
        case _:
            return np.asarray(value)


def _static_shape(node: OnnxNode, type_: ValueType | None) -> dict[str, np.ndarray] | None:
    if type_ is None or type_.shape is None:
        return None
    shape = type_.shape
    if node.op == "Shape":
        shape = shape[slice(node.attrs.get("start", 0), node.attrs.get("end"))]
    sizes = [dim for dim in shape if isinstance(dim, int)]
    if len(sizes) != len(shape):
        return None
    value = np.asarray(sizes, dtype=np.int64)
    return {node.outputs[0]: value if node.op == "Shape" else value.prod(dtype=np.int64)}


def _too_large(node: OnnxNode, constants: Mapping[str, np.ndarray], types: Mapping[str, ValueType]) -> bool:
    limit = max([MAX_ELEMENTS, *(constants[name].size for name in node.inputs if name)])
    for name in node.outputs:
        type_ = types.get(name)
        shape = type_.shape if type_ is not None and type_.is_static else None
        if shape is not None and int(np.prod([int(dim or 0) for dim in shape], dtype=np.int64)) > limit:
            return True
    return False


def _evaluate(
    node: OnnxNode, constants: Mapping[str, np.ndarray], opsets: Mapping[str, int]
) -> dict[str, np.ndarray] | None:
    from onnx.reference import ReferenceEvaluator

    attrs = {name: _attr_value(value) for name, value in node.attrs.items()}
    proto = helper.make_node(node.op, node.inputs, node.outputs, domain=node.domain, **attrs)
    # Shapes are unknown to this one-node graph on purpose: the evaluator never reads them.
    graph = helper.make_graph(
        [proto],
        "constants",
        [
            helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None)
            for name in dict.fromkeys(node.inputs)
            if name
        ],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.outputs],
    )
    try:
        results = ReferenceEvaluator(graph, opsets=dict(opsets)).run(None, {n: constants[n] for n in node.inputs if n})
    except Exception:  # whatever the evaluator can't do is left for a lowering to do or to refuse
        return None
    if not all(isinstance(result, np.ndarray | np.generic) for result in results):
        return None
    return {name: np.asarray(result) for name, result in zip(node.outputs, results, strict=True)}


def _attr_value(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        from onnx import numpy_helper

        return numpy_helper.from_array(value)
    return value

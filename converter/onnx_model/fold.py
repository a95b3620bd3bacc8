"""Evaluates what is already known, with ONNX's own reference evaluator."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from onnx import TensorProto, helper

from converter.dtypes import as_numpy
from converter.onnx_model.model import OnnxGraph, OnnxNode, ValueType, since_version
from converter.onnx_model.protos import node_proto

MAX_ELEMENTS = 1 << 20  # a folded constant may be this large, or as large as the constants it comes from
KEPT_NARROW = 1 << 10  # quantized weights of more elements than this stay as narrow as they are
CONTRIBUTED, SAME_AS_21 = "com.microsoft", {"DequantizeLinear", "QuantizeLinear"}  # ONNX's since opset 21, 16 bits too
NOT_FOLDED = {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial"}


def known_results(
    node: OnnxNode, constants: Mapping[str, np.ndarray], types: Mapping[str, ValueType], opsets: Mapping[str, int]
) -> dict[str, np.ndarray] | None:
    """The outputs of a node if all are known before the graph runs, and worth storing."""
    if node.domain == CONTRIBUTED and node.op in SAME_AS_21:
        node = replace(node, domain="", since=21)
    if node.domain or node.op in NOT_FOLDED:
        return None
    if node.op == "Constant":
        return {node.outputs[0]: _constant(node)} if "sparse_value" not in node.attrs else None
    if node.op in ("Shape", "Size"):
        return _static_shape(node, types.get(node.inputs[0]))
    constants = _with_type_alone(node, constants, types)
    if any(name and name not in constants for name in node.inputs) or not all(node.outputs):
        return None
    if any(isinstance(value, OnnxGraph) for value in node.attrs.values()) or _too_large(node, constants, types):
        return None
    if _widens(node, constants):
        return None
    return evaluate(node, constants, opsets)


def _with_type_alone(
    node: OnnxNode, constants: Mapping[str, np.ndarray], types: Mapping[str, ValueType]
) -> Mapping[str, np.ndarray]:
    """The constants, and a stand-in for an operand of which only the type counts."""
    if node.op != "CastLike" or node.inputs[1] in constants or node.inputs[1] not in types:
        return constants
    return {**constants, node.inputs[1]: np.zeros((), dtype=as_numpy(types[node.inputs[1]].dtype))}


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


def evaluate(
    node: OnnxNode, constants: Mapping[str, np.ndarray], opsets: Mapping[str, int]
) -> dict[str, np.ndarray] | None:
    """Return the outputs of a node whose inputs are constants; None if the evaluator can't compute them."""
    from onnx.reference import ReferenceEvaluator

    # Shapes are unknown to this one-node graph on purpose: the evaluator never reads them.
    graph = helper.make_graph(
        [node_proto(node, {})],
        "constants",
        [
            helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None)
            for name in dict.fromkeys(node.inputs)
            if name
        ],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.outputs],
    )
    is_current = node.since == since_version(node.op, opsets.get("", 0))
    versions = dict(opsets) if is_current else {**opsets, "": node.since}
    try:
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(graph, opsets=versions).run(None, {n: constants[n] for n in node.inputs if n})
    except Exception:  # whatever the evaluator can't do is left for a lowering to do or to refuse
        return None
    if not all(isinstance(result, np.ndarray | np.generic) for result in results):
        return None
    return {name: np.asarray(result) for name, result in zip(node.outputs, results, strict=True)}

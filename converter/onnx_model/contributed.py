"""Registers the contributed operators of ONNX Runtime with onnx, so that files that contain them check and infer.

The declarations follow ONNX Runtime's schemas; one operator has one version there.
Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import defs, helper
from onnx.defs import OpSchema

from converter.onnx_model import contributed_shapes as shapes
from converter.onnx_model.contributed_shapes import UINT8, Rule, Signature, channels_last, like, of, twin
from converter.onnx_model.model import value_type
from converter.onnx_model.protos import type_proto

DOMAIN = "com.microsoft"
VERSION = 1
_ATTRIBUTES = {
    "i": OpSchema.AttrType.INT, "f": OpSchema.AttrType.FLOAT, "s": OpSchema.AttrType.STRING,
    "I": OpSchema.AttrType.INTS, "F": OpSchema.AttrType.FLOATS, "S": OpSchema.AttrType.STRINGS,
}  # fmt: skip
_TENSORS = [
    "tensor(float)", "tensor(float16)", "tensor(bfloat16)", "tensor(double)", "tensor(bool)", "tensor(int4)",
    "tensor(uint4)", *(f"tensor({sign}int{bits})" for sign in ("", "u") for bits in (8, 16, 32, 64)),
]  # fmt: skip


@dataclass(frozen=True)
class Operator:
    """A contributed operator: `?` ends the name of an optional operand, `*` that of a repeated one.

    `attributes` has name:kind pairs: i and f for a number, s for text, I, F and S for lists.
    """

    name: str
    inputs: str
    outputs: str
    attributes: str
    rule: Rule
    domain: str = DOMAIN


_CONV = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
_POOL = ("auto_pad", "ceil_mode", "count_include_pad", "kernel_shape", "pads", "strides")
_POOL_KINDS = "auto_pad:s ceil_mode:i count_include_pad:i kernel_shape:I pads:I strides:I channels_last:i"
_CONV_KINDS = "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I activation:s activation_params:F"
_NORM_KINDS = "axis:i epsilon:f stash_type:i"
_GEMM_KINDS = "alpha:f transA:i transB:i"
_ATTENTION = "num_heads:i unidirectional:i mask_filter_value:f scale:f do_rotary:i past_present_share_buffer:i"
_BINARY = "A A_scale A_zero_point? B B_scale B_zero_point? C_scale C_zero_point?"
_UNARY = "X X_scale X_zero_point? Y_scale Y_zero_point?"

OPERATORS = (
    Operator(
        "Attention",
        "input weights bias? mask_index? past? attention_bias? past_sequence_length?",
        "output present?",
        f"{_ATTENTION} qkv_hidden_sizes:I rotary_embedding_dim:i",
        shapes.packed_attention(4, of(0)),
    ),
    Operator("BiasGelu", "A B", "C", "", like(0)),
    Operator("DequantizeLinear", "x x_scale x_zero_point?", "y", "axis:i", like(0, of(1))),
    Operator(
        "DynamicQuantizeLSTM",
        "X W R B? sequence_lens? initial_h? initial_c? P? W_scale W_zero_point R_scale R_zero_point",
        "Y? Y_h? Y_c?",
        "activations:S activation_alpha:F activation_beta:F clip:f direction:s hidden_size:i input_forget:i",
        shapes.lstm,
    ),
    Operator(
        "DynamicQuantizeMatMul", "A B b_scale b_zero_point? bias?", "Y", "", twin("MatMul", 13, 0, 1, dtype=of(0))
    ),
    Operator(
        "EmbedLayerNormalization",
        "input_ids segment_ids? word_embedding position_embedding segment_embedding? gamma beta mask? position_ids?",
        "output mask_index? embedding_sum?",
        "epsilon:f mask_index_type:i",
        shapes.embedding(of(2)),
    ),
    Operator("FastGelu", "X bias?", "Y", "", like(0)),
    Operator("FusedConv", "X W B? Z?", "Y", _CONV_KINDS, twin("Conv", 11, 0, 1, dtype=of(0), attrs=_CONV)),
    Operator(
        "FusedGemm",
        "A B C?",
        "Y",
        f"{_GEMM_KINDS} beta:f activation:s activation_alpha:f activation_beta:f activation_gamma:f",
        twin("Gemm", 13, 0, 1, dtype=of(0), attrs=("transA", "transB")),
    ),
    Operator("FusedMatMul", "A B", "Y", f"{_GEMM_KINDS} transBatchA:i transBatchB:i", shapes.fused_matmul),
    Operator("Gelu", "X", "Y", "", like(0)),
    Operator("LayerNormalization", "X Scale B?", "Y Mean? InvStdDev?", _NORM_KINDS, shapes.layer_norm, domain=""),
    Operator(
        "MatMulIntegerToFloat",
        "A B a_scale b_scale a_zero_point? b_zero_point? bias?",
        "Y",
        "",
        twin("MatMul", 13, 0, 1, dtype=of(2)),
    ),
    Operator(
        "MultiHeadAttention",
        "query key? value? bias? key_padding_mask? attention_bias? past_key? past_value? past_sequence_length? "
        "cache_indirection?",
        "output present_key? present_value? qk?",
        "num_heads:i unidirectional:i mask_filter_value:f scale:f",
        shapes.multi_head_attention,
    ),
    Operator(
        "QAttention",
        "input weight bias input_scale weight_scale mask_index? input_zero_point? weight_zero_point? past?",
        "output present?",
        _ATTENTION,
        shapes.packed_attention(8, of(3)),
    ),
    Operator(
        "QEmbedLayerNormalization",
        "input_ids segment_ids? word_embedding_quant position_embedding_quant segment_embedding? gamma_quant "
        "beta_quant mask? word_embedding_scale position_embedding_scale segment_embedding_scale? gamma_scale "
        "beta_scale word_embedding_zero_point position_embedding_zero_point segment_embedding_zero_point? "
        "gamma_zero_point beta_zero_point",
        "layernorm_out mask_index_out",
        "epsilon:f",
        shapes.embedding(of(8)),
    ),
    Operator(
        "QGemm",
        "A a_scale a_zero_point B b_scale b_zero_point C? y_scale? y_zero_point?",
        "Y",
        _GEMM_KINDS,
        twin("Gemm", 13, 0, 3, dtype=of(8), attrs=("transA", "transB")),
    ),
    Operator("QLinearAdd", _BINARY, "C", "", twin("Add", 14, 0, 3, dtype=of(0))),
    Operator(
        "QLinearAveragePool",
        "X x_scale x_zero_point? y_scale y_zero_point?",
        "Y",
        _POOL_KINDS,
        channels_last(twin("AveragePool", 11, 0, dtype=of(0), attrs=_POOL)),
    ),
    Operator("QLinearConcat", "Y_scale Y_zero_point inputs*", "Y", "axis:i", shapes.concat),
    Operator(
        "QLinearConv",
        "x x_scale x_zero_point w w_scale w_zero_point y_scale y_zero_point B?",
        "y",
        "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I channels_last:i",
        channels_last(twin("Conv", 11, 0, 3, dtype=of(7), attrs=_CONV)),
    ),
    Operator(
        "QLinearGlobalAveragePool",
        "X x_scale x_zero_point y_scale y_zero_point",
        "Y",
        "channels_last:i",
        channels_last(twin("GlobalAveragePool", 1, 0, dtype=of(0))),
    ),
    Operator("QLinearLeakyRelu", _UNARY, "Y", "alpha:f", like(0)),
    Operator("QLinearMul", _BINARY, "C", "", twin("Mul", 14, 0, 3, dtype=of(0))),
    Operator("QLinearSigmoid", _UNARY, "Y", "", like(0)),
    Operator("QLinearSoftmax", "X X_scale x_zero_point? y_scale y_zero_point", "Y", "axis:i opset:i", like(0)),
    Operator("QuantizeLinear", "x y_scale y_zero_point?", "y", "axis:i", like(0, of(2, UINT8))),
    Operator("QuickGelu", "X", "Y", "alpha:f", like(0)),
    Operator(
        "RotaryEmbedding",
        "input position_ids cos_cache sin_cache",
        "output",
        "interleaved:i is_packed_batching:i num_heads:i rotary_embedding_dim:i scale:f",
        like(0),
    ),
    Operator(
        "SimplifiedLayerNormalization", "X scale", "Y inv_std_var?", _NORM_KINDS, shapes.simplified_norm, domain=""
    ),
    Operator(
        "SkipLayerNormalization",
        "input skip gamma beta? bias?",
        "output mean? inv_std_var? input_skip_bias_sum?",
        "epsilon:f",
        shapes.skip_norm,
    ),
    Operator(
        "SkipSimplifiedLayerNormalization",
        "input skip gamma bias?",
        "output mean? inv_std_var? input_skip_bias_sum?",
        "epsilon:f",
        shapes.skip_norm,
    ),
)


def register() -> None:
    """Register each operator that onnx has no schema of.

    onnx.reference makes a table of all schemas when it is first imported, and fails if two domains share a name.
    """
    import onnx.reference  # noqa: F401

    for operator in OPERATORS:
        if not _is_registered(operator):
            defs.register_schema(_schema(operator))


def import_contributed(proto: onnx.ModelProto) -> None:
    """Register the contributed operators if a file uses any, and import their domain: ONNX Runtime does so too."""
    nodes = [node for nodes in (proto.graph.node, *(one.node for one in proto.functions)) for node in _nodes_of(nodes)]
    uses = any(node.domain == DOMAIN for node in nodes)
    if uses and all(entry.domain != DOMAIN for entry in proto.opset_import):
        proto.opset_import.append(helper.make_opsetid(DOMAIN, VERSION))
    names = {operator.name for operator in OPERATORS}
    opsets = {entry.domain: entry.version for entry in proto.opset_import}
    if uses or any(node.op_type in names and not _has_schema(node, opsets) for node in nodes):
        register()


def _nodes_of(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *((attribute.g,) if attribute.HasField("g") else ())):
                yield from _nodes_of(inner.node)


def _has_schema(node: onnx.NodeProto, opsets: Mapping[str, int]) -> bool:
    try:
        defs.get_schema(node.op_type, opsets.get(node.domain, VERSION), node.domain)
    except defs.SchemaError:
        return False
    return True


def _is_registered(operator: Operator) -> bool:
    try:
        defs.get_schema(operator.name, VERSION, operator.domain)
    except defs.SchemaError:
        return False
    return True


def _schema(operator: Operator) -> OpSchema:
    inputs, outputs = operator.inputs.split(), operator.outputs.split()
    names = [*(f"T{index}" for index in range(len(inputs))), *(f"U{index}" for index in range(len(outputs)))]
    parameters = [_parameter(*pair) for pair in zip([*inputs, *outputs], names, strict=True)]
    pairs = [pair.split(":") for pair in operator.attributes.split()]
    schema = OpSchema(
        operator.name,
        operator.domain,
        VERSION,
        inputs=parameters[: len(inputs)],
        outputs=parameters[len(inputs) :],
        type_constraints=[(name, _TENSORS, "") for name in names],
        attributes=[OpSchema.Attribute(name, _ATTRIBUTES[kind], required=False) for name, kind in pairs],
    )

    def infer(context: Any) -> None:
        _infer(context, operator.rule, [name for name, _ in pairs])

    schema.set_type_and_shape_inference_function(infer)
    return schema


def _parameter(word: str, constraint: str) -> OpSchema.FormalParameter:
    options = OpSchema.FormalParameterOption
    option = {"?": options.Optional, "*": options.Variadic}.get(word[-1], options.Single)
    is_homogeneous = option != options.Variadic
    return OpSchema.FormalParameter(word.rstrip("?*"), constraint, param_option=option, is_homogeneous=is_homogeneous)


def _infer(context: Any, rule: Rule, attributes: Sequence[str]) -> None:
    """Hand the operand types of a node to its rule, and the types that it finds to onnx."""
    protos = [context.get_input_type(index) for index in range(context.get_num_inputs())]
    given = {name: context.get_attribute(name) for name in attributes}
    attrs = {name: _value(proto) for name, proto in given.items() if proto is not None}
    found = rule(Signature(tuple(None if proto is None else value_type(proto) for proto in protos), attrs))
    for index, type_ in zip(range(context.get_num_outputs()), found, strict=False):
        if type_ is not None and context.has_output(index):
            context.set_output_type(index, type_proto(type_))


def _value(proto: onnx.AttributeProto) -> Any:
    value = helper.get_attribute_value(proto)
    return value.decode() if isinstance(value, bytes) else value

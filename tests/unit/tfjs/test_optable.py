import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from converter.errors import InternalError
from converter.tfjs import constraints, optable
from converter.tfjs.graph import DataType, FunctionName
from converter.tfjs.infer import RULES
from converter.tfjs.optable import COMPOSITES, OPTABLE, check_node, node_problems

ROOT = Path(__file__).parents[3]
FLOAT, INT = DataType("DT_FLOAT"), DataType("DT_INT32")
CONV = {"strides": [1, 1, 1, 1], "padding": "VALID", "dilations": [1, 1, 1, 1]}
POOL = {"ksize": [1, 2, 2, 1], "strides": [1, 1, 1, 1], "padding": "VALID"}


def test_the_table_is_what_the_npm_packages_say() -> None:
    node = Path(sysconfig.get_path("scripts"), "node")
    generator = ROOT / "tools" / "generate_optable.mjs"
    run = subprocess.run([node, generator], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout == Path(optable.__file__).with_name("optable.json").read_text(encoding="utf-8")


def test_every_op_is_banned_for_a_reason_or_has_a_type_rule() -> None:
    assert len(OPTABLE) == 242
    given = {"Const", "Placeholder"}
    loose = [op for op in OPTABLE if op not in {*RULES, *constraints.BANNED, *given} and not OPTABLE[op].lacks]
    assert loose == []
    assert set(RULES) & set(constraints.BANNED) == set()
    assert (set(RULES) | set(constraints.BANNED)) - set(OPTABLE) == set(COMPOSITES)


def test_constraints_name_attributes_that_exist() -> None:
    named = [(op, name) for op, names in constraints.REQUIRED.items() for name in names]
    named += list(constraints.DTYPE_VALUES)
    assert [(op, name) for op, name in named if name not in OPTABLE[op].attrs] == []


def test_parameters_are_what_the_executor_reads_on_the_host() -> None:
    assert {index: spec.name for index, spec in OPTABLE["StridedSlice"].parameters(4).items()} == {
        1: "begin",
        2: "end",
        3: "strides",
    }
    assert {index: spec.name for index, spec in OPTABLE["ConcatV2"].parameters(5).items()} == {4: "axis"}
    assert OPTABLE["Split"].parameters(2).keys() == {0}
    assert OPTABLE["AddV2"].parameters(2) == {}
    assert OPTABLE["Placeholder"].parameters(0) == {}


GOOD: list[tuple[str, int, dict[str, Any]]] = [
    ("AddV2", 2, {"T": FLOAT}),
    ("AddN", 5, {}),
    ("AvgPool", 1, {**POOL, "data_format": "NHWC"}),
    ("ConcatV2", 4, {"N": 3}),
    ("Conv2D", 2, {**CONV, "strides": [1, 2, 2, 1], "padding": "SAME"}),
    ("Conv2D", 2, {**CONV, "padding": "EXPLICIT", "explicit_paddings": [0, 0, 1, 2, 3, 4, 0, 0]}),
    ("LRN", 1, {"depth_radius": 2, "bias": 1.0, "alpha": 1, "beta": 0.75}),
    ("OneHot", 4, {"T": INT, "axis": -1}),
    ("RandomUniform", 1, {"dtype": FLOAT, "T": INT}),
    ("Squeeze", 1, {"squeeze_dims": [0]}),
    ("StatelessIf", 3, {"then_branch": FunctionName("t"), "else_branch": FunctionName("e")}),
    ("TensorListConcatV2", 1, {"element_dtype": FLOAT, "element_shape": (None, 3)}),
    ("_FusedConv2D", 4, {**CONV, "fused_ops": ["BiasAdd", "Prelu"], "num_args": 2}),
    ("_FusedMatMul", 3, {"fused_ops": ["BiasAdd", "LeakyRelu"], "num_args": 1, "leakyrelu_alpha": 0.1}),
]


@pytest.mark.parametrize(("op", "n_inputs", "attrs"), GOOD, ids=[f"{row[0]}-{index}" for index, row in enumerate(GOOD)])
def test_right_nodes_pass(op: str, n_inputs: int, attrs: dict[str, Any]) -> None:
    check_node(op, n_inputs, attrs)


BAD: list[tuple[str, int, dict[str, Any], str]] = [
    ("Frobnicate", 1, {}, "TF.js has no such op"),
    ("RaggedGather", 3, {}, "no executor"),
    ("Einsum", 2, {"equation": "ab,bc->ac"}, "no kernel on wasm"),
    ("BitwiseAnd", 2, {}, "no kernel on webgpu"),
    ("UniqueV2", 2, {}, "no kernel on webgpu"),
    ("If", 2, {}, "emit StatelessIf"),
    ("While", 2, {}, "emit StatelessWhile"),
    ("MatrixBandPart", 3, {}, "num_upper"),
    ("MaxPoolWithArgmax", 1, POOL, "FLT_MIN"),
    ("Dilation2D", 2, {}, "FLT_MIN"),
    ("AddV2", 3, {}, "3 operands do not fit (a, b)"),
    ("ConcatV2", 0, {"N": 0}, "0 operands do not fit (tensors…, axis)"),
    ("AddV2", 2, {"data_format": "NHWC"}, "unknown attribute 'data_format'"),
    ("Mean", 2, {"keep_dims": 1}, "attribute 'keep_dims' is 1, which is no bool"),
    ("LRN", 1, {"alpha": True}, "which is no number"),
    ("Cast", 1, {"DstT": "DT_FLOAT"}, "which is no dtype"),
    ("Conv2D", 2, {**CONV, "strides": (1, 1, 1, 1)}, "which is no number[]"),
    ("TensorListConcat", 1, {"element_dtype": FLOAT, "element_shape": [3]}, "which is no shape"),
    ("Cast", 1, {}, "attribute 'DstT' is missing"),
    ("Conv2D", 2, {"strides": [1, 1, 1, 1], "padding": "SAME"}, "attribute 'dilations' is missing"),
    ("Conv3D", 2, {**CONV}, "attribute 'data_format' is missing"),
    ("Fill", 2, {}, "attribute 'T' is missing"),
    ("Squeeze", 1, {}, "name the axes"),
    ("Cast", 1, {"DstT": DataType("DT_INT64")}, "DstT=DT_INT64 is not one of"),
    ("OneHot", 4, {"T": FLOAT}, "T=DT_FLOAT is not one of DT_INT32"),
    ("OneHot", 4, {"T": INT, "axis": 0}, "the new axis is always the last"),
    ("GatherV2", 3, {"batch_dims": 1}, "wasm reads past its buffers"),
    ("Range", 3, {"Tidx": DataType("DT_BOOL")}, "Tidx=DT_BOOL"),
    ("Conv2D", 2, {**CONV, "data_format": "NCHW"}, "data_format='NCHW' is not one of NHWC"),
    ("MaxPool", 1, {**POOL, "data_format": "NCHW"}, "data_format='NCHW'"),
    ("FusedBatchNormV3", 5, {"data_format": "NCHW"}, "data_format='NCHW'"),
    ("MaxPool", 1, {**POOL, "padding": "EXPLICIT"}, "padding='EXPLICIT' is not one of SAME, VALID"),
    ("MaxPool", 1, {**POOL, "explicit_paddings": [0] * 7 + [1]}, "read only with padding='EXPLICIT'"),
    (
        "Conv3D",
        2,
        {"strides": [1] * 5, "dilations": [1] * 5, "padding": "EXPLICIT", "data_format": "NDHWC"},
        "EXPLICIT",
    ),
    ("Conv2D", 2, {**CONV, "padding": "EXPLICIT", "explicit_paddings": [1, 0, 0, 0, 0, 0, 0, 0]}, "is not [0, 0, top"),
    ("Conv2D", 2, {**CONV, "padding": "EXPLICIT", "explicit_paddings": [0, 0, -1, 0, 0, 0, 0, 0]}, "is not [0, 0, top"),
    ("Conv2D", 2, {**CONV, "strides": [1, 2, 2, 1], "dilations": [1, 2, 2, 1]}, "both > 1"),
    ("Conv2D", 2, {**CONV, "strides": [2, 1, 1, 1]}, "is not [1, …, 1]"),
    ("Conv2DBackpropInput", 3, {**CONV, "dilations": [1, 2, 2, 1]}, "dilations are ignored"),
    ("MirrorPad", 2, {"mode": "EDGE"}, "mode='EDGE'"),
    ("DepthToSpace", 1, {"block_size": 1, "data_format": "NHWC"}, "block_size must be > 1"),
    ("ResizeBilinear", 2, {"align_corners": True, "half_pixel_centers": True}, "exclude each other"),
    ("_FusedConv2D", 3, {**CONV, "fused_ops": ["Relu"], "num_args": 0}, "fused_ops=['Relu'] is not"),
    ("_FusedConv2D", 7, {**CONV, "fused_ops": ["FusedBatchNorm"], "num_args": 4}, "fused_ops="),
    ("_FusedMatMul", 3, {"fused_ops": ["BiasAdd", "Tanh"], "num_args": 1}, "activation 'Tanh' is not one of"),
    ("_FusedMatMul", 3, {"fused_ops": ["BiasAdd", "Prelu"], "num_args": 1}, "takes num_args=2 and 4 operands"),
    ("FusedDepthwiseConv2dNative", 3, {**CONV, "fused_ops": ["BiasAdd", "LeakyRelu"], "num_args": 1}, "gives NaN"),
    ("ConcatV2", 4, {"N": 2}, "drops those past N"),
    ("ConcatV2", 1, {"N": 0}, "nothing to join"),
]


@pytest.mark.parametrize(("op", "n_inputs", "attrs", "why"), BAD, ids=[f"{row[0]}-{row[3]}" for row in BAD])
def test_wrong_nodes_are_refused_with_the_reason(op: str, n_inputs: int, attrs: dict[str, Any], why: str) -> None:
    with pytest.raises(InternalError) as caught:
        check_node(op, n_inputs, attrs)
    assert str(caught.value).startswith(f"{op}: ")
    assert why in str(caught.value)


def test_all_reasons_are_given_at_once() -> None:
    attrs = {**CONV, "strides": [1, 2, 2, 1], "dilations": [1, 2, 2, 1], "data_format": "NCHW"}
    assert len(node_problems("Conv2D", 2, attrs)) == 2

"""What inference says of each op; `float32[N,3]` is a type, a number or a list is a constant operand."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from converter.errors import InternalError
from converter.tfjs.graph import DataType, TensorType
from converter.tfjs.infer import RULES, describe, infer
from converter.tfjs.optable import check_node

FLOAT, INT, BOOL = DataType("DT_FLOAT"), DataType("DT_INT32"), DataType("DT_BOOL")
LIST = "variant[]"
CONV = {"strides": [1, 1, 1, 1], "padding": "VALID", "dilations": [1, 1, 1, 1]}
SAME_BY_2 = {"strides": [1, 2, 2, 1], "padding": "SAME", "dilations": [1, 1, 1, 1]}
DILATED = {"strides": [1, 1, 1, 1], "padding": "VALID", "dilations": [1, 2, 3, 1]}
PADDED = {**SAME_BY_2, "padding": "EXPLICIT", "explicit_paddings": [0, 0, 1, 0, 2, 3, 0, 0]}
VOLUME = {"strides": [1, 2, 1, 1, 1], "padding": "VALID", "dilations": [1] * 5, "data_format": "NDHWC"}
POOL = {"ksize": [1, 2, 3, 1], "strides": [1, 2, 2, 1], "padding": "VALID"}
POOL_3D = {"ksize": [1, 2, 2, 2, 1], "strides": [1, 2, 2, 2, 1], "padding": "SAME"}
BIAS = {"fused_ops": ["BiasAdd"], "num_args": 1}
PRELU = {"fused_ops": ["BiasAdd", "Prelu"], "num_args": 2}
DEPTH_TO_SPACE = {"block_size": 2, "data_format": "NHWC"}
RESIZED = {"half_pixel_centers": True}

Operand = str | float | list[Any]


class Case(NamedTuple):
    op: str
    operands: list[Operand]
    outputs: str
    attrs: dict[str, Any] = {}  # noqa: RUF012

    @property
    def id(self) -> str:
        return f"{self.op}-{'-'.join(map(str, self.operands))}".replace(" ", "")


def parse(text: str) -> TensorType:
    dtype, dims = re.fullmatch(r"(\w+)\[(.*)\]", text).groups()
    if dims == "…":
        return TensorType(dtype, None)
    shape = tuple(None if dim == "?" else int(dim) if dim.isdigit() else dim for dim in dims.split(",") if dim)
    return TensorType(dtype, shape)


def operand(value: Operand) -> tuple[TensorType, np.ndarray | None]:
    if isinstance(value, str):
        return parse(value), None
    array = np.asarray(value, np.float32 if isinstance(value, float) else np.int32)
    return TensorType(array.dtype.name, array.shape), array


def inferred(op: str, operands: Sequence[Operand], attrs: dict[str, Any]) -> tuple[TensorType, ...]:
    pairs = [operand(one) for one in operands]
    check_node(op, len(pairs), attrs)
    return infer(op, [type_ for type_, _ in pairs], attrs, [array for _, array in pairs])


CASES = [
    # element by element
    Case("Add", ["float32[2,3]", "float32[3]"], "float32[2,3]"),
    Case("AddV2", ["float32[N,1,4]", "float32[3,1]"], "float32[N,3,4]"),
    Case("AddV2", ["int32[N]", "int32[N]"], "int32[N]"),
    Case("AddV2", ["int32[N]", "int32[M]"], "int32[?]"),
    Case("AddV2", ["float32[?,2]", "float32[5,2]"], "float32[5,2]"),
    Case("AddV2", ["float32[…]", "float32[5,2]"], "float32[…]"),
    Case("AddN", ["float32[2,?]", "float32[?,3]", "float32[N,3]"], "float32[2,3]"),
    Case("BiasAdd", ["float32[2,4,4,3]", "float32[3]"], "float32[2,4,4,3]", {"data_format": "NHWC"}),
    Case("Sub", ["float32[]", "float32[2]"], "float32[2]", {"T": FLOAT}),
    Case("Mul", ["int32[2]", "int32[2]"], "int32[2]"),
    Case("Maximum", ["int32[2,1]", "int32[3]"], "int32[2,3]"),
    Case("Minimum", ["float32[2]", "float32[1]"], "float32[2]"),
    Case("SquaredDifference", ["float32[2]", "float32[1]"], "float32[2]"),
    Case("RealDiv", ["float32[2]", "float32[]"], "float32[2]"),
    Case("DivNoNan", ["float32[2]", "float32[]"], "float32[2]"),
    Case("FloorDiv", ["int32[2]", "int32[]"], "int32[2]"),
    Case("Mod", ["int32[2]", "int32[]"], "int32[2]"),
    Case("FloorMod", ["float32[2]", "float32[]"], "float32[2]"),
    Case("Pow", ["float32[2]", "float32[]"], "float32[2]"),
    Case("Atan2", ["float32[2]", "float32[2]"], "float32[2]"),
    *[Case(op, ["int32[N,2]"], "int32[N,2]") for op in ("Abs", "Neg", "Sign", "Square", "OnesLike", "ZerosLike")],
    *[
        Case(op, ["float32[N,2]"], "float32[N,2]")
        for op in (
            "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Elu", "Erf", "Exp", "Expm1",
            "Floor", "LeakyRelu", "Log", "Log1p", "LogSoftmax", "Reciprocal", "Relu", "Relu6", "Round", "Rsqrt", "Selu",
            "Sigmoid", "Sin", "Sinh", "Softmax", "Softplus", "Sqrt", "Tan", "Tanh", "StopGradient",
        )
    ],
    *[Case(op, ["float32[N,2]"], "bool[N,2]") for op in ("IsFinite", "IsInf", "IsNan")],
    *[Case(op, ["int32[N,2]", "int32[2]"], "bool[N,2]") for op in ("Greater", "GreaterEqual", "Less", "LessEqual")],
    *[Case(op, ["bool[2,1]", "bool[3]"], "bool[2,3]") for op in ("Equal", "NotEqual", "LogicalAnd", "LogicalOr")],
    Case("LogicalNot", ["bool[N]"], "bool[N]"),
    Case("SelectV2", ["bool[3]", "float32[2,1]", "float32[]"], "float32[2,3]"),
    Case("ClipByValue", ["float32[N]", 0.0, 6.0], "float32[N]"),
    Case("Prelu", ["float32[N,4,4,3]", "float32[3]"], "float32[N,4,4,3]"),
    Case("Cast", ["int32[N]"], "float32[N]", {"DstT": FLOAT}),
    Case("Cast", ["bool[2]"], "int32[2]", {"DstT": INT, "SrcT": BOOL}),
    Case("Identity", ["string[2]"], "string[2]"),
    Case("IdentityN", ["float32[2]", "int32[N]"], "float32[2] int32[N]"),
    # layout
    Case("Reshape", ["float32[2,3,4]", [6, 4]], "float32[6,4]"),
    Case("Reshape", ["float32[2,3,4]", [-1, 3]], "float32[8,3]"),
    Case("Reshape", ["float32[N,3,4]", [-1, 12]], "float32[N,12]"),
    Case("Reshape", ["float32[N,3,4]", [-1, 6]], "float32[?,6]"),
    Case("Reshape", ["float32[…]", [-1, 6]], "float32[?,6]"),
    Case("Reshape", ["float32[N,3]", "int32[3]"], "float32[?,?,?]"),
    Case("Reshape", ["float32[N,3]", "int32[?]"], "float32[…]"),
    Case("Reshape", ["float32[0,3]", [0, 5]], "float32[0,5]"),
    Case("Squeeze", ["float32[N,1,3,1]"], "float32[N,3]", {"axis": [1, -1]}),
    Case("Squeeze", ["float32[N,1]"], "float32[N]", {"squeeze_dims": [1]}),
    Case("ExpandDims", ["float32[N,3]", -1], "float32[N,3,1]"),
    Case("ExpandDims", ["float32[N,3]", 0], "float32[1,N,3]"),
    Case("ExpandDims", ["float32[N,3]", "int32[]"], "float32[?,?,?]"),
    Case("Transpose", ["float32[N,2,3]", [2, 0, 1]], "float32[3,N,2]"),
    Case("Transpose", ["float32[N,2,3]", "int32[3]"], "float32[?,?,?]"),
    Case("ConcatV2", ["float32[N,2]", "float32[N,3]", 1], "float32[N,5]", {"N": 2}),
    Case("ConcatV2", ["float32[N,2]", "float32[M,2]", 0], "float32[?,2]", {"N": 2}),
    Case("ConcatV2", ["float32[2,?]", "float32[3,4]", -2], "float32[5,4]", {"N": 2}),
    Case("ConcatV2", ["float32[2,3]", "float32[…]", 0], "float32[?,3]", {"N": 2}),
    Case("Pack", ["float32[N,2]", "float32[N,2]", "float32[?,2]"], "float32[N,3,2]", {"axis": 1}),
    Case("Unpack", ["float32[N,2]"], "float32[N] float32[N]", {"axis": -1}),
    Case("Split", [1, "float32[N,4]"], "float32[N,2] float32[N,2]", {"num_split": 2}),
    Case("SplitV", ["float32[N,4]", [1, -1], 1], "float32[N,1] float32[N,3]"),
    Case("SplitV", ["float32[N,4]", [1, 2], 0], "float32[1,4] float32[2,4]"),
    Case("SplitV", ["float32[N,4]", "int32[2]", 0], "float32[?,4] float32[?,4]"),
    Case("SplitV", ["float32[N,4]", [-1], 0], "float32[N,4]"),
    Case("Tile", ["float32[N,3]", [1, 2]], "float32[N,6]"),
    Case("Tile", ["float32[N,3]", "int32[2]"], "float32[?,?]"),
    Case("BroadcastTo", ["float32[3,1]", [2, 3, 4]], "float32[2,3,4]"),
    Case("BroadcastTo", ["float32[3,1]", "int32[3]"], "float32[?,3,?]"),
    Case("BroadcastArgs", ["int32[2]", "int32[3]"], "int32[3]"),
    Case("EnsureShape", ["float32[?,3]", [2, -1]], "float32[2,3]"),
    Case("Pad", ["float32[N,3]", [[0, 0], [1, 2]]], "float32[N,6]"),
    Case("PadV2", ["float32[2,3]", [[1, 0], [1, 2]], 0.0], "float32[3,6]"),
    Case("PadV2", ["float32[2,3]", "int32[2,2]", "float32[]"], "float32[?,?]"),
    Case("MirrorPad", ["float32[2,3]", [[0, 0], [1, 1]]], "float32[2,5]", {"mode": "REFLECT"}),
    Case("ReverseV2", ["float32[N,3]", [1]], "float32[N,3]"),
    Case("DepthToSpace", ["float32[N,2,3,8]"], "float32[N,4,6,2]", DEPTH_TO_SPACE),
    Case("SpaceToBatchND", ["float32[1,4,6,2]", [2, 3], [[0, 0], [1, 2]]], "float32[6,2,3,2]"),
    Case("SpaceToBatchND", ["float32[N,4,6,2]", [1, 1], [[0, 0], [0, 0]]], "float32[N,4,6,2]"),
    Case("BatchToSpaceND", ["float32[6,2,3,2]", [2, 3], [[0, 0], [1, 2]]], "float32[1,4,6,2]"),
    # indexing
    Case("Slice", ["float32[N,4,5]", [0, 1, 2], [-1, 2, -1]], "float32[N,2,3]"),
    Case("Slice", ["float32[N,4]", [1, 0], [-1, 4]], "float32[?,4]"),
    Case("Slice", ["float32[N,4]", "int32[2]", [2, 4]], "float32[2,4]"),
    Case("Slice", ["float32[N,4]", [0, 0], "int32[2]"], "float32[?,?]"),
    Case("StridedSlice", ["float32[5,6]", [0, 1], [5, -1], [2, 1]], "float32[3,4]"),
    Case("StridedSlice", ["float32[5,6]", [4, 0], [-6, 6], [-2, 1]], "float32[3,6]"),
    Case("StridedSlice", ["float32[5,6]", [1, 2], [2, 3], [1, 1]], "float32[6]", {"shrink_axis_mask": 1, "end_mask": 2,
                                                                                   "begin_mask": 2}),
    Case("StridedSlice", ["float32[N,6]", [0, 1], [9, 2], [1, 1]], "float32[N,1]", {"begin_mask": 1, "end_mask": 1}),
    Case("StridedSlice", ["float32[N,6]", [0], [3], [1]], "float32[?,6]"),
    Case("StridedSlice", ["float32[N,6]", [0], [2147483647], [1]], "float32[N,6]"),
    Case("StridedSlice", ["float32[5,6]", [0, 0], [0, 3], [1, 1]], "float32[1,3,6]", {"new_axis_mask": 1}),
    Case("StridedSlice", ["float32[2,N,6]", [0, 1], [0, 3], [1, 1]], "float32[2,N,2]", {"ellipsis_mask": 1}),
    Case("StridedSlice", ["float32[5,6]", "int32[2]", [5, 6], [1, 1]], "float32[?,?]"),
    Case("GatherV2", ["float32[N,4]", "int32[2,3]", 1], "float32[N,2,3]"),
    Case("GatherV2", ["float32[N,4]", [0, 2], 0], "float32[2,4]"),
    Case("GatherV2", ["float32[2,4]", "int32[3]", "int32[]"], "float32[?,?]"),
    Case("GatherNd", ["float32[2,4,5]", "int32[N,2]"], "float32[N,5]"),
    Case("ScatterNd", ["int32[3,1]", "float32[3,4]", [5, 4]], "float32[5,4]"),
    Case("TensorScatterUpdate", ["float32[N,4]", "int32[2,1]", "float32[2,4]"], "float32[N,4]"),
    Case("TopKV2", ["float32[N,9]", 3], "float32[N,3] int32[N,3]", {"sorted": True}),
    Case("TopKV2", ["float32[N,9]", "int32[]"], "float32[N,?] int32[N,?]"),
    Case("Where", ["bool[2,3,4]"], "int32[?,3]"),
    Case("LowerBound", ["float32[2,9]", "float32[2,4]"], "int32[2,4]"),
    Case("UpperBound", ["int32[1,9]", "int32[1,4]"], "int32[1,4]"),
    # reductions
    *[Case(op, ["int32[N,3,4]", [1, 2]], "int32[N]") for op in ("Max", "Min", "Prod", "Sum")],
    *[Case(op, ["bool[N,3]", [-1]], "bool[N,1]", {"keep_dims": True}) for op in ("All", "Any")],
    Case("Mean", ["float32[N,3,4]", [0, 2]], "float32[1,3,1]", {"keep_dims": True}),
    Case("Mean", ["float32[N,3,4]", 1], "float32[N,4]"),
    Case("Sum", ["float32[N,3]", "int32[1]"], "float32[…]"),
    Case("Sum", ["float32[N,3]", "int32[1]"], "float32[?,?]", {"keep_dims": True}),
    Case("ArgMax", ["float32[N,3]", 1], "int32[N]"),
    Case("ArgMin", ["float32[N,3]", "int32[]"], "int32[?]"),
    Case("Cumsum", ["float32[N,3]", 1], "float32[N,3]", {"exclusive": True, "reverse": False}),
    Case("Cumprod", ["float32[N,3]", 0], "float32[N,3]"),
    Case("Bincount", ["int32[N]", 5, "float32[0]"], "float32[5]"),
    Case("DenseBincount", ["int32[N,3]", 5, "int32[0]"], "int32[N,5]"),
    # networks
    Case("Conv2D", ["float32[N,8,9,3]", "float32[3,2,3,5]"], "float32[N,6,8,5]", CONV),
    Case("Conv2D", ["float32[N,H,9,3]", "float32[3,3,3,5]"], "float32[N,?,5,5]", SAME_BY_2),
    Case("Conv2D", ["float32[N,H,9,3]", "float32[1,1,3,5]"], "float32[N,H,9,5]", CONV),
    Case("Conv2D", ["float32[1,8,9,3]", "float32[3,2,3,5]"], "float32[1,4,6,5]", DILATED),
    Case("Conv2D", ["float32[1,8,9,3]", "float32[3,2,3,5]"], "float32[1,4,7,5]", PADDED),
    Case("_FusedConv2D", ["float32[1,8,9,3]", "float32[3,2,3,5]", "float32[5]"], "float32[1,6,8,5]", {**CONV, **BIAS}),
    Case("_FusedConv2D", ["float32[1,8,9,3]", "float32[3,2,3,5]", "float32[5]", "float32[5]"], "float32[1,6,8,5]",
         {**CONV, **PRELU}),
    Case("DepthwiseConv2dNative", ["float32[N,8,8,3]", "float32[3,3,3,2]"], "float32[N,4,4,6]", SAME_BY_2),
    Case("FusedDepthwiseConv2dNative", ["float32[N,8,8,3]", "float32[3,3,3,1]", "float32[3]"], "float32[N,6,6,3]",
         {**CONV, **BIAS}),
    Case("Conv3D", ["float32[N,5,4,4,2]", "float32[2,2,2,2,7]"], "float32[N,2,3,3,7]", VOLUME),
    Case("Conv2DBackpropInput", [[2, 8, 8, 3], "float32[3,3,3,5]", "float32[2,4,4,5]"], "float32[2,8,8,3]", SAME_BY_2),
    Case("Conv2DBackpropInput", ["int32[4]", "float32[3,3,3,5]", "float32[N,4,4,5]"], "float32[N,?,?,3]", SAME_BY_2),
    Case("MaxPool", ["float32[N,8,9,3]"], "float32[N,4,4,3]", POOL),
    Case("AvgPool", ["float32[N,8,9,3]"], "float32[N,4,5,3]", {**POOL, "padding": "SAME"}),
    Case("AvgPool3D", ["float32[N,5,4,3,2]"], "float32[N,3,2,2,2]", POOL_3D),
    Case("MatMul", ["float32[N,3]", "float32[3,4]"], "float32[N,4]"),
    Case("MatMul", ["float32[3,N]", "float32[4,3]"], "float32[N,4]", {"transpose_a": True, "transpose_b": True}),
    Case("BatchMatMulV2", ["float32[5,1,2,3]", "float32[7,3,4]"], "float32[5,7,2,4]"),
    Case("BatchMatMulV2", ["float32[N,3,2]", "float32[N,4,3]"], "float32[N,2,4]", {"adj_x": True, "adj_y": True}),
    Case("_FusedMatMul", ["float32[N,3]", "float32[3,4]", "float32[4]"], "float32[N,4]", BIAS),
    *[
        Case(op, ["float32[N,4,4,3]", *["float32[3]"] * 4], "float32[N,4,4,3]", {"epsilon": 1e-5})
        for op in ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
    ],
    Case("LRN", ["float32[N,4,4,3]"], "float32[N,4,4,3]", {"depth_radius": 2, "alpha": 0.1}),
    Case("ResizeBilinear", ["float32[N,4,4,3]", [8, 9]], "float32[N,8,9,3]", RESIZED),
    Case("ResizeBilinear", ["int32[N,4,4,3]", [8, 9]], "float32[N,8,9,3]", RESIZED),
    Case("ResizeNearestNeighbor", ["float32[N,4,4,3]", "int32[2]"], "float32[N,?,?,3]"),
    Case("CropAndResize", ["float32[N,9,9,3]", "float32[B,4]", "int32[B]", [2, 3]], "float32[B,2,3,3]",
         {"method": "bilinear", "extrapolation_value": 0.0}),
    Case("NonMaxSuppressionV3", ["float32[9,4]", "float32[9]", 5, 0.5, 0.1], "int32[?]"),
    Case("NonMaxSuppressionV4", ["float32[9,4]", "float32[9]", 5, 0.5, 0.1], "int32[5] int32[]",
         {"pad_to_max_output_size": True}),
    Case("NonMaxSuppressionV5", ["float32[9,4]", "float32[9]", 5, 0.5, 0.1, 0.0], "int32[?] float32[?]"),
    # creation
    Case("Fill", [[2, 3], 1.0], "float32[2,3]", {"T": FLOAT}),
    Case("Fill", ["int32[2]", 1], "int32[?,?]", {"T": INT}),
    Case("Ones", [[2, 3]], "int32[2,3]", {"T": INT}),
    Case("Zeros", [[2, 3]], "bool[2,3]", {"T": BOOL}),
    Case("Range", [5, 0, -2], "int32[3]", {"Tidx": INT}),
    Case("Range", [0.0, 1.0, 0.25], "float32[4]", {"Tidx": FLOAT}),
    Case("Range", [3, 1, 1], "int32[0]", {"Tidx": INT}),
    Case("Range", [0, "int32[]", 1], "int32[?]", {"Tidx": INT}),
    Case("LinSpace", [0.0, 1.0, 7], "float32[7]"),
    Case("OneHot", ["int32[N,2]", 5, 1, 0], "int32[N,2,5]", {"T": INT, "axis": -1}),
    Case("RandomUniform", [[2, 3]], "float32[2,3]", {"dtype": FLOAT}),
    Case("RandomUniformInt", [[2, 3]], "int32[2,3]", {"minval": 0, "maxval": 9}),
    Case("RandomStandardNormal", ["int32[2]"], "float32[?,?]", {"dtype": FLOAT, "seed": 3}),
    Case("TruncatedNormal", [[2]], "float32[2]", {"dtype": FLOAT}),
    Case("Multinomial", ["float32[N,5]", 7], "int32[N,7]", {"seed": 1}),
    Case("Shape", ["float32[N,5]"], "int32[2]"),
    Case("Shape", ["float32[…]"], "int32[?]"),
    Case("Rank", ["float32[N,5]"], "int32[]"),
    Case("Size", ["float32[N,5]"], "int32[]"),
    # lists
    Case("TensorListReserve", [[3], "int32[]"], LIST, {"element_dtype": FLOAT}),
    Case("EmptyTensorList", [[3], -1], LIST, {"element_dtype": FLOAT}),
    Case("TensorListFromTensor", ["float32[N,3]", [3]], LIST, {"element_dtype": FLOAT}),
    Case("TensorListSetItem", [LIST, "int32[]", "float32[3]"], LIST, {"element_dtype": FLOAT}),
    Case("TensorListPushBack", [LIST, "float32[3]"], LIST, {"element_dtype": FLOAT}),
    Case("TensorListResize", [LIST, "int32[]"], LIST),
    Case("TensorListScatter", ["float32[2,3]", [0, 1], [3]], LIST, {"element_dtype": FLOAT}),
    Case("TensorListScatterV2", ["float32[2,3]", [0, 1], [3], 2], LIST, {"element_dtype": FLOAT}),
    Case("TensorListGetItem", [LIST, "int32[]", [2, 3]], "int32[2,3]", {"element_dtype": INT}),
    Case("TensorListGather", [LIST, [0, 2], [3]], "float32[2,3]", {"element_dtype": FLOAT}),
    Case("TensorListStack", [LIST, [3]], "float32[?,3]", {"element_dtype": FLOAT}),
    *[
        Case(op, [LIST], "float32[?,3]", {"element_dtype": FLOAT, "element_shape": (2, 3)})
        for op in ("TensorListConcat", "TensorListConcatV2")
    ],
    Case("TensorListLength", [LIST], "int32[]"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_types_of_results(case: Case) -> None:
    types = inferred(case.op, case.operands, case.attrs)
    assert " ".join(map(describe, types)) == case.outputs


def test_every_rule_has_a_case() -> None:
    called_by_name = {"Recurrence", "StatelessIf", "StatelessWhile"}  # tests/unit/tfjs/test_infer_control.py
    assert set(RULES) - called_by_name - {case.op for case in CASES} == set()


BAD = [
    (Case("AddV2", ["float32[2]", "int32[2]"], "must have one dtype")),
    (Case("AddV2", ["float32[2]", "float32[3]"], "dimensions 2 and 3 do not broadcast")),
    (Case("AddV2", ["bool[2]", "bool[2]"], "operand 0 must be float32 or int32")),
    (Case("AddN", ["float32[2]", "float32[1]"], "can't describe the same value")),
    (Case("Exp", ["int32[2]"], "must be float32")),
    (Case("RealDiv", ["int32[2]", "int32[2]"], "must be float32")),
    (Case("FloorDiv", ["float32[2]", "float32[2]"], "must be int32")),
    (Case("LogicalAnd", ["bool[2]", "int32[2]"], "operand 1 must be bool")),
    (Case("SelectV2", ["int32[2]", "float32[2]", "float32[2]"], "operand 0 must be bool")),
    (Case("Softmax", ["float32[]"], "no last axis")),
    (Case("Prelu", ["float32[3]", "float32[2,3]"], "higher rank")),
    (Case("ClipByValue", ["float32[3]", "float32[1]", 6.0], "operand 1 must have rank 0")),
    (Case("Cast", ["string[2]"], "operand 0 must be", {"DstT": FLOAT})),
    (Case("Reshape", ["float32[2,3]", [-1, -1]], "only one dimension")),
    (Case("Reshape", ["float32[2,3]", [4]], "another number of elements")),
    (Case("Reshape", ["float32[2,3]", [-1, 4]], "do not divide")),
    (Case("Reshape", ["float32[2,3]", [-2, 4]], "is no shape")),
    (Case("Squeeze", ["float32[2,3]"], "are not all 1", {"axis": [0]})),
    (Case("Squeeze", ["float32[2,3]"], "not an axis of rank 2", {"axis": [2]})),
    (Case("Transpose", ["float32[2,3]", [0, 0]], "no permutation")),
    (Case("Transpose", ["float32[2,3]", [0, -1]], "no permutation")),
    (Case("Transpose", ["string[2,3]", [1, 0]], "operand 0 must be")),
    (Case("ConcatV2", ["float32[2,3]", "float32[2,4]", 0], "can't describe", {"N": 2})),
    (Case("ConcatV2", ["float32[2,3]", "float32[2]", 0], "ranks differ", {"N": 2})),
    (Case("Unpack", ["float32[N,3]"], "which is not known")),
    (Case("Split", [0, "float32[5]"], "equal parts", {"num_split": 2})),
    (Case("SplitV", ["float32[5]", [2, 2], 0], "do not add up to 5")),
    (Case("SplitV", ["float32[5]", "int32[?]", 0], "number of sizes")),
    (Case("Tile", ["float32[5]", [2, 2]], "one repetition per axis")),
    (Case("BroadcastTo", ["float32[2,3]", [3]], "larger than the shape")),
    (Case("Pad", ["float32[2,3]", [[0, 0]]], "one pair of pads per axis")),
    (Case("Pad", ["float32[2,3]", [[0, 0], [-1, 0]]], ">= 0")),
    (Case("PadV2", ["float32[2]", [[0, 0]], 0], "must have one dtype")),
    (Case("DepthToSpace", ["float32[1,2,2,6]"], "does not divide", DEPTH_TO_SPACE)),
    (Case("Slice", ["float32[4]", [2], [3]], "past the end")),
    (Case("Slice", ["float32[4]", [-1], [1]], "begin must be >= 0")),
    (Case("StridedSlice", ["float32[4]", [0], [3], [0]], "strides can't be 0")),
    (Case("StridedSlice", ["float32[4]", [0, 0], [3, 3], [1, 1]], "more indices than axes")),
    (Case("GatherV2", ["float32[4]", "float32[2]", 0], "operand 1 must be int32")),
    (Case("GatherNd", ["float32[4]", "int32[2,3]"], "indices of 3 numbers into rank 1")),
    (Case("ScatterNd", ["int32[3,1]", "float32[2,4]", [5, 4]], "can't describe")),
    (Case("TopKV2", ["float32[2]", 3], "3 of 2 elements")),
    (Case("Sum", ["float32[2,3]", [0, 0]], "name one twice")),
    (Case("Mean", ["int32[2,3]", [0]], "must be float32")),
    (Case("All", ["int32[2,3]", [0]], "must be bool")),
    (Case("Conv2D", ["float32[1,8,8,3]", "float32[3,3,4,5]"], "3 channels go into a filter for 4", CONV)),
    (Case("Conv2D", ["float32[1,2,2,3]", "float32[3,3,3,5]"], "does not fit into 2", CONV)),
    (Case("Conv2D", ["float32[8,8,3]", "float32[3,3,3,5]"], "operand 0 must have rank 4", CONV)),
    (Case("Conv2DBackpropInput", [[1, 9, 8, 3], "float32[3,3,3,5]", "float32[1,4,4,5]"], "not x", SAME_BY_2)),
    (Case("MatMul", ["float32[2,3]", "float32[4,5]"], "inner dimensions 3 and 4 differ")),
    (Case("MatMul", ["int32[2,3]", "int32[3,5]"], "must be float32")),
    (Case("_FusedMatMul", ["float32[2,3]", "float32[3,4]", "float32[2,4]"], "operand 2 must have rank 0 or 1", BIAS)),
    (Case("_FusedMatMul", ["float32[2,3]", "float32[3,4]", "float32[5]"], "does not fit 4 channels", BIAS)),
    (Case("FusedBatchNormV3", ["float32[1,2,2,3]", *["float32[4]"] * 4], "one number per channel")),
    (Case("Fill", [[2], 1], "the value must be float32", {"T": FLOAT})),
    (Case("Range", [0, 3, 0], "step must not be 0", {"Tidx": INT})),
    (Case("OneHot", ["int32[2]", 1, 1, 0], "depth must be >= 2", {"T": INT})),
    (Case("TensorListGetItem", ["float32[]", 0, [3]], "must be variant", {"element_dtype": FLOAT})),
]


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.id)
def test_contradictions_name_the_op_and_the_types(case: Case) -> None:
    with pytest.raises(InternalError) as caught:
        inferred(case.op, case.operands, case.attrs)
    assert case.outputs in str(caught.value)
    assert str(caught.value).startswith(f"{case.op}(")


def test_an_op_without_a_rule_is_refused() -> None:
    with pytest.raises(InternalError, match="no inference rule for Einsum"):
        infer("Einsum", [], {}, [])


def test_constants_belong_to_operands() -> None:
    with pytest.raises(InternalError, match="1 operands, but constants for 0"):
        infer("Abs", [TensorType("float32", ())], {}, [])

"""Folding must give what the running graph would: each op is computed here, and by TF.js."""

import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.evaluate import EVALUATORS
from converter.tfjs.graph import DataType
from converter.tfjs.passes.fold_constants import fold_constants

FLOATS = np.array([[-1.5, 0.0, 0.25], [2.0, -3.25, 7.0]])
INTS = np.array([[-7, 0, 3], [5, -2, 9]], np.int32)
DIVISORS = np.array([3, -2, 4], np.int32)
BOOLS = np.array([True, False])


def _binary(op, *kinds):
    for values in kinds:
        yield (
            f"{op}-{values.dtype}",
            op,
            lambda net, values=values: (net.data(values), net.data(values[:, ::-1] + values.dtype.type(4))),
        )


def _unary(op, values):
    yield f"{op}-{values.dtype}", op, lambda net: (net.data(values),)


def _strided_slice(begin, end, strides):
    return lambda net: (net.data(FLOATS), net.param(begin), net.param(end), net.param(strides))


ANY_NUMBERS = ("AddV2", "Sub", "Mul", "Maximum", "Minimum", "Equal", "NotEqual", "Greater", "Less")
POSITIVE = np.abs(FLOATS) + 0.5
CASES = [
    *(case for op in ANY_NUMBERS for case in _binary(op, FLOATS, INTS)),
    *_binary("RealDiv", POSITIVE),
    *((op, op, lambda net: (net.data(INTS), net.data(DIVISORS))) for op in ("FloorDiv", "FloorMod")),
    *(case for op in ("Abs", "Neg", "Square") for values in (FLOATS, INTS) for case in _unary(op, values)),
    *(case for op in ("Sqrt", "Rsqrt", "Reciprocal") for case in _unary(op, POSITIVE)),
    *_unary("LogicalNot", BOOLS),
    *((op, op, lambda net: (net.data(BOOLS), net.data(~BOOLS[::-1]))) for op in ("LogicalAnd", "LogicalOr")),
    ("BroadcastTo", "BroadcastTo", lambda net: (net.data(FLOATS[:, :1]), net.param([2, 2, 3]))),
    ("ConcatV2", "ConcatV2", lambda net: (net.data(FLOATS), net.data(FLOATS[:, :1]), net.param(-1)), {"N": 2}),
    ("ExpandDims", "ExpandDims", lambda net: (net.data(FLOATS), net.param(-2))),
    ("Fill", "Fill", lambda net: (net.param([2, 3]), net.data(1.25)), {"T": DataType("DT_FLOAT")}),
    ("GatherV2", "GatherV2", lambda net: (net.data(FLOATS), net.data(np.array([[2, 0]], np.int32)), net.param(1))),
    ("Identity", "Identity", lambda net: (net.data(FLOATS),)),
    ("Pack", "Pack", lambda net: (net.data(FLOATS), net.data(-FLOATS)), {"axis": 1}),
    ("Range", "Range", lambda net: (net.param(2), net.param(11), net.param(4)), {"Tidx": DataType("DT_INT32")}),
    ("Reshape", "Reshape", lambda net: (net.data(FLOATS), net.param([3, -1]))),
    ("Slice", "Slice", lambda net: (net.data(FLOATS), net.param([0, 1]), net.param([-1, 2]))),
    ("SplitV", "SplitV", lambda net: (net.data(FLOATS), net.param([1, -1]), net.param(-1))),
    ("Squeeze", "Squeeze", lambda net: (net.data(FLOATS[:, None]),), {"squeeze_dims": [1]}),
    ("StridedSlice", "StridedSlice", _strided_slice([1, 2], [0, 0], [-1, -2]), {"end_mask": 3}),
    ("StridedSlice-shrink", "StridedSlice", _strided_slice([1, 0], [2, 3], [1, 1]), {"shrink_axis_mask": 1}),
    ("Tile", "Tile", lambda net: (net.data(FLOATS), net.param([1, 2]))),
    ("Transpose", "Transpose", lambda net: (net.data(FLOATS), net.param([1, 0]))),
    ("Unpack", "Unpack", lambda net: (net.data(FLOATS),), {"axis": 1}),
    ("Cast-int", "Cast", lambda net: (net.data(FLOATS),), {"SrcT": DataType("DT_FLOAT"), "DstT": DataType("DT_INT32")}),
    ("Cast-float", "Cast", lambda net: (net.data(INTS),), {"SrcT": DataType("DT_INT32"), "DstT": DataType("DT_FLOAT")}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_a_constant_is_what_tfjs_computes(pool, case):
    _, op, operands, *attrs = case
    net = Net()
    outputs = net.all(op, *operands(net), **(attrs[0] if attrs else {}))
    x = net.input("x", 1)
    graph = net.done(x=x, **{f"y{index}": output for index, output in enumerate(outputs)})
    after = fold_constants(graph)
    assert ops(after) == {}
    assert_same(pool, graph, after)


def test_every_evaluator_has_a_case():
    assert set(EVALUATORS) == {case[1] for case in CASES}

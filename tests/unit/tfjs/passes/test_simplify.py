import numpy as np
import pytest
from pass_graphs import TO_NCHW, TO_NHWC, Net, assert_same, ops

from converter.tfjs.graph import DataType, Ref
from converter.tfjs.passes.simplify import simplify

FLOAT, INT, BOOL = DataType("DT_FLOAT"), DataType("DT_INT32"), DataType("DT_BOOL")


def cast(net, x, source, target):
    return net("Cast", x, SrcT=source, DstT=target)


GONE = {
    "identity": lambda net, x: net("Identity", x),
    "stop-gradient": lambda net, x: net("StopGradient", x),
    "add-zero": lambda net, x: net("AddV2", x, net.data(0.0)),
    "zero-plus": lambda net, x: net("AddV2", net.data([0.0]), x),
    "minus-zero": lambda net, x: net("Sub", x, net.data([[0.0, 0.0, 0.0, 0.0]])),
    "times-one": lambda net, x: net("Mul", x, net.data(np.ones((3, 1)))),
    "over-one": lambda net, x: net("RealDiv", x, net.data(1.0)),
    "power-one": lambda net, x: net("Pow", x, net.data(1.0)),
    "no-pads": lambda net, x: net("PadV2", x, net.param(np.zeros((3, 2), np.int32)), net.data(1.0)),
    "no-mirror": lambda net, x: net("MirrorPad", x, net.param(np.zeros((3, 2), np.int32)), mode="REFLECT"),
    "one-tile": lambda net, x: net("Tile", x, net.param([1, 1, 1])),
    "whole-slice": lambda net, x: net("Slice", x, net.param([0, 0, 0]), net.param([-1, 3, 4])),
    "same-shape": lambda net, x: net.reshape(x, -1, 3, 4),
    "cast-to-itself": lambda net, x: cast(net, x, FLOAT, FLOAT),
    "sum-of-one": lambda net, x: net("AddN", x),
    "concat-of-one": lambda net, x: net("ConcatV2", x, net.param(0), N=1),
    "transpose-of-nothing": lambda net, x: net.transpose(x, (0, 1, 2)),
    "there-and-back": lambda net, x: net.transpose(net.transpose(x, (1, 2, 0)), (2, 0, 1)),
    "minus-minus": lambda net, x: net("Neg", net("Neg", x)),
    "expand-and-squeeze": lambda net, x: net("Squeeze", net("ExpandDims", x, net.param(1)), squeeze_dims=[1]),
    "reshape-there-and-back": lambda net, x: net.reshape(net.reshape(x, -1, 12), -1, 3, 4),
}


@pytest.mark.parametrize("make", GONE.values(), ids=GONE)
def test_what_does_nothing_goes(pool, make):
    net = Net()
    graph = net.done(y=net("Exp", make(net, net("Tanh", net.input("x", "n", 3, 4)))))
    after = simplify(graph)
    assert ops(after) == {"Exp": 1, "Tanh": 1}
    assert_same(pool, graph, after)


KEPT = {
    "add-zeros-that-broadcast": lambda net, x: net("AddV2", x, net.data(np.zeros((2, 3, 4)))),
    "zero-minus": lambda net, x: net("Sub", net.data(0.0), x),
    "one-over": lambda net, x: net("RealDiv", net.data(1.0), x),
    "nearly-one": lambda net, x: net("Mul", x, net.data([1.0, 1.0, 1.0, 1.0001])),
    "pads": lambda net, x: net("PadV2", x, net.param(np.array([[0, 0], [0, 0], [0, 1]])), net.data(1.0)),
    "slice": lambda net, x: net("Slice", x, net.param([0, 0, 0]), net.param([-1, 3, 3])),
    "truncation": lambda net, x: cast(net, cast(net, x, FLOAT, INT), INT, FLOAT),
}


@pytest.mark.parametrize("make", KEPT.values(), ids=KEPT)
def test_what_does_something_stays(pool, make):
    net = Net()
    graph = net.done(y=make(net, net("Abs", net.input("x", 1, 3, 4))))
    after = simplify(graph)
    assert ops(after) == ops(graph)
    assert_same(pool, graph, after)


JOINED = {
    "reshapes": (lambda net, x: net.reshape(net.reshape(x, -1, 12), -1, 2, 6), {"Reshape": 1}),
    "expansions": (
        lambda net, x: net("ExpandDims", net("ExpandDims", x, net.param(1)), net.param(-1)),
        {"Reshape": 1},
    ),
    "squeeze-and-reshape": (
        lambda net, x: net.reshape(net("Squeeze", net("ExpandDims", x, net.param(3)), squeeze_dims=[3]), -1, 2),
        {"Reshape": 1},
    ),
    "transposes": (lambda net, x: net.transpose(net.transpose(x, (1, 0, 2)), (0, 2, 1)), {"Transpose": 1}),
    "transpose-of-ones": (
        lambda net, x: net.transpose(net("Sum", x, net.param([2]), keep_dims=True), (0, 2, 1)),
        {"Sum": 1, "Reshape": 1},
    ),
    "relu6": (lambda net, x: net("ClipByValue", x, net.data(0.0), net.data(6.0)), {"Relu6": 1}),
    "relus": (lambda net, x: net("Relu", net("Relu", x)), {"Relu": 1}),
    "casts": (
        lambda net, x: cast(net, cast(net, net("Greater", x, net.data(0.0)), BOOL, INT), INT, FLOAT),
        {"Greater": 1, "Cast": 1},
    ),
    "bool-again": (
        lambda net, x: net("NotEqual", cast(net, net("Greater", x, net.data(0.0)), BOOL, FLOAT), net.data(0.0)),
        {"Greater": 1},
    ),
    "leaky": (
        lambda net, x: net(
            "AddV2", net("Maximum", x, net.data(0.0)), net("Mul", net.data(0.2), net("Minimum", x, net.data(0.0)))
        ),
        {"LeakyRelu": 1},
    ),
    "prelu": (
        lambda net, x: net(
            "AddV2",
            net("Mul", net("Minimum", net.data(0.0), x), net.data([0.1, -0.2, 0.3, 2.0])),
            net("Maximum", x, net.data(0.0)),
        ),
        {"Prelu": 1},
    ),
}


@pytest.mark.parametrize("case", JOINED.values(), ids=JOINED)
def test_what_follows_each_other_is_joined(pool, case):
    make, expected = case
    net = Net()
    graph = net.done(y=make(net, net.input("x", "n", 3, 4)))
    after = simplify(graph)
    assert ops(after) == expected
    assert_same(pool, graph, after)


def test_a_prelu_of_another_axis_stays_arithmetic(pool):
    net = Net()
    x = net.input("x", "n", 3, 4)
    negative = net("Mul", net.normal(3, 1), net("Minimum", x, net.data(0.0)))
    graph = net.done(y=net("AddV2", net("Maximum", x, net.data(0.0)), negative))
    after = simplify(graph)
    assert "Prelu" not in ops(after)
    assert_same(pool, graph, after)


@pytest.mark.parametrize("padding", ["VALID", "EXPLICIT"])
@pytest.mark.parametrize("op", ["Conv2D", "DepthwiseConv2dNative"])
def test_a_convolution_takes_the_zeros_around_its_operand(pool, op, padding):
    net = Net()
    x = net("PadV2", net.input("x", "n", 5, 6, 2), net.param(np.array([[0, 0], [1, 2], [0, 3], [0, 0]])), net.data(0.0))
    explicit = {"explicit_paddings": [0, 0, 1, 0, 0, 1, 0, 0]} if padding == "EXPLICIT" else {}
    graph = net.done(y=net.conv(x, (3, 3, 2, 2), op, padding=padding, **explicit))
    after = simplify(graph)
    assert ops(after) == {op: 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("rows", [[[0, 0], [1, 2], [0, 3], [0, 1]], [[0, 1], [0, 0], [0, 0], [0, 0]]])
def test_padding_of_other_axes_stays(rows):
    net = Net()
    x = net("PadV2", net.input("x", "n", 5, 6, 2), net.param(np.array(rows)), net.data(0.0))
    depth = net.graph.type_of(x).shape[3]
    graph = net.done(y=net.conv(x, (3, 3, depth, 2), padding="VALID"))
    assert ops(simplify(graph)) == {"Conv2D": 1, "PadV2": 1}


def test_padding_with_another_value_stays():
    net = Net()
    x = net("PadV2", net.input("x", 1, 5, 6, 2), net.param(np.array([[0, 0], [1, 2], [0, 3], [0, 0]])), net.data(1.0))
    assert ops(simplify(net.done(y=net.conv(x, (3, 3, 2, 2), padding="VALID")))) == {"Conv2D": 1, "PadV2": 1}


def test_each_output_keeps_an_identity_of_its_own():
    net = Net()
    x = net.input("x", "n", 3)
    graph = net.done(y=net("Identity", x), z=x)
    after = simplify(graph)
    assert [after.nodes[ref.node].inputs for ref in after.outputs.values()] == [(Ref("x"),), (Ref("x"),)]


def test_an_identity_of_a_constant_does_not_mix_its_roles():
    net = Net()
    x = net.input("x", "n", 4)
    same = net("Identity", net.data(np.array([2, 2], np.int32)))
    graph = net.done(y=net("Slice", x, net.param([0, 0]), same), z=same)
    assert_no_identity(simplify(graph))


def assert_no_identity(graph):
    assert "Identity" not in ops(graph)
    data = {graph.nodes[ref.node].inputs[0] for ref in graph.outputs.values()}
    assert not data & {ref for node in graph.nodes.values() if node.op == "Slice" for ref in node.inputs[1:]}


def test_a_whole_nchw_chain(pool):
    net = Net()
    x = net.input("x", "n", 2, 4, 4)
    y = net.transpose(net.conv(net.transpose(net.transpose(x, TO_NHWC), (0, 1, 2, 3)), (1, 1, 2, 3)), TO_NCHW)
    graph = net.done(y=net.transpose(net("Identity", y), TO_NHWC))
    after = simplify(graph)
    assert ops(after) == {"Conv2D": 1, "Transpose": 1}
    assert_same(pool, graph, after)

import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.fuse_bias_activation import fuse_bias_activation

FUSED = {
    "conv": "_FusedConv2D",
    "depthwise": "FusedDepthwiseConv2dNative",
    "matrix": "_FusedMatMul",
    "stack": "_FusedMatMul",
}
ACTIVATIONS = ("Relu", "Relu6", "Elu", "Sigmoid", "LeakyRelu", "Prelu")


def product(net, kind):
    match kind:
        case "conv":
            pads = {"padding": "EXPLICIT", "explicit_paddings": [0, 0, 1, 0, 0, 2, 0, 0]}
            return net.conv(net.input("x", "n", 5, 5, 3), (3, 3, 3, 6), **{**pads, "strides": [1, 2, 1, 1]})
        case "depthwise":
            x = net.input("x", "n", 5, 5, 3)
            return net.conv(x, (3, 3, 3, 2), "DepthwiseConv2dNative", dilations=[1, 2, 2, 1])
        case "matrix":
            return net("MatMul", net.input("m", "n", 3), net.normal(3, 6), transpose_a=False, transpose_b=False)
        case "stack":
            return net("BatchMatMulV2", net.input("m", 1, "n", 3), net.normal(1, 3, 6), adj_x=False, adj_y=False)


def activated(net, x, op):
    match op:
        case "LeakyRelu":
            return net(op, x, alpha=0.3)
        case "Prelu":
            return net(op, x, net.normal(6))
        case _:
            return net(op, x)


@pytest.mark.parametrize("op", ACTIVATIONS)
@pytest.mark.parametrize("kind", FUSED)
def test_bias_and_activation_join_the_product(pool, kind, op):
    net = Net()
    graph = net.done(y=activated(net, net("AddV2", product(net, kind), net.normal(6)), op))
    after = fuse_bias_activation(graph)
    separate = {"LeakyRelu": 1} if (kind, op) == ("depthwise", "LeakyRelu") else {}
    assert ops(after) == {FUSED[kind]: 1, **separate}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("kind", FUSED)
def test_a_bias_alone_joins_the_product(pool, kind):
    net = Net()
    graph = net.done(y=net("Tanh", net("AddV2", net.normal(1, 6), product(net, kind))))
    after = fuse_bias_activation(graph)
    assert ops(after) == {FUSED[kind]: 1, "Tanh": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("kind", FUSED)
def test_an_activation_without_a_bias_joins_the_product(pool, kind):
    net = Net()
    graph = net.done(y=net("Relu", product(net, kind)))
    after = fuse_bias_activation(graph)
    assert ops(after) == {FUSED[kind]: 1}
    assert_same(pool, graph, after)


def test_a_prelu_with_leading_ones_is_given_one_axis(pool):
    net = Net()
    graph = net.done(y=net("Prelu", net("AddV2", product(net, "conv"), net.normal(6)), net.normal(1, 1, 6)))
    after = fuse_bias_activation(graph)
    assert ops(after) == {"_FusedConv2D": 1}
    assert_same(pool, graph, after)


def test_an_activation_of_joined_products_joins_each(pool):
    net = Net()
    x = net.input("x", "n", 4, 4, 3)
    parts = [net("AddV2", net.conv(x, (1, 1, 3, depth)), net.normal(depth)) for depth in (2, 4)]
    graph = net.done(y=net("Relu", net.concat(3, *parts)))
    after = fuse_bias_activation(graph)
    assert ops(after) == {"ConcatV2": 1, "_FusedConv2D": 2}
    assert_same(pool, graph, after)


def test_joined_products_along_another_axis_activate_alike(pool):
    net = Net()
    x = net.input("x", "n", 4, 4, 3)
    parts = [net("AddV2", net.conv(x, (1, 1, 3, 6)), net.normal(6)) for _ in range(2)]
    graph = net.done(y=activated(net, net.concat(1, *parts), "LeakyRelu"), z=x)
    after = fuse_bias_activation(graph)
    assert ops(after) == {"ConcatV2": 1, "_FusedConv2D": 2}
    assert_same(pool, graph, after)


def test_a_prelu_of_joined_products_stays(pool):
    net = Net()
    x = net.input("x", "n", 4, 4, 3)
    parts = [net("AddV2", net.conv(x, (1, 1, 3, 3)), net.normal(3)) for _ in range(2)]
    graph = net.done(y=activated(net, net.concat(3, *parts), "Prelu"))
    after = fuse_bias_activation(graph)
    assert ops(after) == {"ConcatV2": 1, "Prelu": 1, "_FusedConv2D": 2}
    assert_same(pool, graph, after)


def test_what_something_else_reads_is_computed_once(pool):
    net = Net()
    x = product(net, "conv")
    biased = net("AddV2", x, net.normal(6))
    graph = net.done(y=net("Relu", biased), z=net("Abs", biased), w=net("Exp", net("Neg", net("Abs", x))))
    after = fuse_bias_activation(graph)
    assert ops(after) == {"Abs": 2, "AddV2": 1, "Conv2D": 1, "Exp": 1, "Neg": 1, "Relu": 1}
    assert_same(pool, graph, after)


PRODUCTS = {
    "of-columns": lambda net: net("MatMul", net.input("m", 3, "n"), net.normal(3, 6), transpose_a=True),
    "by-rows": lambda net: net("MatMul", net.input("m", "n", 3), net.normal(6, 3), transpose_b=True),
    "of-a-stack": lambda net: net("BatchMatMulV2", net.input("m", "n", 4, 3), net.normal(3, 6)),
    "by-a-stack": lambda net: net("BatchMatMulV2", net.input("m", 1, 4, 3), net.normal(2, 3, 6)),
}


@pytest.mark.parametrize("make", PRODUCTS.values(), ids=PRODUCTS)
def test_products_that_wasm_gives_a_wrong_bias_stay(pool, make):
    net = Net()
    graph = net.done(y=net("Relu", net("AddV2", make(net), net.normal(6))))
    after = fuse_bias_activation(graph)
    assert ops(after) == ops(graph)
    assert_same(pool, graph, after)


@pytest.mark.parametrize("shape", [(5, 6), (1,), (1, 1, 1, 1, 6)])
def test_what_is_no_bias_stays(shape):
    net = Net()
    graph = net.done(y=net("Relu", net("AddV2", product(net, "conv"), net.normal(*shape))))
    assert ops(fuse_bias_activation(graph)) == {"AddV2": 1, "Conv2D": 1, "Relu": 1}


def test_an_added_value_is_no_bias():
    net = Net()
    graph = net.done(y=net("AddV2", product(net, "conv"), net.input("b", 6)))
    assert ops(fuse_bias_activation(graph)) == {"AddV2": 1, "Conv2D": 1}


def test_a_second_bias_stays(pool):
    net = Net()
    graph = net.done(y=net("AddV2", net("AddV2", product(net, "matrix"), net.normal(6)), net.normal(6)))
    after = fuse_bias_activation(graph)
    assert ops(after) == {"AddV2": 1, "_FusedMatMul": 1}
    assert_same(pool, graph, after)


def test_the_fused_node_has_the_name_of_the_last(pool):
    net = Net()
    x = net("AddV2", product(net, "conv"), net.data(np.ones(6)), name="bias")
    after = fuse_bias_activation(net.done(y=net("Relu", x, name="act")))
    assert after.nodes["act"].op == "_FusedConv2D"
    assert after.nodes["act"].attrs["fused_ops"] == ["BiasAdd", "Relu"]
    assert "bias" not in after.nodes

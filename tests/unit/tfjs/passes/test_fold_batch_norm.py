import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.fold_batch_norm import fold_batch_norm


def scaled_and_shifted(net, x, *shape):
    return net("AddV2", net("Mul", x, net.normal(*shape)), net.normal(*shape))


def product(net, kind):
    x = net.input("x", 2, 4, 4, 3)
    match kind:
        case "conv":
            return net.conv(x, (3, 3, 3, 6))
        case "depthwise":
            return net.conv(x, (3, 3, 3, 2), "DepthwiseConv2dNative")
        case "transposed":
            size = net.param([2, 8, 8, 6])
            taps = net.normal(2, 2, 6, 3)
            return net("Conv2DBackpropInput", size, taps, x, strides=[1, 2, 2, 1], padding="SAME")
        case "matrix":
            return net("MatMul", net.input("m", "n", 3), net.normal(3, 6))
        case "matrix-by-rows":
            return net("MatMul", net.input("m", "n", 3), net.normal(6, 3), transpose_a=False, transpose_b=True)
        case "stack":
            return net("BatchMatMulV2", net.input("m", "n", 4, 3), net.normal(1, 6, 3), adj_x=False, adj_y=True)


OPS = {
    "conv": "Conv2D", "depthwise": "DepthwiseConv2dNative", "transposed": "Conv2DBackpropInput", "matrix": "MatMul",
    "matrix-by-rows": "MatMul", "stack": "BatchMatMulV2",
}  # fmt: skip


@pytest.mark.parametrize("kind", OPS)
def test_a_batch_norm_goes_into_the_product_before_it(pool, kind):
    net = Net()
    graph = net.done(y=scaled_and_shifted(net, product(net, kind), 6))
    after = fold_batch_norm(graph)
    assert ops(after) == {OPS[kind]: 1, "AddV2": 1}
    assert_same(pool, graph, after)


STEPS = {
    "bias-and-batch-norm": lambda net, x: scaled_and_shifted(net, net("AddV2", x, net.normal(6)), 1, 1, 1, 6),
    "mean-and-deviation": lambda net, x: net("RealDiv", net("Sub", x, net.normal(6)), net.data(np.arange(1.0, 7.0))),
    "from-constants": lambda net, x: net("Mul", net.data(2.0), net("Sub", net.normal(6), x)),
    "one-number": lambda net, x: scaled_and_shifted(net, x, 1),
    "bias-add": lambda net, x: net("Mul", net("BiasAdd", x, net.normal(6)), net.normal(1, 6)),
}


@pytest.mark.parametrize("make", STEPS.values(), ids=STEPS)
def test_a_chain_goes_into_one_filter_and_one_bias(pool, make):
    net = Net()
    graph = net.done(y=make(net, product(net, "conv")))
    after = fold_batch_norm(graph)
    assert ops(after) == {"AddV2": 1, "Conv2D": 1}
    assert_same(pool, graph, after)


def test_scales_alone_leave_no_bias(pool):
    net = Net()
    graph = net.done(y=net("Mul", product(net, "conv"), net.normal(6)))
    after = fold_batch_norm(graph)
    assert ops(after) == {"Conv2D": 1}
    assert_same(pool, graph, after)


def test_parts_of_a_grouped_convolution_share_what_follows_them(pool):
    net = Net()
    x = net.input("x", "n", 4, 4, 3)
    joined = net.concat(3, net.conv(x, (1, 1, 3, 2)), net("AddV2", net.conv(x, (3, 3, 3, 4)), net.normal(4)))
    graph = net.done(y=scaled_and_shifted(net, joined, 6))
    after = fold_batch_norm(graph)
    assert ops(after) == {"Conv2D": 2, "AddV2": 2, "ConcatV2": 1}
    assert_same(pool, graph, after)


def test_a_chain_behind_anything_else_is_one_scale_and_one_shift(pool):
    net = Net()
    x = net("Tanh", net.input("x", "n", 3, 6))
    graph = net.done(y=net("Exp", scaled_and_shifted(net, scaled_and_shifted(net, x, 6), 1)))
    after = fold_batch_norm(graph)
    assert ops(after) == {"AddV2": 1, "Exp": 1, "Mul": 1, "Tanh": 1}
    assert_same(pool, graph, after)


def unchanged(net, **outputs):
    graph = net.done(**outputs)
    after = fold_batch_norm(graph)
    assert after.nodes.keys() == graph.nodes.keys()
    assert after.nodes == {name: graph.nodes[name] for name in after.nodes}


def test_centring_before_scaling_stays_so():
    net = Net()
    centred = net("Sub", net.input("x", "n", 6), net.data(np.full(6, 1e6)))
    unchanged(net, y=net("Mul", centred, net.normal(6)))


def test_a_product_that_something_else_reads_is_left_alone():
    net = Net()
    x = product(net, "conv")
    unchanged(net, y=net("Mul", x, net.normal(6)), z=net("Relu", x))


def test_a_step_that_something_else_reads_ends_the_chain(pool):
    net = Net()
    scaled = net("Mul", product(net, "conv"), net.normal(6))
    graph = net.done(y=net("AddV2", scaled, net.normal(6)), z=net("Relu", scaled))
    after = fold_batch_norm(graph)
    assert ops(after) == {"AddV2": 1, "Conv2D": 1, "Relu": 1}
    assert_same(pool, graph, after)


def test_a_shared_filter_is_left_alone():
    net = Net()
    x, taps = net.input("x", "n", 4, 4, 3), net.normal(1, 1, 3, 6)
    unchanged(net, y=net("Mul", net.conv(x, taps), net.normal(6)), z=net("Mul", net.conv(x, taps), net.normal(6)))


def test_a_filter_that_only_the_running_graph_knows_is_left_alone():
    net = Net()
    x = net.conv(net.input("x", "n", 4, 4, 3), net.input("taps", 1, 1, 3, 6))
    unchanged(net, y=net("Mul", x, net.normal(6)))


@pytest.mark.parametrize("shape", [(4, 6), (4, 1), (1, 1, 1, 1, 6)])
def test_constants_that_are_not_one_number_a_channel_are_left_alone(shape):
    net = Net()
    unchanged(net, y=net("Mul", product(net, "conv"), net.normal(*shape)))


def test_a_scale_that_would_overflow_the_filter_is_left_alone():
    net = Net()
    x = net.conv(net.input("x", "n", 4, 4, 3), net.data(np.full((1, 1, 3, 2), 1e30)))
    unchanged(net, y=net("Mul", x, net.data([1e30, 1.0])))


def test_division_by_zero_is_left_to_the_running_graph():
    net = Net()
    unchanged(net, y=net("RealDiv", product(net, "conv"), net.data(np.zeros(6))))

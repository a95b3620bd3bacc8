import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes import optimise
from converter.tfjs.passes.fold_into_products import fold_into_products


def affine(net, x, *shape):
    depth = net.graph.type_of(x).shape[-1]
    return net("AddV2", net("Mul", x, net.normal(*shape, depth)), net.normal(depth))


def normalized(net, x):
    centred = net("Sub", x, net("Mean", x, net.param([2]), keep_dims=True))
    variance = net("Mean", net("Mul", centred, centred), net.param([2]), keep_dims=True)
    return net("Mul", centred, net("Rsqrt", net("AddV2", variance, net.data(1e-5))))


def dense(net, x, n_out=3):
    return net("BatchMatMulV2", x, net.normal(net.graph.type_of(x).shape[-1], n_out), adj_x=False, adj_y=False)


@pytest.mark.parametrize("shape", [(), (1, 1)])
def test_the_affine_part_of_a_norm_goes_into_what_reads_it(pool, shape):
    net = Net()
    y = affine(net, normalized(net, net.input("x", 1, 4, 5)), *shape)
    graph = net.done(q=dense(net, y), k=dense(net, y), v=net("AddV2", dense(net, y), net.normal(3)))
    after = fold_into_products(graph)
    assert (ops(graph)["Mul"], ops(graph)["AddV2"]) == (3, 3)
    assert (ops(after)["Mul"], ops(after)["AddV2"]) == (2, 5)
    assert_same(pool, graph, after)
    assert ops(optimise(graph))["_FusedMatMul"] == 3
    assert_same(pool, graph, optimise(graph))


def test_a_reshape_may_lie_between(pool):
    net = Net()
    y = affine(net, normalized(net, net.input("x", 2, 4, 5)))
    graph = net.done(y=net("MatMul", net.reshape(y, 8, 5), net.normal(5, 3)))
    after = fold_into_products(graph)
    assert (ops(after)["Mul"], ops(after)["AddV2"]) == (2, 2)
    assert_same(pool, graph, after)


CONVOLUTIONS = {
    "same": {"filters": (3, 3, 2, 4)},
    "depthwise": {"filters": (3, 3, 2, 2), "op": "DepthwiseConv2dNative"},
    "valid": {"filters": (2, 3, 2, 4), "padding": "VALID"},
}


@pytest.mark.parametrize("settings", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_scale_goes_into_filters(pool, settings):
    net = Net()
    graph = net.done(y=net.conv(net("Mul", net("Tanh", net.input("x", "n", 5, 6, 2)), net.normal(2)), **settings))
    after = fold_into_products(graph)
    assert "Mul" not in ops(after)
    assert_same(pool, graph, after)


def test_a_shift_goes_into_a_convolution_that_pads_nothing(pool):
    net = Net()
    y = affine(net, net("Tanh", net.input("x", "n", 5, 6, 2)))
    graph = net.done(y=net.conv(y, (2, 3, 2, 4), padding="VALID"))
    after = fold_into_products(graph)
    assert ops(after) == {"AddV2": 1, "Conv2D": 1, "Tanh": 1}
    assert_same(pool, graph, after)


def squeezed(net, x, gate=None):
    """What a squeeze-and-excitation block makes of an image (batch, 4, 6, 2)."""
    mean = net("AvgPool", x, ksize=[1, 4, 6, 1], strides=[1, 4, 6, 1], padding="VALID", data_format="NHWC")
    gates = net("Sigmoid", net.conv(mean, (1, 1, 2, 2)))
    return net("Mul", x, gates if gate is None else gate(net, gates))


def sixth(net, x):
    return net("RealDiv", x, net.data(6.0))


@pytest.mark.parametrize("gate", [None, sixth], ids=["gates", "scaled-gates"])
def test_a_scale_goes_through_pools_and_gates(pool, gate):
    net = Net()
    x = sixth(net, net("Tanh", net.input("x", "n", 4, 6, 2)))
    graph = net.done(y=net.conv(squeezed(net, x, gate), (3, 3, 2, 4)))
    after = fold_into_products(graph)
    assert ops(graph)["RealDiv"] == (1 if gate is None else 2)
    assert ops(after) == {"AvgPool": 1, "Conv2D": 2, "Mul": 1, "Sigmoid": 1, "Tanh": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("pool_op", ["AvgPool", "MaxPool"])
def test_a_scale_of_each_channel_goes_through_a_pool(pool, pool_op):
    net = Net()
    y = net("Mul", net("Tanh", net.input("x", 1, 4, 6, 2)), net.data([0.5, 3.0]))
    y = net(pool_op, y, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID", data_format="NHWC")
    graph = net.done(y=net.conv(y, (1, 1, 2, 3)))
    after = fold_into_products(graph)
    assert ops(after) == {pool_op: 1, "Conv2D": 1, "Tanh": 1}
    assert_same(pool, graph, after)


def test_a_scale_that_something_behind_a_gate_reads_stays(pool):
    net = Net()
    x = sixth(net, net("Tanh", net.input("x", 1, 4, 6, 2)))
    gated = squeezed(net, x)
    graph = net.done(y=net.conv(gated, (3, 3, 2, 4)), z=net("AddV2", gated, net.input("z", 1, 4, 6, 2)))
    assert fold_into_products(graph).nodes.keys() == graph.nodes.keys()


def test_a_scale_behind_a_gate_does_not_wait_for_one_before_it(pool):
    net = Net()
    x = sixth(net, net("Tanh", net.input("x", 1, 4, 6, 2)))
    gated = sixth(net, net("Mul", x, net("Relu6", x)))
    graph = net.done(y=net.conv(gated, (3, 3, 2, 4)))
    after = fold_into_products(graph)
    assert ops(after) == {"Conv2D": 1, "Mul": 1, "RealDiv": 1, "Relu6": 1, "Tanh": 1}
    assert_same(pool, graph, after)


def test_gates_behind_gates_are_many_without_end():
    net = Net()
    x = sixth(net, net("Tanh", net.input("x", 1, 4, 6, 2)))
    for _ in range(3000):
        x = net("Mul", x, net("Abs", x))
    graph = net.done(y=net.conv(x, (3, 3, 2, 4)))
    assert ops(fold_into_products(graph))["RealDiv"] == 1


def negative_scale_before_a_maximum(net):
    y = net("Mul", net("Tanh", net.input("x", 1, 4, 6, 2)), net.data([0.5, -3.0]))
    y = net("MaxPool", y, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID", data_format="NHWC")
    return net.conv(y, (1, 1, 2, 3))


def shift_before_a_pool(net):
    y = affine(net, net("Tanh", net.input("x", 1, 4, 6, 2)))
    y = net("AvgPool", y, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID", data_format="NHWC")
    return net.conv(y, (1, 1, 2, 3))


def squared(net):
    y = net("Mul", net("Tanh", net.input("x", 1, 4, 6, 2)), net.data([0.5, 3.0]))
    return net.conv(net("Mul", y, y), (1, 1, 2, 3))


def divided_by_nothing(net):
    return dense(net, net("RealDiv", net.input("x", 2, 2), net.data(0.0)))


def divided_by_deviations(net):
    return dense(net, net("RealDiv", net.input("x", 2, 2), net.data([1.0, 300.0])))


def divisor(net):
    return dense(net, net("RealDiv", net.data([1.0, 2.0]), net("Exp", net.input("x", 2, 2))))


def read_by_a_sum(net):
    y = affine(net, net("Tanh", net.input("x", 1, 4, 5)))
    return net("AddV2", dense(net, y, 5), y)


def read_after_a_reshape(net):
    y = affine(net, net("Tanh", net.input("x", 2, 4, 5)))
    flat = net.reshape(y, 8, 5)
    return net("AddV2", net("MatMul", flat, net.normal(5, 5)), flat)


def shift_before_padding(net):
    return net.conv(affine(net, net("Tanh", net.input("x", 1, 5, 6, 2))), (3, 3, 2, 4))


def shift_before_depthwise(net):
    y = affine(net, net("Tanh", net.input("x", 1, 5, 6, 2)))
    return net.conv(y, (3, 3, 2, 1), op="DepthwiseConv2dNative", padding="VALID")


def along_another_axis(net):
    return dense(net, net("Mul", net("Tanh", net.input("x", 1, 4, 5)), net.normal(4, 1)))


def weights_read_twice(net):
    weights = net.normal(5, 5)
    y = net("MatMul", net("Mul", net.input("x", 2, 5), net.normal(5)), weights)
    return net("MatMul", y, weights)


def weights_on_the_left(net):
    return net("MatMul", net.normal(4, 2), net("Mul", net.input("x", 2, 5), net.normal(5)))


def turned_weights(net):
    return net("MatMul", net("Mul", net.input("x", 2, 5), net.normal(5)), net.normal(3, 5), transpose_b=True)


def a_product_before(net):
    return net(
        "MatMul", net("Mul", net("MatMul", net.input("x", 2, 5), net.normal(5, 4)), net.normal(4)), net.normal(4, 3)
    )


def a_scaled_product_before(net):
    y = affine(net, net.conv(net.input("x", 1, 5, 6, 2), (3, 3, 2, 4)))
    return net.conv(y, (1, 1, 4, 3), padding="VALID")


def reshaped_channels(net):
    return net("MatMul", net.reshape(net("Mul", net.input("x", 2, 6), net.normal(6)), 4, 3), net.normal(3, 2))


def overflowing(net):
    y = net("Mul", net.input("x", 2, 2), net.data(np.array([1e30, 1.0])))
    return net("MatMul", y, net.data(np.array([[1e30, 1.0], [1.0, 1.0]])))


STAYING = [
    read_by_a_sum, read_after_a_reshape, shift_before_padding, shift_before_depthwise, along_another_axis,
    weights_read_twice, weights_on_the_left, turned_weights, a_product_before, a_scaled_product_before,
    reshaped_channels, overflowing, negative_scale_before_a_maximum, shift_before_a_pool, squared, divided_by_nothing,
    divided_by_deviations, divisor,
]  # fmt: skip


@pytest.mark.parametrize("make", STAYING)
def test_what_products_can_not_take_in_stays(make):
    net = Net()
    graph = net.done(y=make(net))
    after = fold_into_products(graph)
    assert sorted(after.nodes) == sorted(graph.nodes)


def test_a_scaled_value_that_is_an_output_stays():
    net = Net()
    y = net("Mul", net.input("x", 2, 5), net.normal(5))
    graph = net.done(y=net("MatMul", y, net.normal(5, 3)), scaled=y)
    assert sorted(fold_into_products(graph).nodes) == sorted(graph.nodes)

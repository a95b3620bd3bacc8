import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes import optimise
from converter.tfjs.passes.fuse_bias_activation import fuse_bias_activation
from converter.tfjs.passes.scale_by_convolution import scale_by_convolution

IMAGE = ("n", "h", 5, 6)


def scaled(net, *, shape=IMAGE, factors=(6,), shift=(6,), swapped=False):
    x = net.input("x", *shape)
    operands = (net.normal(*factors), x) if swapped else (x, net.normal(*factors))
    return net("AddV2", net("Mul", *operands), net.normal(*shift))


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("factors", [(6,), (1, 1, 6), (1, 1, 1, 6)])
def test_a_normalisation_and_its_activation_are_one_kernel(pool, factors, swapped):
    net = Net()
    graph = net.done(y=net.relu(scaled(net, factors=factors, shift=(1, 1, 1, 6), swapped=swapped)))
    after = scale_by_convolution(graph)
    assert ops(after) == {"AddV2": 1, "DepthwiseConv2dNative": 1, "Relu": 1}
    assert_same(pool, graph, after)
    fused = fuse_bias_activation(after)
    assert ops(fused) == {"FusedDepthwiseConv2dNative": 1}
    assert_same(pool, graph, fused)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"shape": ("n", 5, 6)}, id="rows"),
        pytest.param({"factors": ()}, id="one-factor"),
        pytest.param({"factors": (5, 1)}, id="another-axis"),
        pytest.param({"factors": (5, 6)}, id="more-than-channels"),
        pytest.param({"shift": ()}, id="one-shift"),
        pytest.param({"shape": ("n", 4, 5, 1)}, id="a-product-that-broadcasts"),
        pytest.param({"shape": ("n", 4, 5, None)}, id="unknown-channels"),
    ],
)
def test_what_is_not_by_channel_stays(changes):
    net = Net()
    graph = net.done(y=scaled(net, **changes))
    assert ops(scale_by_convolution(graph)) == {"AddV2": 1, "Mul": 1}


def test_a_product_that_something_else_reads_stays():
    net = Net()
    product = net("Mul", net.input("x", *IMAGE), net.normal(6))
    graph = net.done(y=net("AddV2", product, net.normal(6)), z=net("Abs", product))
    assert ops(scale_by_convolution(graph)) == {"Abs": 1, "AddV2": 1, "Mul": 1}


def test_a_product_without_a_shift_stays():
    net = Net()
    graph = net.done(y=net("AddV2", net("Mul", net.input("x", *IMAGE), net.normal(6)), net.input("z", *IMAGE)))
    assert ops(scale_by_convolution(graph)) == {"AddV2": 1, "Mul": 1}


def hard_swish(net, *, shape=IMAGE, term=3.0, limit="Relu6", value="Abs"):
    x = net(value, net.input("x", *shape))
    return net("Mul", x, net(limit, net("AddV2", net.data(term), x)))


@pytest.mark.parametrize("limit", ["Relu", "Relu6"])
def test_a_number_that_is_added_before_a_limit_is_a_shift(pool, limit):
    net = Net()
    graph = net.done(y=hard_swish(net, limit=limit))
    after = scale_by_convolution(graph)
    assert ops(after) == {"Abs": 1, "AddV2": 1, "DepthwiseConv2dNative": 1, "Mul": 1, limit: 1}
    fused = fuse_bias_activation(after)
    assert ops(fused) == {"Abs": 1, "FusedDepthwiseConv2dNative": 1, "Mul": 1}
    assert_same(pool, graph, fused)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"shape": ("n", 5, 6)}, id="rows"),
        pytest.param({"shape": ("n", 4, 5, None)}, id="unknown-channels"),
        pytest.param({"term": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}, id="a-number-a-channel"),
        pytest.param({"limit": "Tanh"}, id="not-limited"),
    ],
)
def test_what_is_no_shift_by_one_number_stays(changes):
    net = Net()
    graph = net.done(y=hard_swish(net, **changes))
    assert scale_by_convolution(graph).nodes == graph.nodes


def test_a_bias_is_left_to_its_product():
    net = Net()
    x = net.conv(net.input("x", *IMAGE), (1, 1, 6, 6))
    graph = net.done(y=net("Relu6", net("AddV2", x, net.data(3.0))))
    assert scale_by_convolution(graph).nodes == graph.nodes


def test_normalisation_before_the_convolution_takes_no_kernel_more(pool):
    net = Net()
    x = net.input("x", "n", 4, 6, 6)
    dense = net.concat(1, x, net.relu(net.conv_nchw(x, 4)))
    graph = net.done(
        y=net(
            "Mean", net.conv_nchw(net.relu(net.batch_norm_nchw(dense)), 3), net.param(np.array([2, 3])), keep_dims=False
        )
    )
    after = optimise(graph)
    assert ops(after)["FusedDepthwiseConv2dNative"] == 1
    assert not ops(after).keys() & {"Mul", "AddV2", "Relu"}
    assert_same(pool, graph, after)

import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes import optimise
from converter.tfjs.passes.recover_hard_swish import recover_hard_swish


def gate(net, x, term=3.0):
    return net("Relu6", net("AddV2", x, net.data(term)))


def by_relu6(net, x, factor=1 / 6, term=3.0):
    return net("Mul", x, net("Mul", gate(net, x, term), net.data(factor)))


def by_clip(net, x, high=1.0, slope=1 / 6):
    line = net("AddV2", net("Mul", x, net.data(slope)), net.data(0.5))
    return net("Mul", x, net("ClipByValue", line, net.data(0.0), net.data(high)))


@pytest.mark.parametrize("hard_swish", [by_relu6, by_clip])
def test_the_factor_is_last(pool, hard_swish):
    net = Net()
    graph = net.done(y=hard_swish(net, net.input("x", "n", 5)))
    after = recover_hard_swish(graph)
    assert ops(after) == {"AddV2": 1, "Mul": 2, "Relu6": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("hard_swish", [by_relu6, by_clip])
def test_between_two_convolutions_two_kernels_are_left(pool, hard_swish):
    net = Net()
    x = net.batch_norm_nchw(net.conv_nchw(net.input("x", 1, 3, 6, 6), 4))
    graph = net.done(y=net.conv_nchw(hard_swish(net, x), 2))
    after = optimise(graph)
    assert ops(after) == {
        "Conv2D": 1,
        "FusedDepthwiseConv2dNative": 1,
        "Mul": 1,
        "Transpose": 2,
        "_FusedConv2D": 1,
    }
    assert_same(pool, graph, after)


NEAR = {
    "factor": lambda net, x: by_relu6(net, x, factor=0.2),
    "term": lambda net, x: by_relu6(net, x, term=2.0),
    "limit": lambda net, x: by_clip(net, x, high=2.0),
    "slope": lambda net, x: by_clip(net, x, slope=0.2),
    "other-x": lambda net, x: net("Mul", net.input("z", 2, 5), net("Mul", gate(net, x), net.data(1 / 6))),
}


@pytest.mark.parametrize("make", NEAR.values(), ids=NEAR)
def test_what_is_not_hard_swish_stays(make):
    net = Net()
    graph = net.done(y=make(net, net.input("x", 2, 5)))
    assert recover_hard_swish(graph).nodes == graph.nodes


def test_a_gate_that_is_read_elsewhere_stays():
    net = Net()
    x = net.input("x", 2, 5)
    sixth = net("Mul", gate(net, x), net.data(1 / 6))
    graph = net.done(y=net("Mul", x, sixth), gate=sixth)
    assert recover_hard_swish(graph).nodes == graph.nodes

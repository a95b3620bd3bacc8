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


def gated(net, *, shape=(1, 1, 1, 4), low=0.0, value="Abs", image=(1, 4, 6, 4)):
    line = net("AddV2", net(value, net.input("x", *shape)), net.data(0.5))
    return net("Mul", net("ClipByValue", line, net.data(low), net.data(1.0)), net.input("z", *image))


def test_a_gate_has_its_factor_last(pool):
    net = Net()
    graph = net.done(y=gated(net))
    after = recover_hard_swish(graph)
    assert ops(after) == {"Abs": 1, "AddV2": 1, "Mul": 3, "Relu6": 1}
    assert_same(pool, graph, after)


def test_a_squeeze_and_excitation_block_is_four_kernels(pool):
    net = Net()
    x = net.relu(net.conv(net.input("x", 1, 4, 6, 3), (3, 3, 3, 4)))
    mean = net("AvgPool", x, ksize=[1, 4, 6, 1], strides=[1, 4, 6, 1], padding="VALID", data_format="NHWC")
    excited = net.conv(net.relu(net.conv(mean, (1, 1, 4, 2))), (1, 1, 2, 4))
    line = net("AddV2", net("Mul", excited, net.data(0.2)), net.data(0.5))
    gates = net("ClipByValue", line, net.data(0.0), net.data(1.0))
    graph = net.done(y=net.conv(net("Mul", x, gates), (1, 1, 4, 5)))
    after = optimise(graph)
    assert ops(after) == {"AvgPool": 1, "Conv2D": 1, "Mul": 1, "_FusedConv2D": 3}
    assert_same(pool, graph, after)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"shape": (1, 4), "image": (1, 4)}, id="rows"),
        pytest.param({"low": 0.1}, id="not-from-zero"),
    ],
)
def test_what_is_no_gate_of_an_image_stays(changes):
    net = Net()
    graph = net.done(y=gated(net, **changes))
    assert recover_hard_swish(graph).nodes == graph.nodes


def test_gates_that_are_an_output_stay():
    net = Net()
    line = net("AddV2", net.input("x", 1, 1, 1, 4), net.data(0.5))
    gates = net("ClipByValue", line, net.data(0.0), net.data(1.0))
    graph = net.done(y=net("Mul", gates, net.input("z", 1, 4, 6, 4)), gates=gates)
    assert recover_hard_swish(graph).nodes == graph.nodes


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

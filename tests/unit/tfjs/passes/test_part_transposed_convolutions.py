import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes import optimise
from converter.tfjs.passes.part_transposed_convolutions import part_transposed_convolutions


def transposed(net, *, size=(4, 5), kernel=(2, 2), strides=(2, 2), pads=(0, 0, 0, 0), more=(0, 0), n_in=3, n_out=2):
    """A transposed convolution whose outputs end `more` places behind the last that the operand reaches."""
    x = net.input("x", 2, *size, n_in)
    made = [
        (size[axis] - 1) * strides[axis] + kernel[axis] - pads[2 * axis] - pads[2 * axis + 1] + more[axis]
        for axis in (0, 1)
    ]
    shape = net.param([2, *made, n_out])
    padding = {"padding": "EXPLICIT", "explicit_paddings": [0, 0, *pads, 0, 0]} if any(pads) else {"padding": "VALID"}
    attrs = {"strides": [1, *strides, 1], "data_format": "NHWC", **padding}
    return net("Conv2DBackpropInput", shape, net.normal(*kernel, n_out, n_in), x, **attrs)


@pytest.mark.parametrize(
    ("settings", "n_rows"),
    [
        pytest.param({}, 2, id="doubled"),
        pytest.param({"kernel": (4, 4), "pads": (1, 1, 1, 1)}, 2, id="overlapping"),
        pytest.param({"kernel": (3, 3), "pads": (1, 1, 1, 1), "more": (1, 1)}, 2, id="longer"),
        pytest.param({"kernel": (5, 3), "strides": (3, 3), "pads": (1, 1, 0, 0)}, 3, id="tripled"),
        pytest.param({"kernel": (3, 2), "strides": (3, 2)}, 3, id="unequal"),
        pytest.param({"size": (1, 6), "kernel": (1, 4), "strides": (1, 2), "pads": (0, 0, 1, 1)}, 1, id="signal"),
        pytest.param({"kernel": (4, 4), "pads": (2, 0, 0, 2)}, 2, id="padded-on-one-side"),
    ],
)
def test_outputs_a_stride_apart_are_channels(pool, settings, n_rows):
    net = Net()
    graph = net.done(y=transposed(net, **settings))
    after = part_transposed_convolutions(graph)
    assert ops(after) == {"Conv2D": n_rows, "Reshape": 1} | ({"ConcatV2": 1} if n_rows > 1 else {})
    assert_same(pool, graph, after)


@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "LeakyRelu"])
def test_bias_and_activation_go_along(pool, activation):
    net = Net()
    attrs = {"alpha": 0.3} if activation == "LeakyRelu" else {}
    graph = net.done(y=net(activation, net("AddV2", transposed(net), net.normal(1, 1, 1, 2)), **attrs))
    after = optimise(graph)
    assert ops(after) == {"ConcatV2": 1, "Reshape": 1, "_FusedConv2D": 2}
    assert_same(pool, graph, after)


def test_what_something_else_reads_too_is_left_behind_it(pool):
    net = Net()
    y = net("AddV2", transposed(net), net.normal(2))
    graph = net.done(y=net.relu(y), z=net("Abs", y))
    after = part_transposed_convolutions(graph)
    assert ops(after) == {"Abs": 1, "AddV2": 2, "ConcatV2": 1, "Conv2D": 2, "Relu": 1, "Reshape": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"kernel": (3, 3)}, id="no-whole-number-of-strides"),
        pytest.param({"strides": (1, 1), "kernel": (3, 3)}, id="no-stride"),
        pytest.param({"kernel": (1, 1), "more": (1, 1)}, id="mostly-zeros"),
        pytest.param({"pads": (0, 2, 0, 2)}, id="cut-off"),
    ],
)
def test_others_stay(settings):
    net = Net()
    assert ops(part_transposed_convolutions(net.done(y=transposed(net, **settings))))["Conv2DBackpropInput"] == 1


def test_images_of_unknown_size_stay():
    net = Net()
    x, filters = net.input("x", 2, "h", 5, 3), net.normal(2, 2, 2, 3)
    attrs = {"strides": [1, 2, 2, 1], "padding": "VALID", "data_format": "NHWC"}
    shape = net(
        "Mul",
        net("Slice", net("Shape", x), net.param([0]), net.param([4])),
        net.data(np.array([1, 2, 2, 1], dtype=np.int32)),
    )
    graph = net.done(y=net("Conv2DBackpropInput", shape, filters, x, **attrs))
    assert ops(part_transposed_convolutions(graph))["Conv2DBackpropInput"] == 1

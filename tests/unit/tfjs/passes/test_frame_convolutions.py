import sys

import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes import optimise
from converter.tfjs.passes.frame_convolutions import frame_convolutions

MODULE = sys.modules[frame_convolutions.__module__]


@pytest.fixture
def _small_ones_too(monkeypatch):
    monkeypatch.setattr(MODULE, "LEAST_WORK", 0)


def convolved(net, *, image=(1, 300, 1), kernel=(1, 64), strides=(1, 2), n_out=1, pads=(0, 0, 0, 0), batch=2, **attrs):
    x = net.input("x", batch, *image)
    padding = {"padding": "EXPLICIT", "explicit_paddings": [0, 0, *pads, 0, 0]} if any(pads) else {"padding": "VALID"}
    return net.conv(x, (*kernel, image[2], n_out), strides=[1, *strides, 1], data_format="NHWC", **padding | attrs)


@pytest.mark.parametrize(
    ("settings", "more"),
    [
        pytest.param({}, {"PadV2": 1, "Slice": 1}, id="signal"),
        pytest.param({"image": (1, 304, 1), "kernel": (1, 50)}, {}, id="whole-frames"),
        pytest.param({"image": (1, 310, 1), "kernel": (1, 64), "strides": (1, 5)}, {"PadV2": 1, "Slice": 1}, id="rest"),
        pytest.param(
            {"image": (300, 1, 1), "kernel": (64, 1), "strides": (2, 1)}, {"PadV2": 1, "Slice": 1}, id="column"
        ),
        pytest.param({"pads": (0, 0, 31, 7)}, {"PadV2": 1, "Slice": 1}, id="padded-signal"),
        pytest.param(
            {"image": (7, 32, 3), "kernel": (5, 5), "strides": (1, 1), "pads": (2, 2, 2, 2)}, {}, id="padded-image"
        ),
        pytest.param(
            {"image": (9, 33, 2), "kernel": (3, 7), "strides": (2, 1), "pads": (1, 0, 3, 3), "n_out": 2},
            {"PadV2": 1, "Slice": 1},
            id="strided-image",
        ),
        pytest.param({"batch": "n"}, {"PadV2": 1, "Slice": 1}, id="batch-without-a-size"),
    ],
)
@pytest.mark.usefixtures("_small_ones_too")
def test_few_channels_are_made_a_frame_at_a_time(pool, settings, more):
    net = Net()
    graph = net.done(y=convolved(net, **settings))
    after = frame_convolutions(graph)
    counts = ops(after)
    counts.pop("Reshape")
    assert counts == {"Conv2D": 1} | more
    assert_same(pool, graph, after)


@pytest.mark.usefixtures("_small_ones_too")
@pytest.mark.parametrize("activation", ["Relu", "Sigmoid", "LeakyRelu"])
def test_bias_and_activation_stay_in_the_kernel(pool, activation):
    net = Net()
    attrs = {"alpha": 0.3} if activation == "LeakyRelu" else {}
    graph = net.done(y=net(activation, net("AddV2", convolved(net, n_out=2), net.normal(2)), **attrs))
    after = optimise(graph)
    assert {op: count for op, count in ops(after).items() if op not in ("Reshape", "Slice", "PadV2")} == {
        "_FusedConv2D": 1
    }
    assert graph.count_ops()["Conv2D"] == 1
    filters = next(after.constants[node.inputs[1].node] for node in after.nodes.values() if node.op == "_FusedConv2D")
    assert filters.shape[3] > 2
    assert_same(pool, graph, after)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"n_out": 8}, id="channels-enough"),
        pytest.param({"kernel": (1, 3)}, id="short-filter"),
        pytest.param({"image": (1, 40, 5000), "kernel": (1, 9), "strides": (1, 1)}, id="large-filter"),
        pytest.param({"dilations": [1, 1, 2, 1], "strides": (1, 1)}, id="dilated"),
        pytest.param({"padding": "SAME"}, id="padded-at-run-time"),
        pytest.param({"image": (1, 65, 1)}, id="one-output"),
        pytest.param({"image": ("h", 300, 1)}, id="images-without-a-size"),
    ],
)
@pytest.mark.usefixtures("_small_ones_too")
def test_others_stay(settings):
    net = Net()
    graph = net.done(y=convolved(net, **settings))
    assert ops(frame_convolutions(graph)) == {"Conv2D": 1}


@pytest.mark.usefixtures("_small_ones_too")
def test_a_filter_that_is_computed_stays():
    net = Net()
    x, filters = net.input("x", 1, 1, 300, 1), net.input("w", 1, 64, 1, 1)
    graph = net.done(y=net.conv(x, filters, strides=[1, 1, 2, 1], padding="VALID", data_format="NHWC"))
    assert ops(frame_convolutions(graph)) == {"Conv2D": 1}


@pytest.mark.parametrize(("places", "is_framed"), [(4000, False), (4400, True)])
def test_small_ones_stay(places, is_framed):
    net = Net()
    graph = net.done(y=convolved(net, image=(1, places, 1)))  # 64 multiplications for every second place
    after = frame_convolutions(graph)
    assert (after.nodes != graph.nodes) == is_framed

import numpy as np
import pytest
from pass_graphs import Net, ops

from converter.tfjs.graph import DataType
from converter.tfjs.passes import optimise
from converter.tfjs.passes.copy_overwritten import copy_overwritten
from converter.tfjs.verify import verify

ROWS, VALUES = np.int32([[1], [3]]), np.float32([[100], [200]])


def scatter(net: Net, x):
    return net("TensorScatterUpdate", x, net.data(ROWS), net.data(VALUES))


def copies(build) -> int:
    net = Net()
    outputs = build(net, net.input("x", 4, 1))
    graph = net.done(**(outputs if isinstance(outputs, dict) else {"y": outputs}))
    after = copy_overwritten(graph)
    verify(after)
    assert ops(copy_overwritten(after)) == ops(after)
    return ops(after).get("AddN", 0)


@pytest.mark.parametrize(
    "build",
    [
        scatter,
        lambda net, x: scatter(net, net.data(np.ones((4, 1), np.float32))),
        lambda net, x: scatter(net, net.reshape(net.reshape(x, 4), 4, 1)),
        lambda net, x: scatter(net, net("Slice", net.relu(x), net.param([0, 0]), net.param([4, 1]))),
        lambda net, x: scatter(net, net("Cast", net("Greater", x, net.data(0.5)), DstT=DataType("DT_FLOAT"))),
        lambda net, x: {"y": scatter(net, h := net.relu(x)), "h": h},
        lambda net, x: {"y": scatter(net, net.reshape(h := net.relu(x), 4, 1)), "h": net.reshape(h, 2, 2)},
    ],
    ids=["input", "constant", "reshaped", "slice", "cast", "output", "shared-buffer"],
)
def test_a_buffer_that_others_hold_is_copied(build):
    assert copies(build) == 1


@pytest.mark.parametrize(
    "build",
    [
        lambda net, x: scatter(net, net.relu(x)),
        lambda net, x: scatter(net, net.reshape(net.reshape(net.relu(x), 2, 2), 4, 1)),
        lambda net, x: scatter(
            net, scatter(net, net("Fill", net.param([4, 1]), net.data(0.0), T=DataType("DT_FLOAT")))
        ),
        lambda net, x: {"y": scatter(net, h := net.relu(x)), "s": net("Shape", h)},
    ],
    ids=["result", "reshaped-result", "scatter-after-scatter", "shape"],
)
def test_a_buffer_of_its_own_is_not(build):
    assert copies(build) == 0


def test_the_copy_survives_every_pass():
    net = Net()
    assert ops(optimise(net.done(y=scatter(net, net.input("x", 4, 1)))))["AddN"] == 1

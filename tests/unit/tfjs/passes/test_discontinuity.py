"""No pass rounds differently what a discontinuous operation reads: integer sums and their ties stay exact."""

import numpy as np
import pytest
from pass_graphs import BACKENDS, Net, ops, run

from converter.tfjs.graph import DataType
from converter.tfjs.passes import optimise
from converter.tfjs.verify import verify

N_ROWS, N_CHANNELS = 4000, 16
TENTH = np.float32(0.1)


def integers(*shape: int, seed: int = 0, limit: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(-limit, limit + 1, shape).astype(np.float32)


def cast(net, x, dtype):
    return net("Cast", x, SrcT=DataType("DT_FLOAT"), DstT=DataType(dtype))


def scaled(net, x):
    """A tenth of integer sums: many are integers again."""
    return net("Mul", net.conv(x, net.data(integers(1, 1, N_CHANNELS, 2))), net.data(TENTH))


def tied(net, x):
    """Two channels, of which one is a third of the other and is scaled by three times as much, side by side."""
    taps = integers(1, 1, N_CHANNELS, 1)
    filters = net.data(np.concatenate([taps, 3 * taps], 3))
    return net.reshape(net("Mul", net.conv(x, filters), net.data([0.3, 0.1])), -1, 2)


DISCONTINUOUS = {
    "Round": lambda net, x: net("Round", net("Mul", scaled(net, x), net.data(0.5))),
    "Floor": lambda net, x: net("Floor", scaled(net, x)),
    "Ceil": lambda net, x: net("Ceil", scaled(net, x)),
    "Cast": lambda net, x: cast(net, scaled(net, x), "DT_INT32"),
    "Sign": lambda net, x: net("Sign", net("Sub", scaled(net, x), net.data(3.0))),
    "FloorMod": lambda net, x: net("FloorMod", scaled(net, x), net.data(2.0)),
    "Greater": lambda net, x: net("Greater", scaled(net, x), net.data(3.0)),
    "GreaterEqual": lambda net, x: net("GreaterEqual", scaled(net, x), net.data(3.0)),
    "Less": lambda net, x: net("Less", net.data(3.0), scaled(net, x)),
    "LessEqual": lambda net, x: net("LessEqual", net.data(3.0), scaled(net, x)),
    "Equal": lambda net, x: net("Equal", scaled(net, x), net.data(3.0)),
    "NotEqual": lambda net, x: net("NotEqual", net("Neg", scaled(net, x)), net.data(-3.0)),
    "ArgMax": lambda net, x: net("ArgMax", tied(net, x), net.param(1)),
    "ArgMin": lambda net, x: net("ArgMin", tied(net, x), net.param(1)),
    "TopKV2": lambda net, x: net.all("TopKV2", tied(net, x), net.param(2), sorted=True)[1],
}


def the_same(pool, net: Net, y, x: np.ndarray):
    """The graph after all passes, which gives exactly what it gave before."""
    graph = net.done(y=y)
    after = optimise(graph)
    verify(after)
    for backend in BACKENDS:
        wanted, got = run(pool, backend, graph, {"x": x}), run(pool, backend, after, {"x": x})
        np.testing.assert_array_equal(got["y"], wanted["y"], strict=True, err_msg=backend)
    return ops(after)


@pytest.mark.parametrize("make", DISCONTINUOUS.values(), ids=DISCONTINUOUS)
def test_a_scale_stays_behind_an_integer_product(pool, make):
    net = Net()
    x = net.input("x", "n", 1, 1, N_CHANNELS)
    the_same(pool, net, make(net, x), integers(N_ROWS, 1, 1, N_CHANNELS, seed=1))


MOVED = {
    "reshape": lambda net, x: net.reshape(x, -1, 2, 1),
    "concat": lambda net, x: net.concat(3, x, net("Relu", x)),
    "slice": lambda net, x: net("Slice", x, net.param([0, 0, 0, 1]), net.param([-1, 1, 1, 1])),
    "select": lambda net, x: net("SelectV2", net("Less", x, net("Neg", x)), x, net("Square", x)),
    "max-pool": lambda net, x: net("MaxPool", x, ksize=[1, 1, 1, 1], strides=[1, 1, 1, 1], padding="VALID"),
    "shifted": lambda net, x: net("AddV2", net("Mul", x, net.data([0.3, 0.7])), net.data([0.5, 0.1])),
    "maximum": lambda net, x: net("Max", x, net.param([3]), keep_dims=True),
}


@pytest.mark.parametrize("make", MOVED.values(), ids=MOVED)
def test_a_scale_stays_behind_whatever_passes_values_on(pool, make):
    net = Net()
    x = net.input("x", "n", 1, 1, N_CHANNELS)
    the_same(pool, net, net("Floor", make(net, scaled(net, x))), integers(N_ROWS, 1, 1, N_CHANNELS, seed=2))


def test_a_scale_stays_before_a_product(pool):
    net = Net()
    x = net.input("x", "n", 1, 1, N_CHANNELS)
    taps = net.data(integers(1, 1, N_CHANNELS, 1))
    y = net.conv(net("Mul", x, net.data(TENTH)), taps, "DepthwiseConv2dNative")
    the_same(pool, net, net("Floor", y), integers(N_ROWS, 1, 1, N_CHANNELS, seed=3, limit=200))


def test_a_scale_stays_behind_a_product_of_two_values(pool):
    net = Net()
    x = net.input("x", "n", 4, N_CHANNELS)
    queries, keys = (net("BatchMatMulV2", x, net.data(integers(1, N_CHANNELS, 3, seed=seed))) for seed in (1, 2))
    scores = net("BatchMatMulV2", queries, net.transpose(keys, (0, 2, 1)))
    y = net("Floor", net("Mul", scores, net.data(TENTH)))
    the_same(pool, net, y, integers(N_ROWS // 4, 4, N_CHANNELS, seed=4, limit=3))


def last_bits(net, y):
    return net("Floor", net("Mul", y, net.data(2.0**24)))


def test_a_fraction_is_added_behind_an_integer_sum(pool):
    net = Net()
    x = net.input("x", "n", N_CHANNELS)
    y = net("AddV2", net("MatMul", x, net.data(integers(N_CHANNELS, 2))), net.data([0.3, 0.7]))
    the_same(pool, net, last_bits(net, y), integers(N_ROWS, N_CHANNELS, seed=5))


def test_a_gate_before_a_rounding_is_left_alone(pool):
    net = Net()
    x = net.input("x", "n", N_CHANNELS)
    gate = net("Mul", net("Relu6", net("AddV2", x, net.data(3.0))), net.data(np.float32(1 / 6)))
    the_same(pool, net, last_bits(net, net("Mul", x, gate)), integers(64, N_CHANNELS, seed=6, limit=300) / 64)


def test_a_gelu_before_a_rounding_is_left_alone(pool):
    net = Net()
    x = net.input("x", "n", N_CHANNELS)
    gate = net("AddV2", net("Erf", net("RealDiv", x, net.data(np.sqrt(2.0)))), net.data(1.0))
    y = net("Mul", net("Mul", x, gate), net.data(0.5))
    the_same(pool, net, last_bits(net, y), integers(64, N_CHANNELS, seed=6, limit=300) / 64)


def test_a_mean_before_a_rounding_is_left_alone(pool):
    net = Net()
    x = net.input("x", "n", 35, 43, 4)
    y = net("Mean", x, net.param([1, 2]), keep_dims=False)
    the_same(pool, net, last_bits(net, y), integers(8, 35, 43, 4, seed=7))


@pytest.mark.parametrize("factor", [0.25, -1.0, 8.0])
def test_powers_of_two_still_go_into_the_product(pool, factor):
    net = Net()
    x = net.input("x", "n", 1, 1, N_CHANNELS)
    y = net("Mul", net.conv(x, net.data(integers(1, 1, N_CHANNELS, 2))), net.data(factor))
    counts = the_same(pool, net, net("Floor", y), integers(N_ROWS, 1, 1, N_CHANNELS, seed=7))
    assert counts == {"Conv2D": 1, "Floor": 1}


def test_integers_still_become_the_bias(pool):
    net = Net()
    x = net.input("x", "n", 1, 1, N_CHANNELS)
    y = net("AddV2", net.conv(x, net.data(integers(1, 1, N_CHANNELS, 2))), net.data([3.0, -70.0]))
    counts = the_same(pool, net, net("Round", y), integers(N_ROWS, 1, 1, N_CHANNELS, seed=8))
    assert counts == {"_FusedConv2D": 1, "Round": 1}


def test_a_sum_ends_the_rule():
    net = Net()
    x = net.input("x", "n", 1, 1, N_CHANNELS)
    summed = net("Softmax", scaled(net, x))
    after = optimise(net.done(y=net("Greater", summed, net.data(0.5))))
    assert ops(after) == {"Conv2D": 1, "Greater": 1, "Softmax": 1}

import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops, run

from converter.tfjs.passes import optimise
from converter.tfjs.passes.recover_gelu import recover_gelu

ROOT = float(np.sqrt(2))
SLOPE = float(np.sqrt(2 / np.pi))


def plus_one(net, x):
    return net("AddV2", x, net.data(1.0))


def erf_then_half(net, x):
    """As TorchScript exports it: x * (1 + erf(x / √2)) * 0.5."""
    gate = plus_one(net, net("Erf", net("RealDiv", x, net.data(ROOT))))
    return net("Mul", net("Mul", x, gate), net.data(0.5))


def half_of_erf(net, x):
    """As torch.export decomposes it: x * (0.5 * (1 + erf(x / √2)))."""
    gate = plus_one(net, net("Erf", net("RealDiv", x, net.data(ROOT))))
    return net("Mul", x, net("Mul", net.data(0.5), gate))


def half_of_x(net, x):
    """As the lowering of Gelu emits it: (0.5 * x) * (1 + erf(x * √½))."""
    gate = plus_one(net, net("Erf", net("Mul", x, net.data(1 / ROOT))))
    return net("Mul", net("Mul", x, net.data(0.5)), gate)


def tanh_form(net, x, half_first=True):
    cube = net("Mul", net("Mul", x, x), x)
    inner = net("Mul", net("AddV2", x, net("Mul", cube, net.data(0.044715))), net.data(SLOPE))
    gate, half = plus_one(net, net("Tanh", inner)), net.data(0.5)
    return net("Mul", net("Mul", x, half), gate) if half_first else net("Mul", half, net("Mul", gate, x))


ERF = {"erf-half": erf_then_half, "half-erf": half_of_erf, "half-x": half_of_x}


@pytest.mark.parametrize("gelu", ERF.values(), ids=ERF)
def test_both_factors_of_the_erf_form_are_at_its_borders(pool, gelu):
    net = Net()
    graph = net.done(y=gelu(net, net.input("x", "n", 5)))
    after = recover_gelu(graph)
    assert ops(after) == {"AddV2": 1, "Erf": 1, "Mul": 3}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("gelu", ERF.values(), ids=ERF)
def test_between_two_products_three_kernels_are_left(pool, gelu):
    net = Net()
    hidden = net("AddV2", net("MatMul", net.input("x", "n", 5), net.normal(5, 6)), net.normal(6))
    graph = net.done(y=net("MatMul", gelu(net, hidden), net.normal(6, 4)))
    after = optimise(graph)
    assert sum(ops(graph).values()) == 8
    assert ops(after) == {"AddV2": 1, "Erf": 1, "MatMul": 1, "Mul": 1, "_FusedMatMul": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("half_first", [True, False])
def test_the_tanh_form_is_a_sigmoid(pool, half_first):
    net = Net()
    graph = net.done(y=tanh_form(net, net.input("x", "n", 5), half_first))
    after = recover_gelu(graph)
    assert sum(ops(graph).values()) == 9
    assert ops(after) == {"AddV2": 1, "Mul": 4, "Sigmoid": 1}
    assert_same(pool, graph, after)


def test_the_tanh_form_keeps_more_digits_of_large_negative_numbers(pool):
    net = Net()
    graph = net.done(y=tanh_form(net, net.input("x", 1, 3)))
    feed = {"x": np.array([[-5.0, -4.5, -4.0]], np.float32)}
    x = feed["x"].astype(np.float64)
    exact = 0.5 * x * (1 + np.tanh(SLOPE * (x + 0.044715 * x**3)))
    errors = [np.abs(run(pool, "tfjs-cpu@node", one, feed)["y"] - exact).max() for one in (graph, recover_gelu(graph))]
    assert errors[1] < errors[0] / 10


def other_factor(net, x):
    return net("Mul", net("Mul", x, net.data(0.25)), plus_one(net, net("Erf", net("Mul", x, net.data(3.0)))))


def test_other_factors_are_kept(pool):
    net = Net()
    graph = net.done(y=other_factor(net, net.input("x", "n", 5)))
    after = recover_gelu(graph)
    assert ops(after) == {"AddV2": 1, "Erf": 1, "Mul": 3}
    assert_same(pool, graph, after)


def other_x(net, x):
    return net("Mul", net.input("z", 2, 5), plus_one(net, net("Erf", x)))


def other_term(net, x):
    return net("Mul", x, net("AddV2", net("Erf", x), net.data(2.0)))


def broadcast_x(net, x):
    return net("Mul", net("Slice", x, net.param([0, 0]), net.param([1, 5])), plus_one(net, net("Erf", x)))


def square_in_tanh(net, x):
    inner = net("AddV2", x, net("Mul", net("Mul", x, x), net.data(0.044715)))
    return net("Mul", x, plus_one(net, net("Tanh", inner)))


def gate_read_twice(net, x):
    gate = plus_one(net, net("Erf", x))
    return net("AddV2", net("Mul", x, gate), gate)


NEAR = {one.__name__: one for one in (other_x, other_term, broadcast_x, square_in_tanh, gate_read_twice)}


@pytest.mark.parametrize("make", NEAR.values(), ids=NEAR)
def test_what_is_not_gelu_stays(make):
    net = Net()
    graph = net.done(y=make(net, net.input("x", 2, 5)))
    assert recover_gelu(graph).nodes == graph.nodes


def test_a_gate_that_is_an_output_stays():
    net = Net()
    x = net.input("x", 2, 5)
    gate = plus_one(net, net("Erf", x))
    graph = net.done(y=net("Mul", x, gate), gate=gate)
    assert recover_gelu(graph).nodes == graph.nodes


def test_a_long_product_takes_no_longer_than_its_length():
    net = Net()
    x = y = net.input("x", 2, 5)
    for _ in range(3000):
        y = net("Mul", y, x)
    graph = net.done(y=y)
    assert recover_gelu(graph).nodes == graph.nodes

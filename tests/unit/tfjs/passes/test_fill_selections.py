import numpy as np
import pytest
from pass_graphs import BACKENDS, Net, assert_same, ops, run

from converter.tfjs.passes import optimise
from converter.tfjs.passes.fill_selections import fill_selections


def select(net, *shape, yes=0.0, no=None):
    x = net.input("x", *shape)
    return net("SelectV2", net("Less", x, net.data(0.25)), net.data(yes), x if no is None else net.data(no))


def test_a_number_is_spread_by_fill(pool):
    net = Net()
    graph = net.done(y=select(net, 4, 5, 6))
    after = fill_selections(graph)
    assert ops(after) == {"Fill": 1, "Less": 1, "SelectV2": 1}
    assert_same(pool, graph, after)


def test_both_sides_may_be_numbers(pool):
    net = Net()
    graph = net.done(y=select(net, 10, 12, yes=1.0, no=[-2.5]))
    after = fill_selections(graph)
    assert ops(after)["Fill"] == 2
    assert_same(pool, graph, after)


def test_equal_numbers_are_spread_once(pool):
    net = Net()
    one = select(net, 4, 5, 6)
    graph = net.done(y=net("SelectV2", net("Less", one, net.data(-1.0)), net.data(0.0), one))
    after = optimise(graph)
    assert ops(after)["Fill"] == 1
    assert_same(pool, graph, after)


def two_inputs(net, *first):
    one = net.input("one", *first)
    return net("SelectV2", net("Less", net.input("x", "n", "m", 2), net.data(0.5)), one, net.data(7.0))


DYNAMIC = {
    "number": lambda net: select(net, "n", 5, 4),
    "both-numbers": lambda net: select(net, "n", 5, "m", yes=1.0, no=-2.0),
    "row": lambda net: select(net, "n", 3, yes=[1.0, 2.0, 3.0]),
    "condition-is-a-part": lambda net: net(
        "SelectV2", net("Less", net.input("c", "n", 1), net.data(0.0)), net.data(1.0), net.input("y", 1, "m")
    ),
    "value-without-the-first-axis": lambda net: two_inputs(net, "m", 2),
    "value-with-an-axis-of-1": lambda net: two_inputs(net, "n", 1, 2),
}


@pytest.mark.parametrize("make", DYNAMIC.values(), ids=DYNAMIC)
def test_the_first_operand_gets_dynamic_axes_also_of_size_0(pool, make):
    net = Net()
    graph = net.done(y=make(net))
    after = fill_selections(graph)
    (selection,) = (node for node in after.nodes.values() if node.op == "SelectV2")
    assert {after.type_of(ref).shape for ref in selection.inputs[:2]} == {selection.outputs[0].shape}
    assert_same(pool, graph, after)
    sizes = {"n": 0, "m": 2}
    feed = {}
    for key, name in graph.inputs.items():
        feed[key] = np.zeros([sizes.get(dim, dim) for dim in graph.nodes[name].outputs[0].shape], np.float32)
    for backend in BACKENDS:
        got = run(pool, backend, after, feed)["y"]
        assert got.shape == tuple(sizes.get(dim, dim) for dim in selection.outputs[0].shape)


STAYING = {
    "full": lambda net: net("SelectV2", net("Less", x := net.input("x", "n", 9, 9), net.data(0.0)), x, net.data(1.0)),
    "small": lambda net: select(net, 3, 21),
}


@pytest.mark.parametrize("make", STAYING.values(), ids=STAYING)
def test_other_selections_stay(make):
    net = Net()
    graph = net.done(y=make(net))
    assert fill_selections(graph).nodes == graph.nodes

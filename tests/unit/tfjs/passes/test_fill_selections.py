import pytest
from pass_graphs import Net, assert_same, ops

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


STAYING = {"dynamic": lambda net: select(net, "n", 50, 4), "small": lambda net: select(net, 3, 21)}


@pytest.mark.parametrize("make", STAYING.values(), ids=STAYING)
def test_other_selections_stay(make):
    net = Net()
    graph = net.done(y=make(net))
    assert fill_selections(graph).nodes == graph.nodes

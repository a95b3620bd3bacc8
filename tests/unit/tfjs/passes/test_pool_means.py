import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.pool_means import pool_means


def mean(net, x, axes, keep_dims=True):
    return net("Mean", x, net.param(axes), keep_dims=keep_dims)


@pytest.mark.parametrize("axes", [[1, 2], [2, 1], [-3, -2]])
def test_the_mean_of_each_channel_is_pooled(pool, axes):
    net = Net()
    graph = net.done(y=mean(net, net.input("x", "n", 5, 7, 3), axes))
    after = pool_means(graph)
    assert ops(graph) == {"Mean": 1}
    assert ops(after) == {"AvgPool": 1}
    assert_same(pool, graph, after)


def test_the_dimensions_are_dropped_by_a_reshape(pool):
    net = Net()
    graph = net.done(y=mean(net, net.input("x", "n", 5, 7, 3), [1, 2], keep_dims=False))
    after = pool_means(graph)
    assert ops(after) == {"AvgPool": 1, "Reshape": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("keep_dims", [True, False])
def test_a_large_map_is_pooled_in_two_steps(pool, keep_dims):
    net = Net()
    graph = net.done(y=mean(net, net.input("x", 1, 65, 64, 2), [1, 2], keep_dims))
    after = pool_means(graph)
    assert ops(after)["AvgPool"] == 2
    assert_same(pool, graph, after)


STAYING = {
    "channels": lambda net: mean(net, net.input("x", 2, 5, 7, 3), [2, 3]),
    "one-axis": lambda net: mean(net, net.input("x", 2, 5, 7, 3), [1]),
    "all": lambda net: mean(net, net.input("x", 2, 5, 7, 3), [0, 1, 2]),
    "dynamic": lambda net: mean(net, net.input("x", 2, "h", 7, 3), [1, 2]),
    "one-place": lambda net: mean(net, net.input("x", 2, 1, 1, 3), [1, 2]),
    "large": lambda net: mean(net, net.input("x", 1, 4097, 2, 1), [1, 2]),
    "rank": lambda net: mean(net, net.input("x", 2, 5, 7), [1, 2]),
    "no-mean": lambda net: net("Max", net.input("x", 2, 5, 7, 3), net.param([1, 2]), keep_dims=True),
}


@pytest.mark.parametrize("make", STAYING.values(), ids=STAYING)
def test_other_reductions_stay(make):
    net = Net()
    graph = net.done(y=make(net))
    assert pool_means(graph).nodes == graph.nodes

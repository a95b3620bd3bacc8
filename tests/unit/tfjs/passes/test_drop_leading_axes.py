import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.drop_leading_axes import drop_leading_axes


@pytest.mark.parametrize("op", ["Maximum", "Minimum", "FloorMod", "Less"])
def test_a_number_of_the_running_graph_loses_its_axes(pool, op):
    net = Net()
    graph = net.done(y=net(op, net.input("x", 2, 3, 4), net.input("v", 1, 1, 1)))
    after = drop_leading_axes(graph)
    assert ops(after) == {op: 1, "Reshape": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("shape", [(1, 1, 4), (1, 3, 4)])
def test_constants_lose_them_for_nothing(pool, shape):
    net = Net()
    graph = net.done(y=net("Maximum", net.normal(*shape), net.input("x", 2, 3, 4)))
    after = drop_leading_axes(graph)
    assert ops(after) == {"Maximum": 1}
    assert [array.shape for array in after.constants.values()] == [shape[shape.count(1) :]]
    assert_same(pool, graph, after)


@pytest.mark.parametrize(
    ("op", "shape"),
    [
        pytest.param("Maximum", (1, 3, 1), id="repeated-at-the-end"),
        pytest.param("Maximum", (2, 1, 4), id="repeated-in-the-middle"),
        pytest.param("Maximum", (2, 3, 4), id="not-repeated"),
        pytest.param("Maximum", (4,), id="none-to-lose"),
        pytest.param("AddV2", (1, 1, 4), id="arithmetic-of-xnnpack"),
    ],
)
def test_others_stay(op, shape):
    net = Net()
    graph = net.done(y=net(op, net.input("x", 2, 3, 4), net.input("v", *shape)))
    assert ops(drop_leading_axes(graph)) == {op: 1}


def test_what_decides_the_rank_keeps_its_axes():
    net = Net()
    graph = net.done(y=net("Maximum", net.input("x", 2, 3), net.data(np.ones((1, 2, 3), np.float32))))
    assert ops(drop_leading_axes(graph)) == {"Maximum": 1}
    assert [array.ndim for array in drop_leading_axes(graph).constants.values()] == [3]

import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.drop_guards import drop_guards

LOWEST = float(np.finfo(np.float32).min)
CAUSAL = np.where(np.tri(4), 0, -np.inf)


def scores(net):
    return net("BatchMatMulV2", net.input("q", 2, 4, 3), net.input("k", 2, 3, 4))


def guarded(net, scores, instead=0.0):
    weights = net("Softmax", scores)
    return net("SelectV2", net("IsNan", weights), net.data(instead), weights)


def masked(net, mask):
    return net("AddV2", net("Mul", scores(net), net.data(0.5)), mask)


def chosen(net, hidden):
    return net("SelectV2", net.input("m", 2, 1, 4, dtype="bool"), net.data(0.0), net.data(hidden))


SAFE = {
    "no-mask": scores,
    "scaled": lambda net: net("RealDiv", scores(net), net.data(8.0)),
    "causal": lambda net: masked(net, net.data(CAUSAL)),
    "lowest": lambda net: masked(net, chosen(net, LOWEST)),
}


@pytest.mark.parametrize("make", SAFE.values(), ids=SAFE)
def test_a_softmax_that_always_sees_something_needs_no_guard(pool, make):
    net = Net()
    graph = net.done(y=guarded(net, make(net)))
    after = drop_guards(graph)
    expected = {**ops(graph), "IsNan": 0, "SelectV2": ops(graph)["SelectV2"] - 1}
    assert ops(after) == {op: count for op, count in expected.items() if count}
    assert_same(pool, graph, after)


NEEDED = {
    "an-input": lambda net: net.input("x", 2, 4, 4),
    "hidden-row": lambda net: masked(net, net.data(np.where(np.tri(4, k=-1), 0, -np.inf))),
    "masked-by-minus-infinity": lambda net: masked(net, chosen(net, -np.inf)),
    "mask-is-an-input": lambda net: masked(net, net.input("m", 4, 4)),
    "infinity": lambda net: masked(net, net.data(np.where(np.tri(4), 0, np.inf))),
    "not-a-number": lambda net: masked(net, net.data(np.where(np.tri(4), 0, np.nan))),
    "divided-by-zero": lambda net: net("RealDiv", scores(net), net.data(0.0)),
}


@pytest.mark.parametrize("make", NEEDED.values(), ids=NEEDED)
def test_a_guard_stays_where_a_row_may_see_nothing(make):
    net = Net()
    graph = net.done(y=guarded(net, make(net)))
    assert drop_guards(graph).nodes == graph.nodes


def of_another(net):
    weights, other = net("Softmax", scores(net)), net("Softmax", net.input("x", 2, 4, 4))
    return net("SelectV2", net("IsNan", other), net.data(0.0), weights)


NEAR = {"other-number": lambda net: guarded(net, scores(net), 1.0), "other-softmax": of_another}


@pytest.mark.parametrize("make", NEAR.values(), ids=NEAR)
def test_other_selections_stay(make):
    net = Net()
    graph = net.done(y=make(net))
    assert drop_guards(graph).nodes == graph.nodes

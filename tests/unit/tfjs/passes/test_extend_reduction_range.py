import numpy as np
import pytest
from pass_graphs import Net, ops

from converter.tfjs.constraints import REDUCTION_LIMIT
from converter.tfjs.extents import ANY, WITHIN, Extent, Extents
from converter.tfjs.graph import DataType, Graph
from converter.tfjs.passes import optimise
from converter.tfjs.passes.extend_reduction_range import extend_reduction_range
from converter.tfjs.verify import verify

LOWEST = float(np.finfo(np.float32).min)
INF = float("inf")
FLOAT = {"DstT": DataType("DT_FLOAT")}


def extended(graph: Graph) -> dict[str, int]:
    after = extend_reduction_range(graph)
    verify(after)
    return {op: n - ops(graph).get(op, 0) for op, n in ops(after).items() if n != ops(graph).get(op, 0)}


def mask(net: Net, open_: float, closed: float):
    return net("SelectV2", net.input("m", 6, 9, dtype="bool"), net.data(open_), net.data(closed))


def test_a_mask_that_only_softmaxes_see_gets_a_filler_and_no_operation():
    net = Net()
    added = mask(net, 0.0, LOWEST)
    scores = [net("AddV2", net.input(name, 4, 6, 9), net.reshape(added, 1, 6, 9)) for name in ("x", "z")]
    graph = net.done(y=net("Softmax", scores[0]), z=net("Softmax", scores[1]))
    assert extended(graph) == {}
    fillers = [array for array in extend_reduction_range(graph).constants.values() if array.dtype == np.float32]
    assert sorted(float(array) for array in fillers) == [-np.float32(REDUCTION_LIMIT), 0.0]


def test_a_mask_that_something_else_sees_keeps_its_number():
    net = Net()
    added = mask(net, 0.0, LOWEST)
    graph = net.done(y=net("Softmax", net("AddV2", net.input("x", 6, 9), added)), m=added)
    assert extended(graph) == {"Max": 1, "Less": 1, "LogicalNot": 1, "SelectV2": 1, "Sub": 1}


def test_two_masks_of_one_softmax_get_fillers_together_or_not_at_all():
    net = Net()
    first, second = mask(net, 0.0, LOWEST), net.data(np.where(np.eye(9) > 0, LOWEST, 0.0).astype(np.float32))
    joined = net.concat(0, net("AddV2", net.input("x", 6, 9), first), second)
    assert extended(net.done(y=net("Softmax", joined), s=net("Neg", second))) == {
        "Max": 1, "Less": 1, "LogicalNot": 1, "SelectV2": 1, "Sub": 1,
    }  # fmt: skip


@pytest.mark.parametrize(("number", "dtype"), [(-INF, np.float32), (LOWEST, np.float32), (-INF, np.float16)])
def test_a_constant_mask_that_leaves_an_element_in_each_row_costs_nothing(number, dtype):
    net = Net()
    causal = net.data(np.triu(np.full((9, 9), number, dtype), 1))
    graph = net.done(y=net("Softmax", net.reshape(net("AddV2", net.input("x", 4, 9, 9), causal), 2, 2, 9, 9)))
    assert extended(graph) == {}
    assert extend_reduction_range(graph).constants.keys() == graph.constants.keys()


def test_the_padding_of_a_pool_is_no_value_of_its_own():
    net = Net()
    pads, window = net.param(np.int32([[0, 0], [1, 1], [1, 1], [0, 0]])), {"ksize": [1, 3, 3, 1]}
    padded = net("PadV2", net.input("x", 1, 8, 8, 4), pads, net.data(-INF))
    pooled = net("MaxPool", padded, strides=[1, 1, 1, 1], padding="VALID", **window)
    again = net("MaxPool", net.conv(pooled, (3, 3, 4, 4)), strides=[1, 2, 2, 1], padding="SAME", **window)
    assert extended(net.done(y=net("Softmax", net.reshape(again, 1, 64)))) == {}


def test_bounds_that_are_there_for_form_cost_nothing():
    net = Net()
    clipped = net("ClipByValue", net.input("x", 6, 9), net.data(1e-12), net.data(-LOWEST))
    lowest = net("Maximum", net("Minimum", clipped, net.data(-LOWEST)), net.data(LOWEST))
    graph = net.done(
        y=net("Softmax", lowest), low=net("Min", lowest, net.param([1])), high=net("Max", clipped, net.param([1]))
    )
    assert extended(graph) == {}


def test_a_model_without_such_constants_is_the_same_graph():
    net = Net()
    graph = net.done(y=net("Softmax", net("AddV2", net.input("x", 6, 9), mask(net, 0.0, -1e9))))
    assert extend_reduction_range(graph) is graph


def test_numbers_that_are_not_known_are_scaled():
    net = Net()
    number = net(
        "Mul", net("Sub", net.data(1.0), net("Cast", net.input("m", 6, 9, dtype="int32"), **FLOAT)), net.data(LOWEST)
    )
    assert extended(net.done(y=net("Max", number, net.param([1])))) == {"Mul": 2}


def test_the_pass_is_not_left_out_by_optimise_and_nothing_undoes_it():
    net = Net()
    graph = net.done(y=net("Max", mask(net, 0.0, -INF), net.param([1])))
    assert ops(optimise(graph, skip=[])) == {"SelectV2": 2, "Max": 1, "Less": 1, "LogicalNot": 1}


LOW = Extent(low=frozenset({LOWEST}))


@pytest.mark.parametrize(
    ("build", "extent"),
    [
        (lambda net, x, k: k, LOW),
        (lambda net, x, k: net("Neg", k), Extent(high=frozenset({-LOWEST}))),
        (lambda net, x, k: net("Abs", k), Extent(high=frozenset({-LOWEST}))),
        (lambda net, x, k: net("AddV2", x, k), LOW),
        (lambda net, x, k: net("Sub", x, k), Extent(high=frozenset({-LOWEST}))),
        (lambda net, x, k: net("AddV2", k, k), ANY),
        (lambda net, x, k: net("AddV2", x, net.data(-1e21)), ANY),
        (lambda net, x, k: net("Mul", k, net.data(0.5)), Extent(low=frozenset({LOWEST / 2}))),
        (lambda net, x, k: net("Mul", k, net.data(-1e-30)), WITHIN),
        (lambda net, x, k: net("RealDiv", k, net.data(-2.0)), Extent(high=frozenset({-LOWEST / 2}))),
        (lambda net, x, k: net("RealDiv", x, k), WITHIN),
        (lambda net, x, k: net("Mul", k, x), ANY),
        (lambda net, x, k: net("Mul", net("Cast", net("Greater", x, k), **FLOAT), k), LOW),
        (lambda net, x, k: net("Maximum", x, k), WITHIN),
        (lambda net, x, k: net("Minimum", x, k), LOW),
        (lambda net, x, k: net.relu(k), WITHIN),
        (lambda net, x, k: net("Exp", k), WITHIN),
        (lambda net, x, k: net("Log", net("Neg", k)), WITHIN),
        (lambda net, x, k: net("Sqrt", net.data(INF)), Extent(high=frozenset({INF}))),
        (lambda net, x, k: net("Sigmoid", k), WITHIN),
        (lambda net, x, k: net("MatMul", net("Mul", x, k), x), ANY),
        (lambda net, x, k: net.concat(0, x, net("Mul", x, k)), ANY),
        (lambda net, x, k: net.data(np.float32([np.nan, -INF, 1])), Extent(low=frozenset({-INF}))),
        (lambda net, x, k: net.data(np.float32([-1e30, -2e30, 1])), Extent(low=None)),
        (lambda net, x, k: net.data(np.float32([np.nan, 1])), WITHIN),
    ],
)  # fmt: skip
def test_extents(build, extent):
    net = Net()
    value = build(net, net.input("x", 3, 3), net.data(LOWEST))
    assert Extents(net.done(y=value)).of(value) == extent

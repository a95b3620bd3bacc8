import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.graph import DataType, Ref
from converter.tfjs.passes.fold_constants import MAX_GROWTH, fold_constants
from converter.tfjs.verify import verify


def test_what_depends_on_constants_alone_is_computed(pool):
    net = Net()
    x = net.input("x", "n", 4)
    scale = net("Rsqrt", net("AddV2", net("Abs", net.normal(1, 4)), net.data(1e-3)))
    weights = net.transpose(net.reshape(net.normal(2, 2, 4), 4, 4), (1, 0))
    graph = net.done(y=net("MatMul", net("Mul", x, scale), weights))
    after = fold_constants(graph)
    assert ops(after) == {"MatMul": 1, "Mul": 1}
    assert_same(pool, graph, after)


def test_shapes_that_are_known_are_constants_and_one_read_in_two_roles_is_two():
    net = Net()
    x = net.input("x", 2, 3, 4)
    shape = net("Shape", x)
    size = net("Slice", shape, net.param([1]), net.param([2]))
    y = net("Reshape", net.input("z", 12), size)
    total = net("Mul", net("Cast", size, SrcT=DataType("DT_INT32"), DstT=DataType("DT_FLOAT")), net.input("f", 2))
    graph = net.done(y=y, total=total, raw=size, rank=net("Rank", x), n=net("Size", x))
    after = fold_constants(graph)
    assert ops(after) == {"Reshape": 1, "Mul": 1}
    assert after.type_of(after.outputs["y"]).shape == (3, 4)
    verify(after)


def test_a_dynamic_shape_is_left_to_the_running_graph(pool):
    net = Net()
    x = net.input("x", "n", 3)
    graph = net.done(y=net("Fill", net("Shape", x), net.data(1.5), T=DataType("DT_FLOAT")))
    after = fold_constants(graph)
    assert ops(after) == {"Fill": 1, "Shape": 1}
    assert_same(pool, graph, after)


def test_narrow_constants_stay_narrow_where_they_only_move():
    net = Net()
    half = net.builder.constant(np.arange(6, dtype=np.float16).reshape(2, 3), name="half")
    graph = net.done(y=net("MatMul", net.input("x", "n", 3), net.transpose(half, (1, 0))))
    (values,) = (array for array in fold_constants(graph).constants.values() if array.shape == (3, 2))
    assert values.dtype == np.float16


def test_a_constant_does_not_grow_without_limit():
    net = Net()
    n = MAX_GROWTH
    small = net("Fill", net.param([n]), net.data(1.0), T=DataType("DT_FLOAT"))
    large = net("Tile", net.data([1.0, 2.0]), net.param([n]))
    graph = net.done(y=net("Neg", net.input("x", 1)), small=small, large=large)
    assert ops(fold_constants(graph)) == {"Neg": 1, "Tile": 1}


def test_whole_numbers_that_would_overflow_are_left_to_the_running_graph():
    net = Net()
    big = net.data(np.array([2**31 - 1], np.int32))
    graph = net.done(y=net("AddV2", big, big), z=net("Sub", big, big))
    assert ops(fold_constants(graph)) == {"AddV2": 1}


def test_several_results_are_all_constants(pool):
    net = Net()
    x = net.input("x", "n", 2)
    first, second = net.all("SplitV", net.normal(1, 4), net.param([2, -1]), net.param(1))
    rows = net.all("Unpack", net.normal(2, 2), axis=0)
    graph = net.done(y=net("AddV2", net("Mul", x, second), net("Sub", first, net("Mul", x, rows[1]))))
    after = fold_constants(graph)
    assert ops(after) == {"AddV2": 1, "Mul": 2, "Sub": 1}
    assert_same(pool, graph, after)


def test_a_result_takes_the_name_of_its_node():
    net = Net()
    weights = net("Neg", net.normal(2, 2), name="fc/weights")
    after = fold_constants(net.done(y=net("MatMul", net.input("x", "n", 2), weights)))
    assert after.nodes["matmul"].inputs[1] == Ref("fc/weights")
    assert "fc/weights" in after.constants


@pytest.mark.parametrize("op", ["FloorDiv", "FloorMod"])
def test_division_by_whole_zero_is_left_to_the_running_graph(op):
    net = Net()
    one, zero = (net.data(np.array([value], np.int32)) for value in (1, 0))
    assert ops(fold_constants(net.done(y=net(op, one, zero)))) == {op: 1}

import numpy as np
from pass_graphs import Net, assert_same, ops

from converter.tfjs.graph import DataType, Ref
from converter.tfjs.passes.common_subexpressions import common_subexpressions


def test_equal_nodes_become_one(pool):
    net = Net()
    x = net.input("x", "n", 4)
    one, other = (net("Sqrt", net("Abs", net("Mul", x, net.data([1.0, 2.0, 3.0, 4.0])))) for _ in range(2))
    graph = net.done(y=net("AddV2", one, other), z=other)
    after = common_subexpressions(graph)
    assert ops(after) == {"Abs": 1, "AddV2": 1, "Mul": 1, "Sqrt": 1}
    assert len(after.constants) == 1
    assert_same(pool, graph, after)


def test_all_outputs_of_a_node_are_shared(pool):
    net = Net()
    x = net.input("x", "n", 4)
    (a, _), (_, b) = (net.all("Split", net.param(1), x, num_split=2) for _ in range(2))
    graph = net.done(y=net("Sub", a, b))
    after = common_subexpressions(graph)
    assert ops(after) == {"Split": 1, "Sub": 1}
    assert_same(pool, graph, after)


def test_attributes_operands_and_their_order_matter(pool):
    net = Net()
    x, y = net.input("x", "n", 4), net.input("y", "n", 4)
    values = [
        net("LeakyRelu", x, alpha=0.1), net("LeakyRelu", x, alpha=0.2), net("LeakyRelu", y, alpha=0.1),
        net("Sub", x, y), net("Sub", y, x),
        net("Sum", x, net.param([1]), keep_dims=True), net("Sum", x, net.param([0]), keep_dims=True),
    ]  # fmt: skip
    graph = net.done(**{f"y{index}": value for index, value in enumerate(values)})
    after = common_subexpressions(graph)
    assert ops(after) == ops(graph)
    assert_same(pool, graph, after)


def test_random_numbers_stay_different():
    net = Net()
    dtype = DataType("DT_FLOAT")
    draws = [net("RandomUniform", net.param([2, 3]), dtype=dtype, T=dtype, seed=1, seed2=2) for _ in range(2)]
    graph = net.done(y=net("Sub", *draws), x=net.input("x", 1))
    assert ops(common_subexpressions(graph))["RandomUniform"] == 2


def test_a_constant_read_as_data_and_as_a_parameter_stays_two():
    net = Net()
    x = net.input("x", "n", 4)
    data = net.data(np.array([-1, 2], np.int32))
    graph = net.done(y=net.reshape(x, -1, 2), z=net("AddV2", data, net.input("i", 2, dtype="int32")))
    after = common_subexpressions(graph)
    assert len(after.constants) == 2


def test_constants_of_another_dtype_or_shape_are_others():
    net = Net()
    x = net.input("x", 4)
    values = [np.zeros(4, np.float32), np.zeros((1, 4), np.float32), np.zeros(4, np.float16), -np.zeros(4, np.float32)]
    graph = net.done(**{f"y{i}": net("AddV2", x, net.builder.constant(v, name="c")) for i, v in enumerate(values)})
    assert len(common_subexpressions(graph).constants) == 4


def test_outputs_of_one_value_stay_two():
    net = Net()
    x = net("Abs", net.input("x", 4))
    after = common_subexpressions(net.done(y=x, z=x))
    assert after.outputs == {"y": Ref("output/y"), "z": Ref("output/z")}

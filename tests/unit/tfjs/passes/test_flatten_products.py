import pytest
from pass_graphs import Net, assert_same, ops

from converter.tfjs.passes.flatten_products import flatten_products


def linear(net, x, n_out):
    n_in = net.graph.type_of(x).shape[-1]
    return net("AddV2", net("BatchMatMulV2", x, net.normal(n_in, n_out), adj_x=False, adj_y=False), net.normal(n_out))


def layer_norm(net, x):
    centred = net("Sub", x, net("Mean", x, net.param([-1]), keep_dims=True))
    variance = net("Mean", net("Square", centred), net.param([2]), keep_dims=True)
    scaled = net("Mul", centred, net("Rsqrt", net("AddV2", variance, net.data(1e-5))))
    return net("AddV2", net("Mul", scaled, net.normal(6)), net.normal(1, 1, 6))


@pytest.mark.parametrize("lead", [("n", 4), (2, 3), ("n", "t"), (2, "t"), ("n", 2, 3)])
def test_a_stack_of_rows_is_multiplied_at_once(pool, lead):
    net = Net()
    graph = net.done(y=net("Relu", linear(net, net.input("x", *lead, 5), 6)))
    after = flatten_products(graph)
    assert ops(after)["MatMul"] == 1
    assert "BatchMatMulV2" not in ops(after)
    assert after.type_of(after.outputs["y"]).shape == (*lead, 6)
    assert_same(pool, graph, after)


def test_a_block_of_layers_stays_flat(pool):
    net = Net()
    x = net.input("x", "n", 4, 6)
    for _ in range(2):
        hidden = linear(net, layer_norm(net, x), 12)
        gate = net("Sigmoid", net("Mul", hidden, net.data(1.7)))
        x = net("AddV2", x, linear(net, net("Mul", hidden, gate), 6))
    graph = net.done(y=net("Softmax", layer_norm(net, x)))
    after = flatten_products(graph)
    assert ops(after)["Reshape"] == 3
    assert_same(pool, graph, after)


def test_a_matrix_with_leading_ones_is_a_matrix(pool):
    net = Net()
    graph = net.done(y=net("BatchMatMulV2", net.input("x", "n", 4, 5), net.normal(1, 5, 6)))
    after = flatten_products(graph)
    assert ops(after) == {"MatMul": 1, "Reshape": 2}
    assert_same(pool, graph, after)


def test_a_matrix_that_only_the_running_graph_knows_will_do(pool):
    net = Net()
    graph = net.done(y=net("BatchMatMulV2", net.input("x", "n", 4, 5), net.input("w", 5, 6)))
    after = flatten_products(graph)
    assert ops(after) == {"MatMul": 1, "Reshape": 2}
    assert_same(pool, graph, after)


def test_a_reshape_of_rows_needs_no_other(pool):
    net = Net()
    graph = net.done(y=net.reshape(linear(net, net.input("x", "n", 4, 5), 6), -1, 4, 2, 3))
    after = flatten_products(graph)
    assert ops(after) == {"AddV2": 1, "MatMul": 1, "Reshape": 2}
    assert_same(pool, graph, after)


def test_a_bias_along_a_leading_axis_gets_the_axes_back(pool):
    net = Net()
    y = net("BatchMatMulV2", net.input("x", "n", 4, 5), net.normal(5, 6))
    graph = net.done(y=net("AddV2", y, net.normal(4, 1)), z=net("Max", y, net.param([1]), keep_dims=True))
    after = flatten_products(graph)
    assert ops(after) == {"AddV2": 1, "MatMul": 1, "Max": 1, "Reshape": 2}
    assert_same(pool, graph, after)


STAYING = {
    "two-stacks": lambda net: net("BatchMatMulV2", net.input("x", 2, 4, 5), net.normal(2, 5, 6)),
    "one-stack": lambda net: net("BatchMatMulV2", net.input("x", 1, 4, 5), net.normal(5, 6), adj_y=False),
    "columns": lambda net: net("BatchMatMulV2", net.input("x", 2, 5, 4), net.normal(5, 6), adj_x=True),
    "stack-on-the-right": lambda net: net("BatchMatMulV2", net.normal(4, 5), net.input("x", 2, 5, 6)),
}


@pytest.mark.parametrize("make", STAYING.values(), ids=STAYING)
def test_other_products_stay(pool, make):
    net = Net()
    graph = net.done(y=make(net))
    after = flatten_products(graph)
    assert after.nodes.keys() == graph.nodes.keys()
    assert_same(pool, graph, after)

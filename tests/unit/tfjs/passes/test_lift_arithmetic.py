import numpy as np
import pytest
from pass_graphs import TO_NCHW, Net, assert_same, ops

from converter.tfjs.passes import optimise
from converter.tfjs.passes.lift_arithmetic import lift_arithmetic


def order(graph):
    return [node.op for node in graph.nodes.values() if node.op not in ("Const", "Identity", "Placeholder")]


def linear(net, x, n_out=6):
    n_in = net.graph.type_of(x).shape[-1]
    return net("AddV2", net("MatMul", x, net.normal(n_in, n_out)), net.normal(n_out))


MOVERS = {
    "reshape": lambda net, x: net.reshape(x, 2, 2, 3),
    "two-reshapes": lambda net, x: net("ExpandDims", net.reshape(x, 2, 2, 3), net.param(1)),
    "transpose": lambda net, x: net.transpose(net.reshape(x, 2, 2, 3), [1, 0, 2]),
}
STEPS = {
    "scale": lambda net, x: net("Mul", x, net.data(0.3)),
    "from-one": lambda net, x: net("Sub", net.data(1.0), x),
    "sigmoid": lambda net, x: net("Sigmoid", x),
    "clip": lambda net, x: net("ClipByValue", x, net.data(-1.0), net.data(1.0)),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("move", MOVERS.values(), ids=MOVERS)
def test_arithmetic_goes_ahead_of_movement(pool, move, step):
    net = Net()
    graph = net.done(y=step(net, move(net, net.input("x", 2, 6))))
    after = lift_arithmetic(graph)
    assert order(after) == [order(graph)[-1], *order(graph)[:-1]]
    assert_same(pool, graph, after)


def test_a_squeezed_map_is_activated_by_its_convolution(pool):
    """What a squeeze-and-excitation block is, its layout fixed by Reshapes."""
    net = Net()
    squeezed = net.reshape(net.conv(net.input("x", 1, 1, 1, 4), (1, 1, 4, 2)), 1, 2, 1, 1)
    swish = net("Mul", squeezed, net("Sigmoid", squeezed))
    again = net.reshape(net.conv(net.reshape(swish, 1, 1, 1, 2), (1, 1, 2, 4)), 1, 4, 1, 1)
    graph = net.done(y=net.reshape(net("Sigmoid", again), 1, 1, 1, 4))
    after = optimise(graph)
    assert ops(graph)["Reshape"] == 4
    assert ops(after) == {"Conv2D": 1, "Mul": 1, "Sigmoid": 1, "_FusedConv2D": 1}
    assert_same(pool, graph, after)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("shape", [(2, 1, 1), (1, 2, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1), (1, 1, 1)])
def test_a_constant_is_given_the_shape_of_what_it_meets(pool, shape, swapped):
    net = Net()
    x, constant = net.reshape(net.input("x", 3, 1, 1, 2), 3, 2, 1, 1), net.normal(*shape)
    graph = net.done(y=net("Sub", *((constant, x) if swapped else (x, constant))))
    after = lift_arithmetic(graph)
    assert order(after) == ["Sub", "Reshape"]
    assert_same(pool, graph, after)


def test_the_bias_of_a_squeezed_map_is_that_of_its_convolution(pool):
    net = Net()
    x = net.input("x", 1, 1, 1, 4)
    maps = net.reshape(net.conv(x, (1, 1, 4, 2)), 1, 2, 1, 1)
    graph = net.done(y=net.reshape(net.relu(net("AddV2", maps, net.normal(1, 2, 1, 1))), 1, 1, 1, 2))
    after = optimise(graph)
    assert ops(after) == {"_FusedConv2D": 1}
    assert_same(pool, graph, after)


def attention_scores(net, scale, x):
    heads = [net.transpose(net.reshape(linear(net, x), 1, 4, 2, 3), perm) for perm in ([0, 2, 1, 3], [0, 2, 3, 1])]
    return scale(net, net("BatchMatMulV2", *heads, adj_x=False, adj_y=False))


def over_eight(net, x):
    return net("RealDiv", x, net.data(8.0))


def test_the_scale_of_scores_is_in_the_weights_of_the_queries(pool):
    net = Net()
    graph = net.done(y=attention_scores(net, over_eight, net.input("x", 4, 5)))
    after = optimise(graph)
    assert ops(graph)["RealDiv"] == 1
    assert ops(after) == {"BatchMatMulV2": 1, "Reshape": 2, "Transpose": 2, "_FusedMatMul": 2}
    assert_same(pool, graph, after)


def read_twice(net):
    moved = net.transpose(net.input("x", 2, 3, 4, 5), TO_NCHW)
    return net("AddV2", net("Relu", moved), moved)


def by_a_vector(net):
    return net("Mul", net.reshape(net.input("x", 2, 6), 2, 2, 3), net.normal(3))


def compared(net):
    return net("SelectV2", net("IsNan", net.reshape(net.input("x", 2, 6), 3, 4)), net.data(1.0), net.data(0.0))


def beside_more_numbers(net):
    return net("Mul", net.reshape(net.input("x", 1, 1, 2), 1, 2), net.normal(3, 2))


def beside_numbers_in_another_order(net):
    return net("Mul", net.reshape(net.input("x", 2, 6), 3, 4), net.normal(3, 1))


def other_shapes(net):
    return net("Mul", net.reshape(net.input("x", 2, 6), 3, 4), net.reshape(net.input("z", 6, 2), 3, 4))


def scores_of_inputs(net):
    return over_eight(net, net("BatchMatMulV2", net.input("q", 2, 4, 3), net.input("k", 2, 3, 4)))


def one_divided(net):
    weights = net.data(np.full((2, 3, 4), 2.0))
    return net("RealDiv", net.data(1.0), net("BatchMatMulV2", net.input("q", 2, 4, 3), weights))


STAYING = [
    read_twice,
    by_a_vector,
    compared,
    beside_more_numbers,
    beside_numbers_in_another_order,
    other_shapes,
    scores_of_inputs,
    one_divided,
]


@pytest.mark.parametrize("make", STAYING)
def test_other_arithmetic_stays(make):
    net = Net()
    graph = net.done(y=make(net))
    assert lift_arithmetic(graph).nodes == graph.nodes


def test_scores_that_are_an_output_are_not_scaled_before():
    net = Net()
    heads = [
        net.reshape(linear(net, net.input(name, 4, 5)), *dims) for name, dims in (("q", (1, 4, 6)), ("k", (1, 6, 4)))
    ]
    product = net("BatchMatMulV2", *heads, adj_x=False, adj_y=False)
    graph = net.done(y=over_eight(net, product), scores=product)
    assert lift_arithmetic(graph).nodes == graph.nodes

import numpy as np
import pytest
from pass_graphs import Net, assert_same, ops

from converter.errors import InternalError
from converter.tfjs.graph import FunctionName, Graph, NameAllocator, TensorType
from converter.tfjs.passes import PASSES, optimise
from converter.tfjs.rewrite import rewrite
from converter.tfjs.verify import verify


def branch(names: NameAllocator, n_maps: int) -> Graph:
    net = Net(seed=n_maps)
    net.builder.names = names
    x = net.input("image", "n", 2, 4, 4)
    net.graph.inputs = {name: name for name in net.graph.inputs.values()}
    x = net.relu(net.batch_norm_nchw(net.conv_nchw(x, n_maps)))
    return net.done(result=net("Mean", net.conv_nchw(x, 3), net.param([2, 3]), keep_dims=False))


def test_functions_are_optimised_as_the_graph_is(pool):
    net = Net()
    functions = {name: branch(net.builder.names, n_maps) for name, n_maps in (("then", 2), ("else", 5))}
    for function in functions.values():
        function.metadata = {}
    net.graph.functions = functions
    x = net.input("x", "n", 2, 4, 4)
    total = net("Sum", x, net.param([0, 1, 2, 3]), keep_dims=False)
    (y,) = net.builder.emit(
        "StatelessIf",
        net("Less", total, net.data(0.0)),
        x,
        name="if",
        types=[TensorType("float32", ("n", 3))],
        then_branch=FunctionName("then"),
        else_branch=FunctionName("else"),
    )
    graph = net.done(y=y)
    graph.metadata["async"] = True
    after = optimise(graph)
    assert ops(after.functions["then"]) == {"Conv2D": 1, "Mean": 1, "Transpose": 1, "_FusedConv2D": 1}
    assert_same(pool, graph, after)


def small() -> Graph:
    net = Net()
    x = net.relu(net.batch_norm_nchw(net.conv_nchw(net.input("x", "n", 2, 4, 4), 3)))
    return net.done(y=net("Mean", x, net.param([2, 3]), keep_dims=False))


def test_passes_run_in_order_and_can_be_skipped():
    seen: dict[str, Graph] = {}
    result = optimise(small(), skip=["fold-batch-norm"], on_pass=seen.__setitem__)
    assert list(seen) == [name for name in PASSES if name != "fold-batch-norm"]
    assert list(seen.values())[-1] is result
    assert ops(result)["FusedDepthwiseConv2dNative"] == 1


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_gives_the_same_graph_twice_and_leaves_its_own_result_valid(name):
    graph = small()
    before = dict(graph.nodes)
    one, other = PASSES[name](graph), PASSES[name](graph)
    assert graph.nodes == before
    assert one.nodes == other.nodes
    verify(one)
    verify(PASSES[name](one))


def test_each_pass_can_be_left_out(pool):
    graph = small()
    for name in PASSES:
        assert_same(pool, graph, optimise(graph, skip=[name]), backends=["tfjs-wasm@node"])


def test_passes_on_a_graph_without_operations():
    net = Net()
    after = optimise(net.done(y=net.input("x", 2)))
    assert ops(after) == {}
    verify(after)


def test_a_rewrite_that_changes_a_type_is_a_bug():
    net = Net()
    graph = net.done(y=net("Abs", net.input("x", 2)))
    wrong_dtype = lambda rw: lambda node: rw.put(node, "IsNan", *rw.operands(node))  # noqa: E731
    with pytest.raises(InternalError, match="turned abs from float32 into bool"):
        rewrite(graph, wrong_dtype)
    wrong_shape = lambda rw: lambda node: rw.put(node, "Reshape", rw.operand(node, 0), rw.param([1, 2]))  # noqa: E731
    with pytest.raises(InternalError, match="can't describe the same value"):
        rewrite(graph, wrong_shape)

    def wrong_array(rw):
        return lambda node: rw.bind_array(node.inputs[0], np.zeros(2, np.int32))

    with pytest.raises(InternalError, match="its constant int32"):
        rewrite(graph, wrong_array)


def test_a_graph_without_the_ops_that_a_rewrite_is_for_is_handed_back():
    graph = small()
    rule = lambda rw: lambda node: node.op == "Relu" and rw.forward(node, rw.value(node.inputs[0]))  # noqa: E731
    assert rewrite(graph, rule, only=["Erf", "Tanh"]) is graph
    assert "Relu" not in ops(rewrite(graph, rule, only=["Erf", "Relu"]))

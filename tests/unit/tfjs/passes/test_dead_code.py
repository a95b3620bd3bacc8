import numpy as np
from pass_graphs import Net, ops

from converter.tfjs.builder import Builder
from converter.tfjs.graph import FunctionName, Graph, NameAllocator, TensorType
from converter.tfjs.passes.dead_code import dead_code
from converter.tfjs.verify import verify


def test_what_no_output_needs_goes_and_inputs_stay():
    net = Net()
    x, unused = net.input("x", 4), net.input("unused", 4)
    net("Mul", unused, net.data(2.0))
    net.all("Split", net.param(0), x, num_split=2)
    graph = net.done(y=net("AddV2", x, net.data(1.0)))
    after = dead_code(graph)
    assert ops(after) == {"AddV2": 1}
    assert after.inputs == graph.inputs
    assert len(after.constants) == 1
    verify(after)


def function(names: NameAllocator, op: str) -> Graph:
    body = Graph()
    builder = Builder(body, names)
    x = builder.placeholder("arg", TensorType("float32", (4,)))
    body.inputs = {x.node: x.node}
    builder.constant(np.ones(3, np.float32), name="unused")
    (y,) = builder.emit(op, x, name="body")
    builder.output("result", y)
    return body


def test_functions_that_nothing_calls_go():
    net = Net()
    net.graph.functions = {
        name: function(net.builder.names, op) for name, op in (("f", "Abs"), ("g", "Neg"), ("h", "Exp"))
    }
    x = net.input("x", 4)
    flag = net("Less", net.input("flag"), net.data(0.0))
    type_ = TensorType("float32", (4,))
    (y,) = net.builder.emit(
        "StatelessIf", flag, x, name="if", types=[type_], then_branch=FunctionName("f"), else_branch=FunctionName("h")
    )
    after = dead_code(net.done(y=y))
    assert list(after.functions) == ["f", "h"]
    assert all(not one.constants for one in after.functions.values())
    verify(after)

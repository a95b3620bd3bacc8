import numpy as np
from pass_graphs import Net, ops

from converter.tfjs.graph import DataType, Graph
from converter.tfjs.optable import OPTABLE
from converter.tfjs.passes.part_host_values import part_host_values
from converter.tfjs.verify import verify


def read_both_ways(graph: Graph) -> set[str]:
    """Nodes that an argument comes from and that something else reads, too; copies and graph outputs aside."""
    arguments, data = set(), {}
    for node in graph.nodes.values():
        parameters = OPTABLE[node.op].parameters(len(node.inputs)) if node.op in OPTABLE else {}
        for index, ref in enumerate(node.inputs):
            if index in parameters:
                arguments.add(ref.node)
            elif node.name not in {ref.node for ref in graph.outputs.values()}:
                data.setdefault(ref.node, set()).add(node.name)
    waiting = list(arguments)
    while waiting:
        node = graph.nodes[waiting.pop()]
        found = {ref.node for ref in node.inputs if node.op not in ("Shape", "Size", "Rank")} - arguments
        arguments |= found
        waiting.extend(found)
    return {name for name in arguments if {one for one in data.get(name, ()) if "/device" not in one} - arguments}


def parted(graph: Graph) -> Graph:
    after = part_host_values(graph)
    verify(after)
    assert read_both_ways(after) == set()
    assert list(after.outputs) == list(graph.outputs)
    return after


def test_a_size_that_is_data_and_argument_becomes_two():
    net = Net()
    x = net.input("x", "batch", "time")
    time = net("Slice", net("Shape", x), net.param([1]), net.param([1]))
    scale = net("Cast", time, DstT=DataType("DT_FLOAT"))
    tiled = net("Tile", net("Mul", x, scale), net("ConcatV2", net.data(np.int32([1])), time, net.param(0), N=2))
    graph = net.done(y=tiled, time=time)
    assert read_both_ways(graph)
    after = parted(graph)
    assert ops(after)["Slice"] == 2
    assert ops(after)["Shape"] == 2


def test_a_constant_that_calculates_a_shape_and_scales_data_becomes_two():
    net = Net()
    x, two = net.input("x", "batch", 4, dtype="int32"), net.data(np.int32([2]))
    half = net("FloorDiv", net("Slice", net("Shape", x), net.param([0]), net.param([1])), two)
    target = net("ConcatV2", half, net.data(np.int32([-1])), net.param(0), N=2)
    after = parted(net.done(y=net("Reshape", net("Mul", x, two), target)))
    assert len(after.constants) == len(net.graph.constants) + 1


def test_an_input_that_is_an_argument_is_copied_for_the_device():
    net = Net()
    x, shape = net.input("x", 6), net.input("shape", 2, dtype="int32")
    reshaped = net("Reshape", x, shape)
    after = parted(net.done(y=reshaped, doubled=net("Mul", shape, net.data(np.int32([2])))))
    assert ops(after) == {"AddV2": 1, "Mul": 1, "Reshape": 1}


def test_graphs_with_fixed_arguments_stay_as_they_are():
    net = Net()
    x = net.input("x", 2, 6)
    graph = net.done(y=net("Mul", net.reshape(x, 3, 4), net.data(2.0)))
    assert list(part_host_values(graph).nodes.values()) == list(graph.nodes.values())


def test_functions_are_parted_as_well():
    net, inner = Net(), Net()
    inner.builder.names = net.builder.names
    x = inner.input("a", "n", dtype="int32")
    size = inner("Shape", x)
    body = inner.done(r=inner("AddV2", inner("Slice", x, inner.data(np.int32([0])), size), size))
    net.graph.functions = {"f": body}
    y = net("Neg", net.input("x", 2))
    parted(net.done(y=y))
    assert read_both_ways(body)
    assert read_both_ways(part_host_values(net.graph).functions["f"]) == set()

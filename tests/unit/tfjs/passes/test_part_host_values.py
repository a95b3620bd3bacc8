import numpy as np
from pass_graphs import Net, ops

from converter.tfjs.builder import Builder
from converter.tfjs.graph import DataType, FunctionName, Graph, NameAllocator, Ref, TensorType
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


def counting(*, with_data: bool) -> Graph:
    """x (6) -> the sum of x[:1], x[:2] and so on, n times; with data, each times the number of its turn."""
    names = NameAllocator()
    build, test, body = (Builder(Graph(), names) for _ in range(3))
    count, total, vector = TensorType("int32", (1,)), TensorType("float32", ()), TensorType("float32", (6,))
    types = (count, total, vector)
    x, zero = build.placeholder("x", vector), build.constant(np.float32(0), name="zero")
    turn, _, _ = (test.argument(f"t{at}", type_) for at, type_ in enumerate(types))
    (more,) = test.emit("Less", turn, test.constant(np.int32([4]), name="limit"), name="more")
    (verdict,) = test.emit("Reshape", more, test.parameter([]), name="verdict")
    test.output("more", verdict)
    turn, so_far, values = (body.argument(f"b{at}", type_) for at, type_ in enumerate(types))
    (head,) = body.emit("Slice", values, body.parameter([0]), turn, name="head")
    (row,) = body.emit("Sum", head, body.parameter([0]), name="row")
    if with_data:
        (number,) = body.emit("Cast", turn, name="number", DstT=DataType("DT_FLOAT"))
        (scalar,) = body.emit("Reshape", number, body.parameter([]), name="scalar")
        (row,) = body.emit("Mul", row, scalar, name="weighted")
    (following,) = body.emit("AddV2", turn, body.constant(np.int32([1]), name="one"), name="following")
    (larger,) = body.emit("AddV2", so_far, row, name="larger")
    for key, value in (("turn", following), ("total", larger), ("x", values)):
        body.output(key, value)
    build.graph.functions.update(test=test.graph, body=body.graph)
    first = build.constant(np.int32([1]), name="first")
    calls = {"cond": FunctionName("test"), "body": FunctionName("body")}
    _, total_ref, _ = build.emit("StatelessWhile", first, zero, x, name="loop", types=types, **calls)
    build.output("y", total_ref)
    return build.graph


def test_what_a_loop_counts_on_the_host_is_counted_on_the_host():
    after = parted(counting(with_data=True))
    body = after.functions["body"]
    assert body.nodes["following"].inputs[0] == Ref("b0")
    assert body.nodes["number"].inputs == (Ref("b0/device"),)
    assert after.functions["test"].nodes["more"].inputs[0] == Ref("t0/device")
    assert after.nodes["loop"].inputs[0] == Ref("first")


def test_a_loop_that_reads_its_counter_as_an_argument_only_needs_no_copy_in_its_body():
    after = parted(counting(with_data=False))
    assert not any("/device" in name for name in after.functions["body"].nodes)


def test_an_argument_of_a_branch_is_an_argument_of_the_graph():
    names = NameAllocator()
    build = Builder(Graph(), names)
    condition, x = build.placeholder("p", TensorType("bool", ())), build.placeholder("x", TensorType("float32", ("n",)))
    (size,) = build.emit("Shape", x, name="size")
    for name, op in (("yes", "Slice"), ("no", "Tile")):
        inner = Builder(Graph(), names)
        values = inner.argument(f"{name}_x", TensorType("float32", ("n",)))
        vector = inner.argument(f"{name}_size", TensorType("int32", (1,)))
        operands = (values, inner.parameter([0]), vector) if op == "Slice" else (values, vector)
        inner.output(f"{name}_y", *inner.emit(op, *operands, name=f"{name}_made"))
        build.graph.functions[name] = inner.graph
    calls = {"then_branch": FunctionName("yes"), "else_branch": FunctionName("no")}
    (y,) = build.emit("StatelessIf", condition, x, size, name="if", types=[TensorType("float32", (None,))], **calls)
    build.output("y", y)
    build.output("scaled", *build.emit("Mul", size, build.constant(np.int32([2]), name="two"), name="scaled"))
    after = parted(build.graph)
    assert after.nodes["if"].inputs[2] == Ref("size")
    assert after.nodes["scaled"].inputs[0] == Ref("size/device")

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from converter.errors import InternalError
from converter.tfjs.graph import DataType, FunctionName, Graph, NameAllocator, Node, Ref, TensorType
from converter.tfjs.verify import verify

FLOAT = DataType("DT_FLOAT")


def test_right_graphs_pass(graph: Graph) -> None:
    verify(graph)


def add(graph: Graph, name: str, op: str, *inputs: Ref, output: TensorType, **attrs: object) -> None:
    graph.nodes[name] = Node(name, op, inputs, attrs, (output,))  # past the checks of Graph.add


def constant(graph: Graph, name: str, values: np.ndarray, dtype: str = "float32") -> None:
    add(graph, name, "Const", output=TensorType(dtype, values.shape))
    graph.constants[name] = values


def rename_key(graph: Graph) -> None:
    graph.nodes["misfiled"] = graph.nodes.pop("positive")


def with_name(name: str) -> Callable[[Graph], None]:
    return lambda graph: add(graph, name, "Relu", Ref("x"), output=TensorType("float32", ("N", 3)))


def reverse_order(graph: Graph) -> None:
    graph.nodes = dict(reversed(graph.nodes.items()))


def bad_output_index(graph: Graph) -> None:
    add(graph, "second", "Relu", Ref("x", 1), output=TensorType("float32", ("N", 3)))


def unknown_op(graph: Graph) -> None:
    add(graph, "odd", "Frobnicate", Ref("x"), output=TensorType("float32", None))


def bad_attribute(graph: Graph) -> None:
    graph.nodes["total"] = replace(graph.nodes["total"], attrs={"keepdims": False})


def wrong_dtype(graph: Graph) -> None:
    graph.nodes["total"] = replace(graph.nodes["total"], outputs=(TensorType("int32", ("N",)),))


def wrong_shape(graph: Graph) -> None:
    graph.nodes["total"] = replace(graph.nodes["total"], outputs=(TensorType("float32", (3, 4)),))


def extra_output(graph: Graph) -> None:
    graph.nodes["total"] = replace(graph.nodes["total"], outputs=graph.nodes["total"].outputs * 2)


def contradiction(graph: Graph) -> None:
    constant(graph, "five", np.zeros(5, np.float32))
    add(graph, "sum5", "AddV2", Ref("x"), Ref("five"), output=TensorType("float32", ("N", 5)))


def illegal_on_a_backend(graph: Graph) -> None:
    add(graph, "cast", "Cast", Ref("x"), output=TensorType("bool", ("N", 3)), DstT=DataType("DT_BOOL"))


def constant_without_values(graph: Graph) -> None:
    del graph.constants["w"]


def values_without_constant(graph: Graph) -> None:
    graph.constants["stray"] = np.zeros(1, np.float32)


def constant_of_another_shape(graph: Graph) -> None:
    graph.constants["b"] = np.zeros(3, np.float32)


def wide_constant(graph: Graph) -> None:
    graph.constants["b"] = np.zeros(4, np.float64)


def int_constant_as_float(graph: Graph) -> None:
    graph.constants["b"] = np.zeros(4, np.int8)


def int64_constant(graph: Graph) -> None:
    constant(graph, "big", np.zeros(2, np.int64), "int32")


def output_that_is_no_identity(graph: Graph) -> None:
    graph.outputs["sum"] = Ref("total")


def shared_output(graph: Graph) -> None:
    graph.outputs["again"] = graph.outputs["sum"]


def no_outputs(graph: Graph) -> None:
    graph.outputs = {}


def input_that_is_no_placeholder(graph: Graph) -> None:
    graph.inputs["w"] = "w"


def unlisted_placeholder(graph: Graph) -> None:
    add(graph, "hidden", "Placeholder", output=TensorType("float32", (1,)))


def shared_parameter(graph: Graph) -> None:
    (name,) = (name for name in graph.constants if name.startswith("param/"))
    add(graph, "reader", "Abs", Ref(name), output=TensorType("int32", (1,)))


def float_parameter(graph: Graph) -> None:
    constant(graph, "axes", np.array([1], np.float32))
    graph.nodes["total"] = replace(graph.nodes["total"], inputs=(Ref("fc"), Ref("axes")))
    graph.nodes = dict(sorted(graph.nodes.items(), key=lambda item: item[0] in ("total", "positive")))


def two_axes(graph: Graph) -> None:
    constant(graph, "axes", np.array([0, 1], np.int32), "int32")
    add(graph, "running", "Cumsum", Ref("x"), Ref("axes"), output=TensorType("float32", ("N", 3)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(rename_key, "node 'positive' is filed under 'misfiled'", id="key"),
        pytest.param(with_name("a:b"), "'a:b' is no legal node name", id="colon"),
        pytest.param(with_name("_a"), "'_a' is no legal node name", id="underscore"),
        pytest.param(with_name("constructor"), "'constructor' is no legal node name", id="object-member"),
        pytest.param(reverse_order, "which no node before it defines", id="order"),
        pytest.param(bad_output_index, "second (Relu) reads x:1, which no node before it defines", id="output-index"),
        pytest.param(unknown_op, "odd (Frobnicate): TF.js has no such op", id="op"),
        pytest.param(bad_attribute, "total (Sum): unknown attribute 'keepdims'", id="attribute"),
        pytest.param(wrong_dtype, "output 0 is said to be int32[N] but must be float32[N]", id="dtype"),
        pytest.param(wrong_shape, "output 0 is said to be float32[3,4] but must be float32[N]", id="shape"),
        pytest.param(extra_output, "total (Sum): 2 outputs where there must be 1", id="output-count"),
        pytest.param(contradiction, "sum5 (AddV2): AddV2(float32[N,3], float32[5]): dimensions 3 and 5", id="operands"),
        pytest.param(illegal_on_a_backend, "cast (Cast): wasm copies the raw bytes", id="legality"),
        pytest.param(constant_without_values, "w (Const): a constant needs its values", id="no-values"),
        pytest.param(values_without_constant, "values without a Const: ['stray']", id="stray-values"),
        pytest.param(constant_of_another_shape, "the values have shape (3,), the node says (4,)", id="constant-shape"),
        pytest.param(wide_constant, "float64 values can't stand for float32", id="float64"),
        pytest.param(int_constant_as_float, "int8 values can't stand for float32", id="int8-as-float"),
        pytest.param(int64_constant, "int64 values can't stand for int32", id="int64"),
        pytest.param(output_that_is_no_identity, "output 'sum' is total, which is no Identity", id="no-identity"),
        pytest.param(shared_output, "two outputs are one node", id="shared-output"),
        pytest.param(no_outputs, "there is no output", id="no-outputs"),
        pytest.param(input_that_is_no_placeholder, "are not the placeholders", id="input"),
        pytest.param(unlisted_placeholder, "are not the placeholders", id="unlisted-placeholder"),
        pytest.param(shared_parameter, "(Const) is data of reader and a parameter of total", id="shared-parameter"),
        pytest.param(float_parameter, "parameter axis is float32, not int32", id="float-parameter"),
        pytest.param(two_axes, "parameter axis has 2 elements, not 1", id="scalar-parameter"),
    ],
)
def test_a_wrong_graph_is_refused_with_the_reason(dense: Graph, damage: Callable[[Graph], None], message: str) -> None:
    damage(dense)
    with pytest.raises(InternalError) as caught:
        verify(dense)
    assert message in str(caught.value)


def test_all_problems_are_named_at_once(dense: Graph) -> None:
    bad_attribute(dense)
    wide_constant(dense)
    shared_output(dense)
    with pytest.raises(InternalError) as caught:
        verify(dense)
    assert len(str(caught.value).splitlines()) == 4


def test_problems_in_a_function_name_it(loop: Graph) -> None:
    loop.functions["body"].constants["one"] = np.array(1, np.int64)
    with pytest.raises(InternalError, match=r"function body: one \(Const\): int64 values"):
        verify(loop)


def test_names_are_unique_across_functions(loop: Graph) -> None:
    constant(loop.functions["cond"], "one", np.array(1, np.int32), "int32")
    with pytest.raises(InternalError, match="the name 'one' is taken in another function"):
        verify(loop)


def test_parameters_of_functions_have_the_names_of_their_placeholders(loop: Graph) -> None:
    body = loop.functions["body"]
    body.inputs = {f"the_{key}": name for key, name in body.inputs.items()}
    with pytest.raises(InternalError, match="must have the names of their placeholders"):
        verify(loop)


def test_a_function_can_not_call_itself(branch: Graph) -> None:
    inner = branch.functions["yes"]
    calls = {"then_branch": FunctionName("no"), "else_branch": FunctionName("yes")}
    add(inner, "again", "StatelessIf", output=TensorType("float32", ("N",)), **calls)
    with pytest.raises(InternalError, match="function yes calls itself"):
        verify(branch)


def test_the_allocator_hands_out_no_reserved_name() -> None:
    assert NameAllocator().unique("constructor") == "constructor_1"

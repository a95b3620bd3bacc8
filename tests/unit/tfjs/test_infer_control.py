from dataclasses import replace
from typing import Any

import pytest

from converter.errors import InternalError
from converter.tfjs.graph import Graph, Ref, TensorType
from converter.tfjs.infer import infer

BOOL, INT = TensorType("bool", ()), TensorType("int32", ())


def called(graph: Graph, name: str, **changes: Any) -> tuple[TensorType, ...]:
    node = graph.nodes[name]
    types = changes.get("operands", [graph.type_of(ref) for ref in node.inputs])
    return infer(node.op, types, node.attrs, [None] * len(types), changes.get("functions", graph.functions))


def retype(graph: Graph, name: str, *types: TensorType) -> None:
    graph.nodes[name] = replace(graph.nodes[name], outputs=types)


def test_a_branch_returns_what_both_functions_return(branch: Graph) -> None:
    assert called(branch, "if") == (TensorType("float32", ("N",)),)


def test_branches_of_different_shapes_leave_the_differing_dimension_unknown(branch: Graph) -> None:
    retype(branch.functions["no"], "output/no_out", TensorType("float32", (5,)))
    assert called(branch, "if") == (TensorType("float32", (None,)),)
    retype(branch.functions["no"], "output/no_out", TensorType("float32", (5, 2)))
    assert called(branch, "if") == (TensorType("float32", None),)


def test_branches_of_different_dtypes_are_refused(branch: Graph) -> None:
    retype(branch.functions["no"], "output/no_out", TensorType("int32", ("N",)))
    with pytest.raises(InternalError, match=r"StatelessIf\(bool\[\], float32\[N\]\): results are float32 or int32"):
        called(branch, "if")


def test_a_loop_returns_what_its_body_takes(loop: Graph) -> None:
    assert called(loop, "loop") == (INT, INT, TensorType("float32", (4,)))


def test_state_that_grows_is_declared_unknown_by_the_body(loop: Graph) -> None:
    for function, name in (("cond", "c2"), ("body", "b2")):
        retype(loop.functions[function], name, TensorType("float32", (None,)))
    retype(loop.functions["body"], "output/o_x", TensorType("float32", (5,)))
    assert called(loop, "loop")[2] == TensorType("float32", (None,))


def test_a_body_must_return_what_it_takes(loop: Graph) -> None:
    retype(loop.functions["body"], "output/o_x", TensorType("float32", (5,)))
    with pytest.raises(InternalError, match="can't describe the same value"):
        called(loop, "loop")


def test_a_condition_must_be_one_bool(loop: Graph) -> None:
    retype(loop.functions["cond"], "output/go_on", INT)
    with pytest.raises(InternalError, match="cond must have one bool result"):
        called(loop, "loop")


def test_arguments_must_fit(branch: Graph) -> None:
    with pytest.raises(InternalError, match="then_branch takes 1 arguments"):
        called(branch, "if", operands=[BOOL])
    with pytest.raises(InternalError, match="argument 0 of then_branch is float32"):
        called(branch, "if", operands=[BOOL, INT])
    with pytest.raises(InternalError, match="operand 0 must be bool"):
        called(branch, "if", operands=[INT, TensorType("float32", ("N",))])


def test_a_call_needs_its_functions(branch: Graph) -> None:
    with pytest.raises(InternalError, match="then_branch names no function"):
        called(branch, "if", functions={})


def test_branches_must_have_as_many_results(branch: Graph) -> None:
    branch.functions["no"].outputs["more"] = Ref("output/no_out")
    with pytest.raises(InternalError, match="1 and 2 results"):
        called(branch, "if")

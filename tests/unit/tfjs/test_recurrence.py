"""The composite node of a recurrence: what may be one, and what it expands to."""

from typing import Any

import numpy as np
import pytest

from converter.errors import InternalError
from converter.tfjs.builder import Builder
from converter.tfjs.graph import FunctionName, Graph, NameAllocator, TensorType
from converter.tfjs.infer import infer
from converter.tfjs.recurrence import expand_recurrences
from converter.tfjs.verify import verify
from converter.tfjs.write import document_of

INT = TensorType("int32", ())
STATE = TensorType("float32", (2, 3))
ATTRS: dict[str, Any] = {"n_states": 1, "n_sequences": 1, "axis": 0, "is_backward": False, "rows_like": [0]}


def recurrences(*lengths: int | str, reads_element: bool = True) -> Graph:
    """For each length, a state (2, 3) that begins with zeros, to which each step adds a weight (3) and its element."""
    names = NameAllocator()
    build = Builder(Graph(), names)
    zeros = build.constant(np.zeros((2, 3), np.float32), name="zeros")
    for index, length in enumerate(lengths):
        body = Builder(Graph(), names)
        body.argument("position", INT)
        state, element = (body.argument(f"{name}{index}", STATE) for name in ("state", "element"))
        weight = body.constant(np.float32([[1, 2, 3]]), name=f"weight{index}")
        (total,) = body.emit("AddV2", state, weight, name="total")
        if reads_element:
            (total,) = body.emit("AddV2", total, element, name="more")
        body.output(f"state{index}", total)
        body.output(f"row{index}", total)
        build.graph.functions[f"step{index}"] = body.graph
        x = build.placeholder(f"x{index}", TensorType("float32", (length, 2, 3)))
        types = [STATE, TensorType("float32", (length, 2, 3))]
        step = FunctionName(f"step{index}")
        last, rows = build.emit("Recurrence", zeros, x, name=f"recurrence{index}", types=types, body=step, **ATTRS)
        build.output(f"last{index}", last)
        build.output(f"rows{index}", rows)
    verify(build.graph)
    return build.graph


def loops(graph: Graph) -> int:
    return graph.count_ops().get("StatelessWhile", 0)


@pytest.mark.parametrize("length", [1, 4, "n"])
@pytest.mark.parametrize("reads_element", [True, False])
def test_results_keep_their_shapes(length: int | str, reads_element: bool) -> None:
    graph = expand_recurrences(recurrences(length, reads_element=reads_element))
    verify(graph)
    assert graph.type_of(graph.outputs["last0"]).shape == (2, 3)
    assert graph.type_of(graph.outputs["rows0"]).shape == (length, 2, 3)
    assert loops(graph) == (length == "n")
    assert len(graph.functions) == 2 * (length == "n")


def test_the_longest_become_loops_until_the_others_are_within_the_limit() -> None:
    graph = recurrences(4, 10, 6)  # two nodes a step
    assert loops(expand_recurrences(graph, 40)) == 0
    for limit, left in ((39, {"x0", "x2"}), (20, {"x0", "x2"}), (19, {"x0"}), (7, set())):
        expanded = expand_recurrences(graph, limit)
        read = {ref.node for node in expanded.nodes.values() if node.op == "Unpack" for ref in node.inputs}
        assert read == left
        assert loops(expanded) == 3 - len(left)


def test_a_graph_without_recurrences_stays_as_it_is(dense: Graph) -> None:
    assert expand_recurrences(dense) is dense


def test_a_recurrence_that_was_not_expanded_is_not_written() -> None:
    with pytest.raises(InternalError, match=r"recurrence0 \(Recurrence\) is not expanded"):
        document_of(recurrences(4), "test")


def test_types_of_results() -> None:
    graph = recurrences("n")
    node = graph.nodes["recurrence0"]

    def inferred(*operands: TensorType, **attrs: Any) -> tuple[TensorType, ...]:
        return infer("Recurrence", operands, {**node.attrs, **attrs}, [None] * len(operands), graph.functions)

    assert inferred(STATE, TensorType("float32", ("t", 2, 3))) == (STATE, TensorType("float32", ("t", 2, 3)))
    assert inferred(STATE, TensorType("float32", (2, 5, 3)), axis=1)[1] == TensorType("float32", (2, 5, 3))
    with pytest.raises(InternalError, match="no axis of steps"):
        inferred(STATE, TensorType("float32", (2,)), axis=1)
    with pytest.raises(InternalError, match="can't describe the same value"):
        inferred(STATE, TensorType("float32", (5, 2, 4)))
    with pytest.raises(InternalError, match="argument 2 of body is float32"):
        inferred(STATE, TensorType("int32", (5, 2, 3)))

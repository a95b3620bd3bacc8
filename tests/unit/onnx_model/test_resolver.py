"""Control flow, functions, sequences and optionals that are decided while a model is prepared."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from onnx import parser

from converter.errors import UnsupportedError
from converter.lowering import REGISTRY
from converter.onnx_model import OnnxGraph, OnnxModel, OnnxNode, load_bytes, prepare
from converter.onnx_model.control import MAX_UNROLLED_NODES
from converter.pipeline.compile import compile_onnx


def prepared(text: str, *, opset: int = 18, without: tuple[str, ...] = ()) -> OnnxModel:
    head = f'<ir_version: 8, opset_import: ["" : {opset}]>\n'
    loaded = load_bytes(parser.parse_model(head + text).SerializeToString(), where="test")
    return prepare(loaded, has_lowering=lambda _, op, __: op not in without)


def ops(graph: OnnxGraph) -> list[str]:
    return [node.op for node in graph.nodes]


def all_nodes(graph: OnnxGraph) -> Iterator[OnnxNode]:
    yield from graph.nodes
    for inner in graph.subgraphs():
        yield from all_nodes(inner)


def branches(node: OnnxNode) -> list[OnnxGraph]:
    return [node.attrs["then_branch"], node.attrs["else_branch"]]


LOOP = """net (float[3] x{inputs}) => (float[3] y) {{
    {before}
    y = Loop (m, , x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2) {{
        k = Cast <to = 1> (i) t = Mul (s, k) s2 = Add (t, x) g2 = Identity (g) }}>
}}"""


def test_the_branch_of_a_known_condition_takes_the_place_of_the_if() -> None:
    model = prepared(
        """net (float[2, 3] x) => (float[2, 3] y) {
            c = Constant <value = bool {0}> ()
            y = If (c) <then_branch = yes () => (float[2, 3] a) { a = Exp (x) },
                        else_branch = no () => (float[2, 3] b) { e = Neg (x) b = Relu (e) }>
        }"""
    )
    assert [(node.op, node.outputs) for node in model.graph.nodes] == [("Neg", ("e",)), ("Relu", ("y",))]
    assert model.graph.types["e"].shape == (2, 3)


def test_what_a_shape_decides_is_decided() -> None:
    model = prepared(
        """net (float[n, 3] x) => (float[n, 3] y) {
            s = Shape <start = 1> (x)
            three = Constant <value_ints = [3]> ()
            c0 = Equal (s, three)
            zero = Constant <value_ints = [0]> ()
            c = Squeeze (c0, zero)
            y = If (c) <then_branch = yes () => (float[n, 3] a) { a = Exp (x) },
                        else_branch = no () => (float[n, 3] b) { b = Neg (x) }>
        }"""
    )
    assert ops(model.graph) == ["Exp"]
    assert model.graph.types["y"].shape == ("n", 3)


def test_constants_inside_a_branch_that_stays_are_folded() -> None:
    model = prepared(
        """net (bool c, float[2, 3] x) => (float[a, b] y) {
            y = If (c) <then_branch = yes () => (float[a, b] p) {
                           s = Shape (x) one = Constant <value_ints = [1]> () t = Concat <axis = 0> (s, one)
                           p0 = Reshape (x, t) two = Constant <value_ints = [2]> () p = Squeeze (p0, two) },
                        else_branch = no () => (float[a, b] q) { q = Neg (x) }>
        }"""
    )
    (node,) = model.graph.nodes
    assert [ops(graph) for graph in branches(node)] == [["Reshape", "Squeeze"], ["Neg"]]
    assert model.graph.types["p0"].shape == (2, 3, 1)
    assert model.graph.types["y"].shape == (2, 3)


def test_a_loop_whose_trip_count_is_known_is_written_out() -> None:
    model = prepared(LOOP.format(inputs="", before="m = Constant <value_int = 3> ()"))
    assert ops(model.graph) == ["Mul", "Add"] * 3 + ["Identity"]
    factors = [float(model.graph.constants[node.inputs[1]]) for node in model.graph.nodes if node.op == "Mul"]
    assert factors == [0, 1, 2]
    assert all(model.graph.types[node.outputs[0]].shape == (3,) for node in model.graph.nodes)


def test_a_loop_that_would_leave_too_many_nodes_stays_a_loop() -> None:
    n_nodes = 2
    for turns, op in ((MAX_UNROLLED_NODES // n_nodes, "Mul"), (MAX_UNROLLED_NODES // n_nodes + 1, "Loop")):
        model = prepared(LOOP.format(inputs="", before=f"m = Constant <value_int = {turns}> ()"))
        assert model.graph.nodes[0].op == op


def test_a_loop_that_folds_away_is_not_too_long() -> None:
    model = prepared(
        """net (float[3] x) => (float[3] y) {
            m = Constant <value_int = 3000> ()
            zero = Constant <value_float = 0.0> ()
            one = Constant <value_float = 1.0> ()
            n = Loop (m, , zero) <body = b (int64 i, bool g, float s) => (bool g2, float s2) {
                s2 = Add (s, one) g2 = Identity (g) }>
            y = Mul (x, n)
        }"""
    )
    assert ops(model.graph) == ["Mul"]
    assert float(model.graph.constants[model.graph.nodes[0].inputs[1]]) == 3000


def test_every_value_has_a_name_of_its_own() -> None:
    model = prepared(
        """net (float[3] x, bool c, int64 k) => (float[3] y) {
            m = Constant <value_int = 2> ()
            y = Loop (m, , x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2) {
                s1 = If (c) <then_branch = yes () => (float[3] a) { t = Exp (s) a = Neg (t) },
                             else_branch = no () => (float[3] a) { t = Abs (s) a = Neg (t) }>
                s2 = Loop (k, , s1) <body = d (int64 j, bool h, float[3] t) => (bool h2, float[3] t2) {
                     t2 = Add (t, s) h2 = Identity (h) }>
                g2 = Identity (g) }>
        }"""
    )
    made = [name for node in all_nodes(model.graph) for name in node.outputs]
    taken = [name for node in all_nodes(model.graph) for graph in node.attrs.values() for name in graph.inputs]
    assert ops(model.graph) == ["If", "Loop", "If", "Loop", "Identity"]
    assert len({*made, *taken}) == len([*made, *taken])


def test_state_that_changes_its_shape_has_unknown_dimensions() -> None:
    model = prepared(
        """net (int64 m, float[n, 1, 4] x) => (float[a, b, c] y, float[d, e, f, g] rows) {
            y, rows = Loop (m, , x)
              <body = b (int64 i, bool g, float[p, q, r] s) => (bool g2, float[t, u, v] s2, float[w, z, k] o) {
                s2 = Concat <axis = 1> (s, x) o = Identity (x) g2 = Identity (g) }>
        }"""
    )
    (loop,) = model.graph.nodes
    body = loop.attrs["body"]
    assert model.graph.types[body.inputs[2]].shape == ("n", None, 4)
    first, second, third = model.graph.types["y"].shape or ()
    assert (first, third) == ("n", 4)
    assert not isinstance(second, int)
    assert model.graph.types[body.outputs[2]].shape == ("n", 1, 4)


def test_a_condition_that_is_false_takes_no_turn() -> None:
    model = prepared(
        """net (float[3] x, int64 m) => (float[3] y, float[r, 3] rows) {
            c = Constant <value = bool {0}> ()
            y, rows = Loop (m, c, x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2, float[3] o) {
                s2 = Neg (s) o = Exp (s) g2 = Identity (g) }>
        }"""
    )
    assert ops(model.graph) == ["Identity"]
    assert model.graph.constants["rows"].shape == (0, 3)


def test_functions_without_a_lowering_are_inlined_inside_sub_graphs() -> None:
    text = """net (bool c, int64 m, float[2, 3] x) => (float[2, 3] y) {
        y = If (c) <then_branch = yes () => (float[2, 3] a) { t = Exp (x) a = HardSwish (t) },
                    else_branch = no () => (float[2, 3] b) {
                       b = Loop (m, , x) <body = d (int64 i, bool g, float[2, 3] s) => (bool g2, float[2, 3] s2) {
                           s2 = Softmax <axis = 0> (s) g2 = Identity (g) }> }>
    }"""
    model = prepared(text, without=("HardSwish", "Softmax"))
    left = [node.op for node in all_nodes(model.graph)]
    assert "HardSwish" not in left
    assert "Softmax" not in left
    assert [op for op in left if op.startswith("Reduce")] == ["ReduceMax", "ReduceSum"]


def test_attributes_reach_the_body_of_a_function() -> None:
    head = '<ir_version: 8, opset_import: ["" : 18, "own" : 1]>\n'
    text = """net (float[3] x) => (float[3] y, float[3] z) { y = own.leak <slope = 0.5> (x) z = own.leak (x) }
        <domain: "own", opset_import: ["" : 16]>
        leak <slope: float = 0.25> (p) => (q) { q = LeakyRelu <alpha: float = @slope> (p) }"""
    loaded = load_bytes(parser.parse_model(head + text).SerializeToString(), where="test")
    model = prepare(loaded, has_lowering=lambda *_: True)
    assert [(node.op, node.since, node.attrs) for node in model.graph.nodes] == [
        ("LeakyRelu", 16, {"alpha": 0.5}),
        ("LeakyRelu", 16, {"alpha": 0.25}),
    ]


def test_an_output_that_is_a_sequence_becomes_several() -> None:
    model = prepared(
        """net (float[2, 3] x) => (seq(float[2, 3]) s, float[2, 3] y) {
            y = Neg (x)
            two = Constant <value_floats = [2.0, 3.0]> ()
            s = SequenceConstruct (y, x, two)
        }"""
    )
    assert model.graph.outputs == ("s/0", "s/1", "s/2", "y")
    assert [node.inputs for node in model.graph.nodes if node.op == "Identity"] == [("y",), ("x",)]
    assert model.graph.constants["s/2"].tolist() == [2, 3]


REFUSALS = {
    "position-unknown": (
        """net (float[2] x, float[3] z, int64 k) => (float[a] y) {
            s = SequenceConstruct (x, z) y = SequenceAt (s, k) }""",
        r"SequenceAt_1 \(SequenceAt, since 11\): the position must be known before the graph runs: the elements differ",
        "make the position a constant",
    ),
    "position-outside": (
        """net (float[2] x) => (float[2] y) {
            s = SequenceConstruct (x, x) k = Constant <value_int = 2> () y = SequenceAt (s, k) }""",
        "position 2 is outside a sequence of length 2",
        "",
    ),
    "insert-unknown": (
        """net (float[2] x, int64 k) => (float[a] y) {
            s = SequenceConstruct (x) t = SequenceInsert (s, x, k) y = ConcatFromSequence <axis = 0> (t) }""",
        "the position must be known before the graph runs",
        "make the position a constant",
    ),
    "sequence-through-unknown-loop": (
        """net (float[2] x, int64 m) => (float[a] y) {
            e = SequenceEmpty ()
            s = Loop (m, , e) <body = b (int64 i, bool g, seq(float[2]) t) => (bool g2, seq(float[2]) t2) {
                t2 = SequenceInsert (t, x) g2 = Identity (g) }>
            y = ConcatFromSequence <axis = 0> (s) }""",
        r"Loop_1 \(Loop, since 16\): it carries a sequence or an optional: how often it runs must be known",
        "as a scan output",
    ),
    "lengths-differ": (
        """net (float[2] x, bool c) => (float[a] y) {
            s = If (c) <then_branch = yes () => (seq(float[2]) p) { p = SequenceConstruct (x) },
                        else_branch = no () => (seq(float[2]) q) { q = SequenceConstruct (x, x) }>
            y = ConcatFromSequence <axis = 0> (s) }""",
        "the branches return structures of different lengths",
        "make it a constant",
    ),
    "no-element": (
        """net (float[2] x) => (float[2] y) { o = Optional <type = float[2]> () y = OptionalGetElement (o) }""",
        "takes the element of an optional that has none",
        "",
    ),
    "nothing-to-join": (
        """net (float[2] x) => (float[a] y) { s = SequenceEmpty () y = ConcatFromSequence <axis = 0> (s) }""",
        "joins a sequence without elements",
        "",
    ),
    "sizes-unknown": (
        """net (float[4] x, int64 k) => (float[a] y) {
            s = SplitToSequence (x, k) z = Constant <value_int = 0> () y = SequenceAt (s, z) }""",
        "the sizes must be known before the graph runs",
        "make them a constant",
    ),
    "axis-unknown": (
        """net (float[n] x) => (float[a] y) {
            s = SplitToSequence (x) z = Constant <value_int = 0> () y = SequenceAt (s, z) }""",
        "splits an axis of unknown size",
        "--bind",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_can_not_be_decided_is_refused(name: str) -> None:
    text, message, hint = REFUSALS[name]
    (problem,) = prepared(text).problems
    with pytest.raises(UnsupportedError, match=message):
        raise problem
    assert hint in problem.hint
    assert problem.where.startswith("node ")
    assert problem.exit_code == 4


def test_a_sequence_as_input_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="graph input 's': its type is sequence, not a tensor"):
        prepared("net (seq(float[2]) s) => (float[a] y) { y = ConcatFromSequence <axis = 0> (s) }")


def test_problems_of_a_scan_of_the_oldest_kind() -> None:
    text = """net (int64[2] lengths, float[2, 2] h, float[2, 4, 2] x) => (float[2, 2] y, float[2, 4, 2] z) {
        y, z = Scan <num_scan_inputs = 1, body = b (float[2] s, float[2] v) => (float[2] s2, float[2] o) {
            s2 = Add (s, v) o = Mul (s2, s2) }> (lengths, h, x) }"""
    (problem,) = prepared(text, opset=8).problems
    assert problem.what == "has sequences of different lengths"
    (problem,) = prepared(text.replace("lengths, h", ", h").replace("[2,", "[n,"), opset=8).problems
    assert problem.what == "scans a batch of unknown size"


def test_what_preparing_and_lowering_refuse_is_reported_together() -> None:
    text = """net (float[2] x, float[3] z, int64 k, bool c) => (float[a] y, float[2] w) {
        s = SequenceConstruct (x, z)
        y0 = SequenceAt (s, k)
        y = Neg (y0)
        w = If (c) <then_branch = yes () => (float[2] p) { p0 = CumSum (x, k) p = Neg (p0) },
                    else_branch = no () => (float[2] q) { q0 = Exp (x) q = CumSum (q0, k) }>
    }"""
    head = '<ir_version: 8, opset_import: ["" : 18]>\n'
    loaded = load_bytes(parser.parse_model(head + text).SerializeToString(), where="test")
    with pytest.raises(UnsupportedError, match="3 nodes can't be converted") as caught:
        compile_onnx(loaded)
    _, *lines = caught.value.what.splitlines()
    starts = ["  - node SequenceAt_1 (", "  - node If_3/then/CumSum_0 (", "  - node If_3/else/CumSum_1 ("]
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=True)] == [True] * 3


def test_preparing_twice_changes_nothing() -> None:
    text = LOOP.format(inputs=", int64 m", before="")
    models = [prepared(text) for _ in range(2)]
    one, other = ([(node.name, node.outputs) for node in all_nodes(model.graph)] for model in models)
    assert one == other


def test_every_version_of_what_stays_has_a_lowering() -> None:
    from converter.lowering.ops import load_all
    from converter.onnx_model.control import HANDLERS

    load_all()
    kept = {(op, since) for op, since in HANDLERS if op != "Scan"}
    assert all(REGISTRY.has("", op, since) for op, since in kept)
    versions = sorted(since for op, since in kept if op == "If")
    assert all(one < other for one, other in pairwise(versions))


def test_constants_of_a_sub_graph_belong_to_the_model() -> None:
    model = prepared(
        """net (bool c, float[2] x) => (float[2] y) {
            y = If (c) <then_branch = yes () => (float[2] a) <float[2] w = {1.0, 2.0}> { a = Mul (x, w) },
                        else_branch = no () => (float[2] b) <float[2] w = {3.0, 4.0}> { b = Mul (x, w) }>
        }"""
    )
    (node,) = model.graph.nodes
    used = [graph.nodes[0].inputs[1] for graph in branches(node)]
    assert [model.graph.constants[name].tolist() for name in used] == [[1, 2], [3, 4]]
    assert all(not graph.constants for graph in branches(node))
    assert len(set(used)) == 2

"""Functions of the graph: what they take from the graph around them, and what may stay on the host."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import numpy_helper, parser

from converter.errors import InternalError, UnsupportedError
from converter.lowering import REGISTRY, Registry, lower
from converter.lowering.context import LoweringContext
from converter.lowering.host import is_on_host
from converter.lowering.ops import load_all
from converter.lowering.registry import Lowering
from converter.lowering.subgraph import MAX_COPIED_ELEMENTS, choose, repeat
from converter.onnx_model import load_bytes, prepare
from converter.pipeline.compile import compile_onnx
from converter.tfjs.graph import Graph, Ref, TensorType
from converter.tfjs.verify import verify

HEAD = '<ir_version: 8, opset_import: ["" : 18]>\n'
ELU = "net (float[n, 3] x) => (float[n, 3] y) { y = Elu (x) }"
COUNT = TensorType("int32", ())


def lowered(run: Callable[[LoweringContext], None]) -> Graph:
    """The graph of a model whose one node, an Elu, is lowered by `run`."""
    load_all()
    own = Registry()
    own.table.update(REGISTRY.table)
    (key,) = (key for key in own.table if key.op == "Elu" and key.since == 6)
    own.table[key] = Lowering(run, frozenset())
    loaded = load_bytes(parser.parse_model(HEAD + ELU).SerializeToString(), where="test")
    graph = lower(prepare(loaded, has_lowering=lambda *_: True), own).graph
    verify(graph)
    return graph


def number(ctx: LoweringContext, value: int) -> Ref:
    return ctx.data(np.asarray(value, dtype=np.int32))


def test_what_both_functions_read_is_passed_once() -> None:
    def run(ctx: LoweringContext) -> None:
        positive = ctx.emit("Greater", ctx.emit("Sum", ctx.operand(0), ctx.param([0, 1])), ctx.data(0.0))
        (y,) = choose(
            ctx,
            positive,
            lambda inner, _: [inner.emit("Exp", inner.operand(0))],
            lambda inner, _: [inner.emit("Mul", inner.operand(0), inner.operand(0))],
        )
        ctx.result(y)

    graph = lowered(run)
    (call,) = (node for node in graph.nodes.values() if node.op == "StatelessIf")
    assert call.inputs[1:] == (Ref("x"),)
    assert [len(one.inputs) for one in graph.functions.values()] == [1, 1]
    assert call.outputs == (TensorType("float32", ("n", 3)),)


def test_branches_of_different_dtypes_are_our_bug() -> None:
    def run(ctx: LoweringContext) -> None:
        positive = ctx.emit("Greater", ctx.emit("Sum", ctx.operand(0), ctx.param([0, 1])), ctx.data(0.0))
        choose(ctx, positive, lambda inner, _: [inner.data(0.0)], lambda inner, _: [number(inner, 0)])

    with pytest.raises(InternalError, match="branches return float32 and int32"):
        lowered(run)


def test_a_counter_stays_on_the_host_and_what_data_adds_to_does_not() -> None:
    seen: list[tuple[bool, ...]] = []

    def run(ctx: LoweringContext) -> None:
        def step(inner: LoweringContext, state: tuple[Ref, ...]) -> list[Ref]:
            turn, total, x = state
            seen.append(tuple(is_on_host(inner, value) for value in state))
            largest = inner.emit("ArgMax", inner.emit("Reshape", x, inner.param([1, -1])), inner.param(1))
            more = inner.emit("AddV2", total, inner.emit("Sum", largest, inner.param([0])))
            return [inner.emit("AddV2", turn, number(inner, 1)), more, inner.emit("Exp", x)]

        _, _, y = repeat(
            ctx,
            [number(ctx, 0), number(ctx, 0), ctx.emit("Neg", ctx.operand(0))],
            [COUNT, COUNT, ctx.type(ctx.operand(0))],
            lambda inner, state: inner.emit("Less", state[0], number(inner, 3)),
            step,
        )
        ctx.result(y)

    graph = lowered(run)
    assert seen == [(True, True, True), (True, False, False)]
    assert len(graph.functions) == 2


def test_a_value_that_changes_its_dtype_is_our_bug() -> None:
    def run(ctx: LoweringContext) -> None:
        repeat(
            ctx,
            [number(ctx, 0)],
            [COUNT],
            lambda inner, state: inner.emit("Less", state[0], number(inner, 3)),
            lambda inner, _: [inner.data(0.0)],
        )

    with pytest.raises(InternalError, match="state 0 is int32, but float32 after a step"):
        lowered(run)


@pytest.mark.parametrize(("size", "n_constants"), [(4, 2), (MAX_COPIED_ELEMENTS + 1, 1)])
def test_a_large_constant_is_in_the_file_once(size: int, n_constants: int) -> None:
    text = f"""net (bool c, float[{size}] x) => (float[{size}] y) {{
        y = If (c) <then_branch = yes () => (float[{size}] a) {{ a = Mul (x, w) }},
                    else_branch = no () => (float[{size}] b) {{ b = Add (x, w) }}>
    }}"""
    proto = parser.parse_model(HEAD + text)
    proto.graph.initializer.append(numpy_helper.from_array(np.arange(size, dtype=np.float32), "w"))
    graph = compile_onnx(load_bytes(proto.SerializeToString(), where="test")).graph
    arrays = [array for _, one in graph.walk() for array in one.constants.values() if array.size == size]
    assert len(arrays) == n_constants


def test_a_loop_without_an_end_is_refused() -> None:
    text = """net (float[3] x) => (float[3] y) {
        y = Loop ( , , x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2) {
            s2 = Neg (s) g2 = Constant <value = bool {1}> () }>
    }"""
    with pytest.raises(UnsupportedError, match=r"Loop_0 \(Loop, since 16\): never ends: it has neither a trip count"):
        compile_onnx(load_bytes(parser.parse_model(HEAD + text).SerializeToString(), where="test"))


def test_an_argument_computed_from_data_is_refused_inside_a_loop_as_well() -> None:
    text = """net (int64 m, float[6] x) => (float[6] y) {
        k0 = Constant <value_ints = [1]> ()
        y, k = Loop (m, , x, k0)
          <body = b (int64 i, bool g, float[6] s, int64[1] k1) => (bool g2, float[6] s2, int64[1] k2) {
            zero = Constant <value_ints = [0]> ()
            t = Slice (s, zero, k1)
            u = ReduceSum <keepdims = 1> (t)
            s2 = Add (s, u)
            k2 = ArgMax <axis = 0> (s2)
            g2 = Identity (g) }>
    }"""
    with pytest.raises(UnsupportedError, match=r"Loop_1/body/Slice_1 .*is computed from the model's data"):
        compile_onnx(load_bytes(parser.parse_model(HEAD + text).SerializeToString(), where="test"))


def test_an_argument_that_a_loop_counts_up_is_allowed() -> None:
    text = """net (int64 m, float[6] x) => (float[1] y) {
        k0 = Constant <value_ints = [1]> ()
        z = Constant <value_floats = [0.0]> ()
        y, k = Loop (m, , z, k0)
          <body = b (int64 i, bool g, float[1] s, int64[1] k1) => (bool g2, float[1] s2, int64[1] k2) {
            zero = Constant <value_ints = [0]> ()
            one = Constant <value_ints = [1]> ()
            t = Slice (x, zero, k1)
            u = ReduceSum <keepdims = 1> (t)
            s2 = Add (s, u)
            k2 = Add (k1, one)
            g2 = Identity (g) }>
    }"""
    graph = compile_onnx(load_bytes(parser.parse_model(HEAD + text).SerializeToString(), where="test")).graph
    assert graph.metadata["async"] is True

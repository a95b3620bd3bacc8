"""The laws of LoweringContext and of the registry, on lowerings made for the purpose."""

from collections.abc import Callable

import numpy as np
import pytest
from onnx import parser

from converter.errors import InternalError, UnsupportedError
from converter.lowering import REGISTRY, Registry, lower
from converter.lowering.context import LoweringContext
from converter.onnx_model import OnnxModel, load_bytes, prepare

HEAD = '<ir_version: 8, opset_import: ["" : 18]>\n'
ELU = HEAD + "net (float[n, 3] x) => (float[n, 3] y) { y = Elu <alpha = 2.0> (x) }"


def model(text: str) -> OnnxModel:
    loaded = load_bytes(parser.parse_model(text).SerializeToString(), where="test")
    return prepare(loaded, has_lowering=lambda *_: True)


def registry(run: Callable[[LoweringContext], None], *, const_inputs: tuple[int, ...] = ()) -> Registry:
    own = Registry()
    own.lowers("Elu", since=(6,), const_inputs=const_inputs)(run)
    return own


def test_an_attribute_that_is_not_read_is_refused() -> None:
    own = registry(lambda ctx: ctx.result(ctx.emit("Elu", ctx.operand(0))))
    with pytest.raises(UnsupportedError, match="not understood: alpha"):
        lower(model(ELU), own)


def test_operations_that_tfjs_lacks_are_our_bug() -> None:
    def run(ctx: LoweringContext) -> None:
        ctx.attr("alpha")
        ctx.result(ctx.emit("NoSuchOp", ctx.operand(0)))

    with pytest.raises(InternalError, match="NoSuchOp"):
        lower(model(ELU), registry(run))


def test_an_output_is_bound_once() -> None:
    def run(ctx: LoweringContext) -> None:
        ctx.attr("alpha")
        ctx.result(ctx.operand(0))
        ctx.result(ctx.operand(0))

    with pytest.raises(InternalError, match="bound twice"):
        lower(model(ELU), registry(run))


def test_an_output_must_be_bound() -> None:
    with pytest.raises(InternalError, match="bound no output"):
        lower(model(ELU), registry(lambda ctx: ctx.ignore_attrs("alpha")))


def test_an_output_has_the_dtype_that_onnx_says() -> None:
    def run(ctx: LoweringContext) -> None:
        ctx.attr("alpha")
        ctx.result(ctx.emit("IsNan", ctx.operand(0)))

    with pytest.raises(InternalError, match="ONNX says float32"):
        lower(model(ELU), registry(run))


def test_a_constant_operand_must_be_declared_to_be_read() -> None:
    def run(ctx: LoweringContext) -> None:
        ctx.const(0)

    with pytest.raises(InternalError, match="not declared in const_inputs"):
        lower(model(ELU), registry(run))


def test_an_operand_declared_constant_must_be_known() -> None:
    with pytest.raises(UnsupportedError, match=r"operand 0 \(x\) must be known") as caught:
        lower(model(ELU), registry(lambda ctx: None, const_inputs=(0,)))
    assert "--bind" in caught.value.hint


def test_an_operator_is_registered_once() -> None:
    own = registry(lambda ctx: None)
    with pytest.raises(InternalError, match="lowered twice"):
        own.lowers("Elu", since=(6,))(lambda ctx: None)


def test_another_version_is_never_taken() -> None:
    with pytest.raises(UnsupportedError, match="known: since 6"):
        registry(lambda ctx: None).find("", "Elu", 22)


def test_every_node_that_cannot_be_lowered_is_in_one_error() -> None:
    text = (
        HEAD
        + """net (float[n, 3] x) => (float[n, 3] y) {
        a = Elu (x)
        b = Sin (a)
        c = Cos (b)
        y = Tan (c)
    }"""
    )
    own = Registry()
    own.lowers("Sin", since=(7,))(lambda ctx: ctx.result(ctx.emit("Sin", ctx.operand(0))))
    with pytest.raises(UnsupportedError) as caught:
        lower(model(text), own)
    text = str(caught.value)
    assert "3 nodes" in text
    assert all(op in text for op in ("Elu", "Cos", "Tan"))
    assert "Sin " not in text


def test_integers_that_do_not_fit_are_refused_not_wrapped() -> None:
    text = (
        HEAD
        + """net (int64[3] x) => (int64[3] y) {
        big = Constant <value_ints = [1, 2, 5000000000]> ()
        y = Add (x, big)
    }"""
    )
    with pytest.raises(UnsupportedError, match=r"5000000000") as caught:
        lower(model(text))
    assert "64-bit" in caught.value.hint


def test_names_do_not_depend_on_the_run() -> None:
    first, second = lower(model(ELU)).graph, lower(model(ELU)).graph
    assert list(first.nodes) == list(second.nodes)
    assert all(np.array_equal(first.constants[name], second.constants[name]) for name in first.constants)


def test_graph_inputs_and_outputs_keep_their_onnx_types() -> None:
    text = HEAD + "net (int64[n, 3] x) => (bool[n, 3] y) { y = Cast <to = 9> (x) }"
    graph = lower(model(text)).graph
    assert graph.metadata["inputs"] == [{"name": "x", "dtype": "int64", "shape": ["n", 3]}]
    assert graph.metadata["outputs"] == [{"name": "y", "dtype": "bool", "shape": ["n", 3]}]
    assert list(graph.inputs) == ["x"]
    assert graph.nodes[graph.outputs["y"].node].op == "Identity"


def test_every_registered_version_exists_in_onnx() -> None:
    from onnx import defs

    known = {(s.domain, s.name, s.since_version) for s in defs.get_all_schemas_with_history()}
    assert [str(key) for key in REGISTRY.table if (key.domain, key.op, key.since) not in known] == []

"""Recurrences as loops and unrolled: which of them, the same values, call after call, and nothing left behind."""

import numpy as np
import pytest
from onnx import TensorProto

from converter.onnx_model import load_bytes
from converter.parity.compare import Tolerance, compare
from converter.pipeline.compile import Compiled, compile_onnx, write_graph
from converter.runtimes.onnxruntime_ import OnnxRuntime
from converter.tfjs.recurrence import UNROLL_LIMIT
from converter.tfjs.verify import verify
from tests.ops.case import Case
from tests.ops.cases.recurrent import recurrent
from tests.ops.test_ops import RUNTIMES

WIDTH = 5
LONG = 6
STEP_NODES = 12  # of an LSTM
DYNAMIC = recurrent(
    "calls", "LSTM", "C", directions=2, lengths=np.int32([2, 4, 1]), declared={"X": ("t", "n", WIDTH), "L": ("n",)}
)


def lstm(n_steps: int | str, **rest) -> Case:
    declared = {"X": (n_steps, 3, WIDTH)} if isinstance(n_steps, str) else {}
    return recurrent("limit", "LSTM", "B", steps=LONG if declared else n_steps, declared=declared, **rest)


def compiled(case: Case, **options) -> Compiled:
    model = load_bytes(case.model().SerializeToString(), where=case.id)
    return compile_onnx(model, on_pass=lambda _, graph: verify(graph), **options)


def is_loop(case: Case, **options) -> bool:
    graph = compiled(case, **options).graph
    has_loop = "StatelessWhile" in graph.count_ops()
    assert graph.metadata["async"] == has_loop
    assert "Recurrence" not in graph.count_ops()
    return has_loop


def feed_of(n_steps: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(n_steps)
    feed = {name: array for name, array in DYNAMIC.feed().items() if name != "X"}
    feed["X"] = rng.uniform(-1, 1, (n_steps, 3, WIDTH)).astype(np.float32)
    feed["L"] = np.minimum(feed["L"], n_steps)
    return feed


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_calls_of_different_lengths_leave_nothing_behind(runtime, pool, tmp_path):
    write_graph(compiled(DYNAMIC), tmp_path)
    reference = OnnxRuntime().load(DYNAMIC.model().SerializeToString())
    model = pool.get(runtime).load(tmp_path)
    try:
        for n_steps in (4, 7, 1, 4):
            feed = feed_of(n_steps)
            wanted, got = reference.run(feed).outputs, model.run(feed).outputs
            assert [one for one in compare(wanted, got, Tolerance(1e-5, 1e-4)) if one.bad] == []
            again = model.run(feed).outputs
            assert {name: array.tobytes() for name, array in again.items()} == {
                name: array.tobytes() for name, array in got.items()
            }
        assert len(set(model.bench(feed_of(4), 4).n_tensors)) == 1
    finally:
        model.close()


@pytest.mark.parametrize("options", [{}, {"declared": {"X": ("t", "n", WIDTH)}}], ids=["limit", "dynamic"])
@pytest.mark.parametrize("op", ["RNN", "GRU", "LSTM"])
def test_a_loop_computes_what_the_steps_do(op, options, pool, tmp_path):
    case = recurrent("both-ways", op, "H", directions=2, lengths=np.int32([4, 2, 3]), **options)
    wanted = OnnxRuntime().load(case.model().SerializeToString()).run(case.feed()).outputs
    assert is_loop(case, unroll_limit=0)
    for limit in (0, None):
        write_graph(compiled(case, unroll_limit=limit), tmp_path / str(limit))
        model = pool.get("tfjs-cpu@node").load(tmp_path / str(limit))
        got = model.run(case.feed()).outputs
        model.close()
        assert [one for one in compare(wanted, got, Tolerance(1e-5, 1e-4)) if one.bad] == []


def test_only_what_is_long_or_dynamic_becomes_a_loop():
    assert is_loop(lstm("t"))
    assert is_loop(lstm("t"), unroll_limit=10**6)
    assert not is_loop(lstm(LONG))
    assert not is_loop(lstm(LONG), unroll_limit=LONG * STEP_NODES)
    assert is_loop(lstm(LONG), unroll_limit=LONG * STEP_NODES - 1)
    assert is_loop(lstm(UNROLL_LIMIT // STEP_NODES + 1))


def test_a_loop_holds_a_step_and_what_is_read_of_it():
    functions = compiled(lstm("t", outputs={"": TensorProto.FLOAT, "YH": TensorProto.FLOAT})).graph.functions
    ops = [op for function in functions.values() for op in function.count_ops()]
    assert "TensorListSetItem" not in ops
    assert ops.count("MatMul") + ops.count("_FusedMatMul") == 1  # that of the input is in front of the loop
    functions = compiled(lstm("t")).graph.functions
    assert "TensorListSetItem" in [op for function in functions.values() for op in function.count_ops()]


def test_the_first_step_from_zeros_multiplies_nothing():
    ops = compiled(lstm(LONG)).graph.count_ops()
    assert ops["MatMul"] + ops.get("_FusedMatMul", 0) == LONG  # one for the input of all steps
    assert "Fill" not in ops

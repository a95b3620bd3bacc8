"""Graphs with sub-graphs, sequences, optionals and functions, through every runtime."""

from collections.abc import Iterator

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from converter.onnx_model import load_bytes
from converter.onnx_model.prepare import HANDLERS
from converter.parity.compare import Tolerance, compare
from converter.pipeline.compile import Compiled, compile_onnx, write_graph
from converter.runtimes.onnxruntime_ import OnnxRuntime
from converter.tfjs.verify import verify
from tests.ops.graph_case import GraphCase, run_twice
from tests.ops.graph_cases import GRAPH_CASES

RUNTIMES = ("tfjs-cpu@node", "tfjs-wasm@node", "tfjs-webgl@chromium", "tfjs-webgpu@chromium")
CALLS = {"StatelessIf", "StatelessWhile"}


def compiled(case: GraphCase) -> Compiled:
    loaded = load_bytes(case.model().SerializeToString(), where=case.id)
    return compile_onnx(loaded, on_pass=lambda _, graph: verify(graph))


def elements(name: str, value: object) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(value, list):
        yield from ((f"{name}/{index}", np.asarray(one)) for index, one in enumerate(value))
    else:
        yield name, np.asarray(value)


def expected(case: GraphCase) -> list[dict[str, np.ndarray]]:
    proto = case.model()
    if case.reference == "onnxruntime":
        model = OnnxRuntime().load(proto.SerializeToString())
        results = [list(model.run(feed).outputs.values()) for feed in case.feeds]
    else:
        results = [ReferenceEvaluator(proto).run(None, dict(feed)) for feed in case.feeds]
    names = [info.name for info in proto.graph.output]
    return [
        {key: array for name, value in zip(names, values, strict=True) for key, array in elements(name, value)}
        for values in results
    ]


def typed(arrays: dict[str, np.ndarray]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (array.dtype.name, array.shape) for name, array in arrays.items()}


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("case", GRAPH_CASES, ids=lambda case: case.id)
def test_graph_agrees_with_reference(case, runtime, pool, tmp_path):
    write_graph(compiled(case), tmp_path)
    model = pool.get(runtime).load(tmp_path)
    try:
        results = [run_twice(model, feed, runtime) for feed in case.feeds]
    finally:
        model.close()
    for got, wanted in zip(results, expected(case), strict=True):
        assert typed(got) == typed(wanted)
        if any(array.size for array in wanted.values()):
            verdicts = compare(wanted, got, Tolerance(case.atol, case.rtol))
            assert [verdict for verdict in verdicts if verdict.bad] == []


@pytest.mark.parametrize("case", GRAPH_CASES, ids=lambda case: case.id)
def test_what_is_known_is_decided_before_the_graph_runs(case):
    graph = compiled(case).graph
    assert CALLS & set(graph.count_ops()) == case.left
    assert graph.metadata["async"] == bool(case.left)


def test_every_version_has_a_case():
    assert set(HANDLERS) - {version for case in GRAPH_CASES for version in case.versions()} == set()


def test_case_ids_are_unique():
    ids = [case.id for case in GRAPH_CASES]
    assert len(ids) == len(set(ids))

from functools import lru_cache

import numpy as np
import onnx
import pytest
from onnx import defs
from onnx.reference import ReferenceEvaluator

from converter.lowering import REGISTRY
from converter.lowering.ops import FAMILIES, load_all
from converter.lowering.registry import OpKey
from converter.onnx_model import load_bytes
from converter.onnx_model.contributed import VERSION
from converter.parity.compare import Tolerance, compare
from converter.pipeline.compile import compile_onnx, write_graph
from converter.runtimes.onnxruntime_ import OnnxRuntime
from converter.tfjs.verify import verify
from tests.ops.cannot import CANNOT, GPU_ATOL, GPU_RUNTIMES
from tests.ops.case import Case
from tests.ops.cases import CASES
from tests.ops.graph_case import run_twice
from tests.ops.graph_cases import GRAPH_CASES

RUNTIMES = ("tfjs-cpu@node", "tfjs-wasm@node", "tfjs-webgl@chromium", "tfjs-webgpu@chromium")


def expected(case: Case) -> dict[str, np.ndarray]:
    proto = case.model()
    if case.reference == "onnxruntime":
        return OnnxRuntime().load(proto.SerializeToString()).run(case.feed()).outputs
    if callable(case.reference):
        return {proto.graph.output[0].name: case.reference(*case.arrays().values())}
    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(proto).run(None, case.feed())
    return {info.name: np.asarray(array) for info, array in zip(proto.graph.output, results, strict=True)}


def typed(arrays: dict[str, np.ndarray]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (array.dtype.name, array.shape) for name, array in arrays.items()}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A case's graph on disk and its reference outputs, kept for the other runtimes, whose tests come next."""

    @lru_cache(maxsize=1)
    def compile_case(case):
        folder = tmp_path_factory.mktemp("graph")
        model = load_bytes(case.model().SerializeToString(), where=case.id)
        write_graph(compile_onnx(model, on_pass=lambda _, graph: verify(graph)), folder)
        return folder, expected(case)

    return compile_case


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_op_agrees_with_reference(case, runtime, request, pool, compiled):
    if reason := CANNOT.get((runtime, case.id)):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    folder, wanted = compiled(case)
    model = pool.get(runtime).load(folder)
    try:
        got = run_twice(model, case.feed(), runtime)
    finally:
        model.close()
    assert typed(got) == typed(wanted)
    if not any(array.size for array in wanted.values()):
        return
    atol = max(case.atol, GPU_ATOL.get(case.op, 0.0)) if runtime in GPU_RUNTIMES else case.atol
    verdicts = compare(wanted, got, Tolerance(atol, case.rtol))
    assert [verdict for verdict in verdicts if verdict.bad] == []


def since_of(case: Case) -> int:
    return int(defs.get_schema(case.op, VERSION if case.domain else case.opset, case.domain).since_version)


def test_case_ids_are_unique():
    ids = [case.id for case in CASES]
    assert len(ids) == len(set(ids))


def test_every_lowering_has_a_case():
    load_all()
    covered = {OpKey(case.domain, case.op, since_of(case)) for case in CASES}
    covered |= {OpKey("", op, since) for case in GRAPH_CASES for op, since in case.versions() if op in ("If", "Loop")}
    assert sorted(map(str, set(REGISTRY.table) - covered)) == []


def test_every_family_is_listed():
    from pathlib import Path

    import converter.lowering.ops as ops

    files = {file.stem for file in Path(ops.__file__).parent.glob("[a-z]*.py")}
    assert files == set(FAMILIES)
    assert onnx.defs.onnx_opset_version() >= 18

from pathlib import Path

import numpy as np
import pytest
from onnx import parser

from converter.config import Config, ParitySection
from converter.onnx_model import load_bytes, save
from converter.parity.agreement import Agreement
from converter.parity.inputs import Sample
from converter.pipeline.compare_engines import EngineComparison, Recorder, all_of, compare_engines, has_rival
from converter.pipeline.compile import compile_onnx, write_graph
from converter.pipeline.events import silent
from converter.pipeline.make import formats_in
from converter.pipeline.prove import prove, reference_of
from converter.runtimes import RuntimePool

MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
scaled (float[batch, 3] x) => (float[batch, 3] y)
<float[3] w = {{0.5, -1.0, {last}}}>
{{ y = Mul(x, w) }}
"""
RUNTIME = "tfjs-cpu@node"


def graph(folder: Path, last: float) -> Path:
    text = MODEL.format(last=last)
    loaded = load_bytes(parser.parse_model(text).SerializeToString(), where="test")
    folder.mkdir()
    save(loaded, folder / "model.onnx")
    write_graph(compile_onnx(loaded), folder / "tfjs")
    return folder


def compared(pool: RuntimePool, first: Path, second: Path) -> EngineComparison:
    """Two graphs where `first` has the ONNX model that is the reference of both."""
    samples = [Sample("one", {"x": np.array([[1.0, 2.0, 3.0]], np.float32)})]
    agreement, recorder = Agreement.of(ParitySection()), Recorder()
    reference = reference_of(pool.get("onnxruntime"), first / "model.onnx", samples, agreement, emit=silent)
    models = {RUNTIME: first / "tfjs"}
    seen: list[str] = []
    listen = all_of(recorder.keep, lambda runtime, *_: seen.append(runtime))
    proof = prove(pool, reference, models, samples, agreement, not_run={}, emit=silent, on_outputs=listen)
    assert seen == [RUNTIME]
    graphs = (first / "tfjs", proof), second / "tfjs"
    return compare_engines(pool, reference, *graphs, samples, agreement, recorder, emit=silent)


def test_graphs_that_are_the_same_agree(tmp_path: Path, pool: RuntimePool) -> None:
    found = compared(pool, graph(tmp_path / "a", 2.0), graph(tmp_path / "b", 2.0))
    assert found.report.passed
    assert found.faults == ()
    assert found.distances == {RUNTIME: 0.0}
    direct, chain = found.engines
    assert (direct.name, chain.name) == ("direct", "onnx-tf")
    assert direct.n_nodes == chain.n_nodes > 0
    assert direct.size_bytes == sum(file.stat().st_size for file in (tmp_path / "a" / "tfjs").iterdir())
    assert chain.predict_ms.keys() == {RUNTIME}


def test_graph_that_computes_otherwise_is_measured_and_fails(tmp_path: Path, pool: RuntimePool) -> None:
    found = compared(pool, graph(tmp_path / "a", 2.0), graph(tmp_path / "b", 2.25))
    assert not found.report.passed
    assert found.distances == {RUNTIME: 0.75}
    assert [one.max_abs[RUNTIME] for one in found.engines] == [0.0, 0.75]
    assert [fault.startswith(f"the graph of onnx-tf fails in {RUNTIME}") for fault in found.faults] == [True]
    document = found.as_json(timings=False)
    assert document["distances"] == {RUNTIME: 0.75}
    assert document["parity"]["status"] == "failed"
    assert "predict_ms" not in document["figures"][0]
    assert found.as_json(timings=True)["figures"][0]["predict_ms"].keys() == {RUNTIME}


def test_what_is_no_number_in_one_of_them_is_infinitely_far() -> None:
    recorder = Recorder()
    number, other = np.array([1.0, np.nan, np.inf]), np.array([1.0, np.nan, 2.0])
    recorder.keep(RUNTIME, "one", {"y": number})
    recorder.compare(RUNTIME, "one", {"y": number})
    assert recorder.distances == {RUNTIME: 0.0}
    recorder.compare(RUNTIME, "one", {"y": other})
    assert recorder.distances == {RUNTIME: float("inf")}


def test_only_graph_models_have_a_rival() -> None:
    names = ("tfjs-wasm@node", "tfjs-layers-cpu@node", "onnxruntime", "saved-model", "onnxruntime-web@node")
    assert [name for name in names if has_rival(name)] == ["tfjs-wasm@node"]


@pytest.mark.parametrize(
    ("settings", "formats"),
    [
        ({}, set()),
        ({"also": ["layers"]}, {"tfjs-layers"}),
        ({"also": ["saved-model"]}, {"saved-model"}),
        ({"engine": "onnx-tf"}, {"saved-model"}),
        ({"engine": "both", "also": ["layers", "saved-model"]}, {"saved-model", "tfjs-layers"}),
    ],
)
def test_formats_follow_from_the_engine_and_from_also(settings: dict[str, object], formats: set[str]) -> None:
    assert set(formats_in(Config.model_validate({"name": "model", **settings}))) == formats

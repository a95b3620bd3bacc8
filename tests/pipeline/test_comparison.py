"""The benchmark beside other tools, on a small model and without their environments."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks import conversions, execution
from benchmarks.compare import nodes_of
from benchmarks.conversions import Conversion, convert_ours, measure
from benchmarks.document import conversion_ratios, slower, write_document
from benchmarks.execution import execute, laid_out, largest_error, make_runnable, profile
from benchmarks.subjects import Subject
from converter.errors import ConverterError
from converter.runtimes import RuntimePool

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def mlp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Subject:
    monkeypatch.setattr(conversions, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(conversions, "N_OWN_RUNS", 1)
    random = np.random.default_rng(5)
    weights = [
        numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)
        for name, shape in (("w1", (8, 16)), ("w2", (16, 4)))
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "w2"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name, size in (("x", 8), ("y", 4))]
    graph = helper.make_graph(nodes, "mlp", ends[:1], ends[1:], weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "model.onnx"
    )
    np.savez(tmp_path / "inputs.npz", x=random.standard_normal((1, 8)).astype(np.float32))
    return Subject("mlp", tmp_path)


def test_a_model_is_converted_run_in_turn_with_others_and_told(mlp: Subject, tmp_path: Path) -> None:
    ours = convert_ours(mlp)
    assert (ours.error, ours.source) == ("", "model.onnx")
    assert 0.05 < ours.cpu_s < 60
    assert 20 < ours.peak_mb < 2000
    assert nodes_of(ours.folder)["ops"]["_FusedMatMul"] == 1
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    for file in ours.folder.iterdir():
        content = file.read_bytes()
        (wrong / file.name).write_bytes(content if file.suffix == ".json" else bytes(len(content)))
    graphs = {"ours": ours.folder, "onnx-tf": ours.folder, "onnx2tf": wrong, "onnx2tf-2": tmp_path / "nothing"}
    with RuntimePool() as pool:
        found = {one.tool: one for one in execute(pool, "tfjs-wasm@node", mlp, graphs, 0.5)}
        kernels = profile(pool, mlp, ours.folder)
    assert found["ours"].ratio == 1.0
    same = found["onnx-tf"]  # the same graph; how near 1 depends on the machine's other work
    assert None not in (same.ratio_low, same.ratio, same.ratio_high)
    assert 0 < same.ratio_low <= same.ratio <= same.ratio_high
    assert found["onnxruntime-web"].error is not None
    assert found["onnxruntime-web"].error < 1e-5
    assert found["onnxruntime-web"].n_runs >= execution.MIN_ROUNDS
    assert found["onnx2tf"].failure == "wrong results"
    assert "model.json can't be read" in found["onnx2tf-2"].failure
    assert kernels["_FusedMatMul"] > 0
    assert not any(name.endswith("__op") for name in kernels)
    failed = Conversion("onnx-tf", "mlp", "model.onnx", 1, 1, 1, "ValueError: no | such thing")
    results = {
        "machine": {
            "system": "Linux",
            "architecture": "x86_64",
            "n_cores": 2,
            "python": "3",
            "packages": {"onnx": "1"},
            "load_before": 1,
            "load_after": 1,
        },
        "conversions": [
            ours.as_json(),
            failed.as_json(),
            Conversion("onnx2tf", "mlp", "model.onnx", 9, 10 * ours.cpu_s, 9).as_json(),
        ],
        "graphs": [
            {"model": "mlp", "tool": "ours", "bytes": {"raw": 3, "gzip": 2, "brotli": 1}} | nodes_of(ours.folder)
        ],
        "executions": [one.as_json() for one in found.values()],
        "profiles": {"mlp": kernels},
    }
    write_document(json.loads(json.dumps(results, allow_nan=False)), tmp_path)
    told = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "the fastest peer takes 10 times our CPU time" in told
    assert "`ValueError: no / such thing`" in told
    assert "- mlp, onnx2tf 1.29, tfjs-wasm@node: `wrong results`" in told
    assert "<svg" in (tmp_path / "benchmarks-execution.svg").read_text(encoding="utf-8")


def test_what_a_process_and_its_children_take_is_measured(tmp_path: Path) -> None:
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'x = bytearray(90_000_000)'], check=True)"
    command = [str(Path(conversions.sys.executable)), "-c", script]
    ended = measure(command, tmp_path)
    assert ended.taken.status == 0
    assert ended.taken.peak_bytes > 90e6
    failed = measure([command[0], "-c", "raise ValueError('it is broken')"], tmp_path)
    assert failed.taken.status == 1
    assert failed.of("onnx-tf", Subject("m", tmp_path), tmp_path / "m.onnx").error == "ValueError: it is broken"


def test_inputs_are_laid_out_as_a_graph_wants_them() -> None:
    image = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    dims = [{"size": str(size)} for size in (1, 3, 4, 2)]
    signature = {"inputs": {"renamed": {"dtype": "DT_FLOAT", "tensorShape": {"dim": dims}}}}
    assert np.array_equal(laid_out(signature, {"image": image})["renamed"], image.transpose(0, 2, 3, 1))
    with pytest.raises(ConverterError, match="doesn't fit"):
        laid_out(signature, {"image": image[:, :1]})
    with pytest.raises(ConverterError, match="1 inputs, the model 2"):
        laid_out(signature, {"image": image, "other": image})


def test_errors_are_told_whatever_the_order_of_outputs_and_axes() -> None:
    one, other = np.arange(6.0).reshape(1, 2, 3), np.arange(4.0)
    assert largest_error([one, other], [other, one.transpose(0, 2, 1)]) == 0
    assert largest_error([other], [other + np.array([0, 0, 0, 0.3])]) == pytest.approx(0.1)
    assert largest_error([one], [other]) == float("inf")
    assert largest_error([other], [np.full(4, np.nan)]) == float("inf")


def test_a_graph_with_loops_is_run_asynchronously(tmp_path: Path) -> None:
    topology = {"node": [{"op": "Placeholder"}], "library": {"function": [{"nodeDef": [{"op": "StatelessWhile"}]}]}}
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"modelTopology": topology}), encoding="utf-8")
    make_runnable(tmp_path)
    assert json.loads(file.read_text(encoding="utf-8"))["userDefinedMetadata"] == {"async": True}


def test_only_what_is_beyond_noise_counts_as_slower() -> None:
    rows = [{"ratio": ratio, "ratio_low": low} for ratio, low in ((1.2, 1.1), (1.2, 0.9), (1.01, 1.0), (None, None))]
    assert slower(rows) == rows[:1]
    fails = {"tool": "onnx-tf", "model": "m", "cpu_s": 1, "error": "x"}
    assert conversion_ratios([{"tool": "ours", "model": "m", "cpu_s": 1, "error": ""}, fails]) == []


def test_the_published_document_is_what_the_published_results_say(tmp_path: Path) -> None:
    results = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))
    write_document(results, tmp_path)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {"benchmarks.md", "benchmarks-conversion.svg", "benchmarks-execution.svg"}
    for name in names:
        assert (tmp_path / name).read_text(encoding="utf-8") == (DOCS / name).read_text(encoding="utf-8")

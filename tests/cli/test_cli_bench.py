from pathlib import Path

import onnx
import pytest
from onnx import parser

from tests.cli.conftest import MLP, Cli

NODE = ("--runtimes", "onnxruntime,tfjs-wasm@node", "--runs", "10")
BUDGETS = """
name: mlp
model: {checkpoint: mlp.onnx}
budgets: {load_ms: 60000, predict_p99_ms: 60000, memory_mb: 500, artifact_kb: 100}
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from converter.cli import main

    root = tmp_path_factory.mktemp("bench")
    onnx.save(parser.parse_model(MLP), root / "mlp.onnx")
    (root / "mlp.yaml").write_text(BUDGETS)
    assert main(["convert", str(root / "mlp.yaml"), "--runtimes", "tfjs-wasm@node", "--quiet"]) == 0
    return root / "artifacts/mlp/0.1.0"


def test_bench_measures_every_runtime(cli: Cli, artifact: Path) -> None:
    run = cli("bench", artifact, *NODE, "--json")
    assert (run.code, run.err) == (0, "")
    document = run.document
    assert (document["status"], document["exceeded"]) == ("ok", [])
    plain, wasm = document["runtimes"]
    assert (plain["name"], wasm["name"]) == ("onnxruntime", "tfjs-wasm@node")
    assert wasm["n_runs"] == 10
    assert 0 < wasm["predict_p50_ms"] <= wasm["predict_p95_ms"] <= wasm["predict_p99_ms"]
    assert wasm["load_ms"] > 0
    assert wasm["warm_up_ms"] > 0
    assert (wasm["n_leaked"], plain["n_leaked"]) == (0, None)
    assert wasm["tensor_bytes"] >= 8 * 4
    assert wasm["memory_mb"] == pytest.approx((wasm["heap_bytes"] + wasm["wasm_bytes"]) / 1e6)
    assert wasm["info"]["versions"]["tfjs"]


def test_bench_weighs_what_a_browser_fetches(cli: Cli, artifact: Path) -> None:
    wire = cli("bench", artifact, *NODE, "--json").document["wire"]
    assert wire.keys() == {
        "model.onnx",
        "tfjs/model.json",
        *(f"tfjs/{p.name}" for p in (artifact / "tfjs").glob("*.bin")),
    }
    for path, size in wire.items():
        assert size["raw"] == (artifact / path).stat().st_size
    graph = wire["tfjs/model.json"]
    assert graph["brotli"] < graph["gzip"] < graph["raw"]


def test_bench_for_people(cli: Cli, artifact: Path) -> None:
    run = cli("bench", artifact, *NODE)
    assert run.code == 0
    assert "tfjs-wasm@node" in run.out
    assert "by brotli" in run.out
    assert "within 4 budgets" in run.out
    assert cli("bench", artifact, *NODE, "-q").out == "ok\n"


def test_no_budget_is_claimed_to_be_met_where_there_is_none(cli: Cli, mlp: Path, tmp_path: Path) -> None:
    assert cli("convert", mlp, "--artifacts", tmp_path, "--runtimes", "tfjs-cpu@node").code == 0
    bench = ("bench", tmp_path / "mlp/0.1.0", "--runtimes", "tfjs-cpu@node", "--runs", "10")
    run = cli(*bench)
    assert run.code == 0
    assert "within" not in run.out
    assert "no budgets: none in the config" in run.out
    assert cli(*bench, "--json").document["n_budgets"] == 0
    assert "within 1 budget " in cli(*bench, "--budget", "artifact_kb=100000").out


@pytest.mark.parametrize("budget", ["predict_p99_ms=0.0001", "load_ms=0.0001", "memory_mb=0.0001", "artifact_kb=0.01"])
def test_an_exceeded_budget_is_named(cli: Cli, artifact: Path, budget: str) -> None:
    run = cli("bench", artifact, "--runtimes", "tfjs-cpu@node", "--runs", "10", "--budget", budget)
    assert run.code == 8
    name, _, limit = budget.partition("=")
    (line,) = [line for line in run.out.splitlines() if line.startswith("exceeded")]
    place = "TF.js files" if name == "artifact_kb" else "tfjs-cpu@node"
    assert line.startswith(f"exceeded {place}: {name} is ")
    assert line.endswith(f"the budget is at most {float(limit):g}")


def test_budgets_of_the_config_hold(cli: Cli, artifact: Path, tmp_path: Path) -> None:
    config = tmp_path / "mlp.yaml"
    config.write_text(BUDGETS.replace("predict_p99_ms: 60000", "predict_p99_ms: 0.0001"))
    onnx.save(parser.parse_model(MLP), tmp_path / "mlp.onnx")
    assert cli("convert", config, "--runtimes", "tfjs-wasm@node").code == 0
    run = cli("bench", tmp_path / "artifacts/mlp/0.1.0", *NODE, "--json")
    assert run.code == 8
    assert [(one["budget"], one["where"]) for one in run.document["exceeded"]] == [
        ("predict_p99_ms", "onnxruntime"),
        ("predict_p99_ms", "tfjs-wasm@node"),
    ]


def test_bench_writes_a_page(cli: Cli, artifact: Path, tmp_path: Path) -> None:
    report = tmp_path / "bench.html"
    assert cli("bench", artifact, *NODE, "--report", report, "--budget", "load_ms=0.001").code == 8
    page = report.read_text(encoding="utf-8")
    for part in ("limits exceeded", "Latency", "brotli", "load_ms is"):
        assert part in page, part


def test_an_exceeded_budget_is_annotated(cli: Cli, artifact: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    run = cli("bench", artifact, "--runtimes", "tfjs-cpu@node", "--runs", "10", "--budget", "load_ms=0.001")
    assert [line for line in run.err.splitlines() if line.startswith("::error ")] != []
    assert "❌ tfjs-cpu@node: load\\_ms is" in (tmp_path / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["load_ms", "load_ms=fast", "load_ms=0", "load_ms=nan", "=3", "speed=3", "metrics=3"])
def test_a_budget_that_is_none_is_refused(cli: Cli, artifact: Path, text: str) -> None:
    run = cli("bench", artifact, *NODE, "--budget", text)
    assert (run.code, run.out) == (2, "")
    assert "--budget" in run.err


def test_a_runtime_that_cannot_start_is_an_error(cli: Cli, artifact: Path, tmp_path: Path) -> None:
    run = cli("bench", artifact, "--runtimes", "tfjs-wasm@chromium", "--browser", tmp_path / "none")
    assert run.code == 7


def test_a_damaged_artifact_is_not_measured(cli: Cli, artifact: Path, tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(artifact, tmp_path / "copy")
    (copy / "model.onnx").write_bytes(b"")
    assert cli("bench", copy, *NODE).code == 6


@pytest.mark.parametrize(
    ("budgets", "code"),
    [
        pytest.param("accuracy: 0.5", 8, id="metric-nobody-measured"),
        pytest.param("artifact_kb: 0.5", 8, id="size"),
        pytest.param("artifact_kb: 500", 0, id="kept"),
    ],
)
def test_convert_holds_budgets_that_need_no_clock(cli: Cli, mlp: Path, budgets: str, code: int) -> None:
    config = mlp.parent / "m.yaml"
    config.write_text(f"name: mlp\nmodel: {{checkpoint: mlp.onnx}}\nbudgets: {{{budgets}}}\n")
    run = cli("convert", config, "--runtimes", "tfjs-wasm@node")
    assert run.code == code, run.err
    if code:
        assert budgets.partition(":")[0] in run.err
        assert list((mlp.parent / "artifacts").glob("mlp/*")) == []


def test_bench_against_the_formula_needs_a_training(cli: Cli, artifact: Path) -> None:
    run = cli("bench", artifact, *NODE, "--against", "legacy")
    assert run.code == 2
    assert "no record of a training" in run.err
    assert cli("bench", artifact, "--against", "tarot").code == 2

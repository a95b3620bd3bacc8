"""Weights in fewer bytes: chosen by hand, by pattern, and within an error budget."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from converter.cli import main
from converter.config import resolve
from converter.errors import BudgetError, ConfigError, ParityError
from converter.pipeline.convert import ConvertOutcome, convert
from converter.pipeline.encode_mix import MAX_ADDED, MAX_PROBED, MAX_PROPOSED
from converter.pipeline.events import Event, StepAdvanced, StepFinished, StepStarted

RUNTIMES = ("onnxruntime", "tfjs-wasm@node")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three layers, the middle one of which hardly matters."""
    rng = np.random.default_rng(0)
    scales = {"first": 0.3, "middle": 1e-4, "last": 0.3}
    nodes, constants, value = [], [], "x"
    for name, scale in scales.items():
        constants.append(
            numpy_helper.from_array((rng.normal(size=(32, 32)) * scale).astype(np.float32), f"{name}.weight")
        )
        nodes.append(helper.make_node("MatMul", [value, f"{name}.weight"], [f"{name}.out"], name=name))
        nodes.append(helper.make_node("Add" if name == "middle" else "Tanh", *_ends(name, value), name=f"{name}.end"))
        value = f"{name}.end"
    return stored(nodes, constants, value, tmp_path_factory.mktemp("model") / "layers.onnx")


def stored(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], output: str, path: Path) -> Path:
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 32])],
        [helper.make_tensor_value_info(output, onnx.TensorProto.FLOAT, ["batch", 32])],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def _ends(name: str, value: str) -> tuple[list[str], list[str]]:
    return ([f"{name}.out", value] if name == "middle" else [f"{name}.out"]), [f"{name}.end"]


def converted(model: Path, folder: Path, **weights: Any) -> ConvertOutcome:
    settings = {f"weights.{key}": value for key, value in weights.items()}
    if "max_error" not in weights:
        settings["parity.tolerances.quantised-weights"] = {"atol": 0.1, "rtol": 0.1}
    resolved = resolve(None, {"name": "layers", "model.checkpoint": model, "artifacts": folder, **settings})
    return convert(resolved, runtimes=RUNTIMES)


def encodings(outcome: ConvertOutcome) -> dict[str, str]:
    document = json.loads((outcome.folder / "tfjs/model.json").read_bytes())
    specs = [spec for group in document["weightsManifest"] for spec in group["weights"] if np.prod(spec["shape"]) > 1]
    return {spec["name"]: spec.get("quantization", {"dtype": spec["dtype"]})["dtype"] for spec in specs}


def rounded(outcome: ConvertOutcome) -> dict[str, int]:
    document = json.loads((outcome.folder / "tfjs/model.json").read_bytes())
    found: dict[str, int] = document["userDefinedMetadata"].get("roundedWeights", {})
    return found


def errors(outcome: ConvertOutcome) -> float:
    assert outcome.report
    return next(one.max_abs for one in outcome.report.runtimes if one.name == "tfjs-wasm@node")


@pytest.mark.parametrize("encoding", ["float16", "uint16", "uint8"])
def test_one_encoding_for_all(model: Path, tmp_path: Path, encoding: str) -> None:
    outcome = converted(model, tmp_path, encoding=encoding)
    assert set(encodings(outcome).values()) == {encoding}
    assert errors(outcome) > 1e-5
    (verdict,) = [one for one in outcome.report.runtimes if one.name == "tfjs-wasm@node"] if outcome.report else []
    assert verdict.classes == ("quantised-weights",)
    assert rounded(outcome) == {encoding: 3}


def test_float32_is_exact_and_says_nothing_of_rounding(model: Path, tmp_path: Path) -> None:
    outcome = converted(model, tmp_path)
    assert set(encodings(outcome).values()) == {"float32"}
    assert errors(outcome) < 1e-5
    assert rounded(outcome) == {}


def test_a_pattern_names_single_weights(model: Path, tmp_path: Path) -> None:
    outcome = converted(model, tmp_path, encoding="uint8", tensors={"*last*": "float32", "*": "float16"})
    found = encodings(outcome)
    assert {encoding for name, encoding in found.items() if "last" in name} == {"float32"}
    assert {encoding for name, encoding in found.items() if "last" not in name} == {"float16"}


def test_a_pattern_that_names_nothing_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no weight that can be rounded is called head") as refused:
        converted(model, tmp_path, tensors={"head": "uint8"})
    assert "first" in str(refused.value.hint)
    assert not list(tmp_path.rglob("manifest.json"))


def test_auto_rounds_what_costs_least(model: Path, tmp_path: Path) -> None:
    outcome = converted(model, tmp_path, encoding="auto", max_error=1e-3)
    found = encodings(outcome)
    assert {encoding for name, encoding in found.items() if "middle" in name} == {"uint8"}
    assert {encoding for name, encoding in found.items() if "middle" not in name} <= {"uint16", "float16"}
    *alike, chosen = outcome.trials
    assert [one.name for one in alike] == ["float32", "float16", "uint16", "uint8"]
    assert errors(outcome) == pytest.approx(chosen.max_error)
    assert chosen.max_error <= 1e-3 < alike[-1].max_error
    shards = sum(file.stat().st_size for file in (outcome.folder / "tfjs").glob("*.bin"))
    assert chosen.size_bytes == shards < alike[2].size_bytes
    assert [one.tolerances["last.end"].atol for one in outcome.manifest.parity.runtimes] == [1e-3]
    assert "Weights tried" in (outcome.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tower(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight residual layers of different sizes and weights, each of which can be told from the others."""
    rng = np.random.default_rng(1)
    nodes, constants, value = [], [], "x"
    for index, (width, scale) in enumerate(
        zip((16, 96, 32, 64, 24, 48, 12, 80), np.geomspace(1, 1e-3, 8), strict=True)
    ):
        up, down = f"layer{index}.up", f"layer{index}.down"
        constants.append(numpy_helper.from_array(rng.normal(size=(32, width)).astype(np.float32) * 0.2, up))
        shape = (width, 32)
        constants.append(numpy_helper.from_array((rng.normal(size=shape) * 0.1 * scale).astype(np.float32), down))
        nodes += [
            helper.make_node("MatMul", [value, up], [f"{up}.out"], name=up),
            helper.make_node("Relu", [f"{up}.out"], [f"{up}.relu"], name=f"{up}.relu"),
            helper.make_node("MatMul", [f"{up}.relu", down], [f"{down}.out"], name=down),
            helper.make_node("Add", [value, f"{down}.out"], [f"layer{index}"], name=f"layer{index}"),
        ]
        value = f"layer{index}"
    return stored(nodes, constants, value, tmp_path_factory.mktemp("model") / "tower.onnx")


@pytest.mark.parametrize("max_error", [1e-3, 3e-3, 8e-3])
def test_a_mix_is_inside_the_budget_and_smaller_than_one_encoding(
    tower: Path, tmp_path: Path, max_error: float
) -> None:
    outcome = converted(tower, tmp_path, encoding="auto", max_error=max_error)
    *alike, chosen = outcome.trials
    sizes = {one.name: one.size_bytes for one in alike}
    assert list(sizes) == ["float32", "float16", "uint16", "uint8"]
    assert alike[-1].max_error > max_error
    assert sizes["uint8"] < chosen.size_bytes < sizes["uint16"] == sizes["float16"]
    assert errors(outcome) == pytest.approx(chosen.max_error)
    assert chosen.max_error <= max_error
    counts = rounded(outcome)
    assert counts["uint8"] + counts["uint16"] == 16
    assert chosen.name == f"uint16, {counts['uint8']} of 16 weights uint8"


def test_a_wider_budget_never_takes_more_and_the_same_one_takes_the_same(tower: Path, tmp_path: Path) -> None:
    chosen = [
        converted(tower, tmp_path / str(index), encoding="auto", max_error=max_error)
        for index, max_error in enumerate((1e-3, 4e-3, 4e-3))
    ]
    sizes = [one.trials[-1].size_bytes for one in chosen]
    assert sizes[0] > sizes[1]
    assert encodings(chosen[1]) == encodings(chosen[2])
    assert chosen[1].trials == chosen[2].trials


def test_single_weights_stay_as_they_were_asked_for(tower: Path, tmp_path: Path) -> None:
    outcome = converted(tower, tmp_path, encoding="auto", max_error=8e-3, tensors={"layer7*": "float32"})
    found = encodings(outcome)
    assert {one for name, one in found.items() if "layer7" in name} == {"float32"}
    counts = rounded(outcome)
    assert counts["uint8"] + counts["uint16"] == 14


def test_what_is_done_is_told_while_it_is_done(tower: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    settings = {"name": "tower", "model.checkpoint": tower, "artifacts": tmp_path}
    resolved = resolve(None, settings | {"weights.encoding": "auto", "weights.max_error": 4e-3})
    convert(resolved, runtimes=RUNTIMES, emit=events.append)
    alike = [event for event in events if event.step == "weights"]
    assert alike[0] == StepStarted("weights", 4)
    assert [event.done for event in alike if isinstance(event, StepAdvanced)] == [1, 2, 3, 4]
    mixed = [event for event in events if event.step == "mixed weights"]
    done = [event.done for event in mixed if isinstance(event, StepAdvanced)]
    assert done == list(range(1, len(done) + 1))
    assert isinstance(mixed[-1], StepFinished)
    assert f"{len(done)} graphs measured" in mixed[-1].note


def test_many_weights_are_not_measured_without_end(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    nodes, constants, value = [], [], "x"
    for index in range(80):
        name = f"layer{index}"
        scale = 10 ** rng.uniform(-4, -1)
        constants.append(numpy_helper.from_array((rng.normal(size=(32, 32)) * scale).astype(np.float32), f"{name}.w"))
        nodes.append(helper.make_node("MatMul", [value, f"{name}.w"], [f"{name}.out"], name=f"{name}.out"))
        nodes.append(helper.make_node("Tanh", [f"{name}.out"], [f"{name}.tanh"], name=f"{name}.tanh"))
        nodes.append(helper.make_node("Add", [value, f"{name}.tanh"], [name], name=name))
        value = name
    model = stored(nodes, constants, value, tmp_path / "deep.onnx")
    events: list[Event] = []
    settings = {"name": "deep", "model.checkpoint": model, "artifacts": tmp_path / "artifacts", "parity.batches": [1]}
    resolved = resolve(None, settings | {"weights.encoding": "auto", "weights.max_error": 1e-2})
    outcome = convert(resolved, runtimes=RUNTIMES, emit=events.append)
    n_measured = max(
        event.done for event in events if event.step == "mixed weights" and isinstance(event, StepAdvanced)
    )
    assert 64 < n_measured <= 66 * MAX_PROBED + MAX_PROPOSED + MAX_ADDED
    *alike, chosen = outcome.trials
    assert chosen.max_error <= 1e-2 < alike[-1].max_error
    assert alike[-1].size_bytes < chosen.size_bytes < alike[2].size_bytes
    assert sum(rounded(outcome).values()) == 80


def test_outputs_of_another_form_are_outside_any_budget(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where weights decide how many values there are, rounding may change it."""
    rng = np.random.default_rng(2)
    weights = numpy_helper.from_array(rng.normal(size=(32, 64)).astype(np.float32), "w")
    threshold = numpy_helper.from_array(np.array(0.5, np.float32), "threshold")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="y"),
        helper.make_node("Greater", ["y", "threshold"], ["is_large"], name="is_large"),
        helper.make_node("NonZero", ["is_large"], ["where"], name="where"),
    ]
    graph = helper.make_graph(
        nodes,
        "where",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 32])],
        [helper.make_tensor_value_info("where", onnx.TensorProto.INT64, [2, None])],
        [weights, threshold],
    )
    path = tmp_path / "where.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    options = ["--weights", "auto", "--max-error", "0.5", "--runtimes", ",".join(RUNTIMES), "--json"]
    assert main(["convert", str(path), *options, "--artifacts", str(tmp_path)]) == 0
    *alike, chosen = json.loads(capsys.readouterr().out)["weights"]
    assert {one["name"]: one["max_error"] for one in alike}["uint8"] == "Infinity"
    assert chosen["max_error"] == 0.0


def test_auto_takes_uint8_where_all_of_it_fits(model: Path, tmp_path: Path) -> None:
    outcome = converted(model, tmp_path, encoding="auto", max_error=0.5)
    assert set(encodings(outcome).values()) == {"uint8"}
    assert outcome.trials[-1].name == "uint8"


def test_auto_keeps_float32_where_nothing_else_fits(model: Path, tmp_path: Path) -> None:
    outcome = converted(model, tmp_path, encoding="auto", max_error=2e-6)
    assert {encoding for name, encoding in encodings(outcome).items() if "middle" not in name} == {"float32"}


def test_a_budget_below_what_float32_does_is_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match="with float32 weights already"):
        converted(model, tmp_path, encoding="auto", max_error=1e-12)
    assert not list(tmp_path.rglob("manifest.json"))


@pytest.mark.parametrize("weights", [{"encoding": "auto"}, {"max_error": 0.1}, {"encoding": "uint8", "max_error": 0.1}])
def test_auto_and_its_budget_need_each_other(model: Path, tmp_path: Path, weights: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="need each other"):
        converted(model, tmp_path, **weights)


def test_rounded_weights_are_still_held_to_a_tolerance(model: Path, tmp_path: Path) -> None:
    resolved = resolve(
        None,
        {
            "name": "layers",
            "model.checkpoint": model,
            "artifacts": tmp_path,
            "weights.encoding": "uint8",
            "parity.tolerances.quantised-weights": {"atol": 1e-6, "rtol": 0.0},
        },
    )
    with pytest.raises(ParityError, match="tfjs-wasm@node"):
        convert(resolved, runtimes=RUNTIMES)

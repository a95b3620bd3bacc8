"""Weights in fewer bytes: chosen by hand, by pattern, and within an error budget."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from converter.config import resolve
from converter.errors import BudgetError, ConfigError, ParityError
from converter.pipeline.convert import ConvertOutcome, convert

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
    graph = helper.make_graph(
        nodes,
        "layers",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 32])],
        [helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, ["batch", 32])],
        constants,
    )
    path = tmp_path_factory.mktemp("model") / "layers.onnx"
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
    metadata = json.loads((outcome.folder / "tfjs/model.json").read_bytes())["userDefinedMetadata"]
    assert metadata["roundedWeights"] == {encoding: 3}


def test_float32_is_exact_and_says_nothing_of_rounding(model: Path, tmp_path: Path) -> None:
    outcome = converted(model, tmp_path)
    assert set(encodings(outcome).values()) == {"float32"}
    assert errors(outcome) < 1e-5
    assert "roundedWeights" not in json.loads((outcome.folder / "tfjs/model.json").read_bytes())["userDefinedMetadata"]


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

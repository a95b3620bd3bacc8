"""Builds of TF.js, made by esbuild and run in Chromium."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from graph_models import GraphModel

from converter.errors import ConverterError, RuntimeMissing
from converter.runtimes import RuntimePool
from converter.runtimes.bundler import CHECKOUT, build, find_modules
from converter.tfjs.optable import OPTABLE

EXPORTS = "dispose engine getBackend keep loadGraphModelSync setBackend tensor tidy"  # what the client package uses


def unary(op: str) -> GraphModel:
    model = GraphModel()
    x = model.input("x", "float32", ["batch"])
    model.output("y", model.node("op", op, x, T={"type": "DT_FLOAT"}), "float32", ["batch"])
    return model


def test_a_build_computes_its_graph_and_no_other(tmp_path: Path, pool: RuntimePool) -> None:
    ops = {"Abs": "basic_math", "Identity": "graph", "Placeholder": "graph"}
    made = build(ops, "cpu", tmp_path, modules=find_modules())
    assert set(made.ops) == {"abs", "cast", "clone", "reshape"}
    assert {"Abs", "Identity"} <= set(made.kernels) <= {"Abs", "Cast", "ComplexAbs", "Identity", "Reshape"}
    assert "Google" in made.legal.read_text(encoding="utf-8")
    assert made.module.stat().st_size < made.whole.stat().st_size / 2
    exported = re.findall(r"\w+ as (\w+)", made.module.read_text(encoding="utf-8").rpartition("export{")[2])
    assert set(EXPORTS.split()) <= set(exported)

    runtime = pool.of_build("cpu", made.module)
    x = {"x": np.array([1, -4], np.float32)}
    try:
        assert runtime.load(unary("Abs").write(tmp_path / "abs")).run(x).outputs["y"].tolist() == [1, 4]
        with pytest.raises(ConverterError):
            runtime.load(unary("Exp").write(tmp_path / "exp")).run(x)
    finally:
        runtime.close()


def test_every_operator_there_is_can_be_built(tmp_path: Path) -> None:
    ops = {op: spec.category for op, spec in OPTABLE.items()}
    made = build(ops, "webgl", tmp_path, modules=find_modules())
    assert len(made.kernels) > 140
    assert {"fused.conv2d", "gatherND", "image.nonMaxSuppressionAsync"} <= set(made.ops)


def test_an_operator_that_tfjs_lacks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match="the executor of graph has no case for Nonsense"):
        build({"Nonsense": "graph"}, "cpu", tmp_path, modules=CHECKOUT)


def test_another_version_of_tfjs_is_not_taken(tmp_path: Path) -> None:
    for name in ("esbuild", "@tensorflow/tfjs-core", "@tensorflow/tfjs-converter", "@tensorflow/tfjs-backend-cpu"):
        folder = tmp_path / "node_modules" / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"version": "4.21.0"}))
    with pytest.raises(RuntimeMissing, match=r"@tensorflow/tfjs-core@4\.22\.0") as raised:
        find_modules(tmp_path)
    assert "esbuild," not in raised.value.what


def test_the_checkout_has_all_that_a_build_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_modules() == CHECKOUT.resolve()

"""Recurrent networks of torch with any number of steps, from the checkpoint to the artifact."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from converter.config import TensorSpec, resolve
from converter.errors import ConfigError
from converter.export import onnx_from_module
from converter.pipeline.convert import convert
from converter.pipeline.stages import stages_of
from converter.pipeline.target import open_target

RUNTIMES = ("onnxruntime", "tfjs-cpu@node", "tfjs-wasm@node")
SOURCE = """
import torch
from torch import nn

class Tagger(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.layers = getattr(nn, kind)(6, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(10, 3)

    def forward(self, x):
        rows, state = self.layers(x)
        last = state[0] if isinstance(state, tuple) else state
        return self.head(rows), last
"""


def tagger(kind: str) -> torch.nn.Module:
    scope: dict = {}
    exec(SOURCE, scope)
    torch.manual_seed(0)
    return scope["Tagger"](kind).eval()


def converted(kind: str, folder: Path, frames: int | str = "frames", **settings) -> Path:
    factory = folder / "tagger.py"
    factory.write_text(SOURCE)
    torch.save(tagger(kind).state_dict(), folder / "tagger.pt")
    flags = {
        "name": "tagger",
        "model.checkpoint": folder / "tagger.pt",
        "model.factory": f"{factory}:Tagger",
        "model.kwargs": {"kind": kind},
        "artifacts": folder / "artifacts",
        "inputs": [{"name": "x", "shape": ["batch", frames, 6], "dtype": "float32"}],
        **({"parity.sizes": {"frames": [1, 9]}} if frames == "frames" else {}),
        **settings,
    }
    return convert(resolve(None, flags), runtimes=RUNTIMES).folder


def ops_of(artifact: Path) -> set[str]:
    topology = json.loads((artifact / "tfjs" / "model.json").read_bytes())["modelTopology"]
    return {node["op"] for node in topology["node"]}


def assert_any_length_agrees(artifact: Path, pool) -> None:
    assert "StatelessWhile" in ops_of(artifact)
    model = pool.get("tfjs-wasm@node").load(artifact / "tfjs")
    reference = pool.get("onnxruntime").load(artifact / "model.onnx")
    for frames in (30, 2):
        feed = {"x": np.random.default_rng(frames).uniform(-1, 1, (3, frames, 6)).astype(np.float32)}
        expected = reference.run(feed).outputs
        for name, array in model.run(feed).outputs.items():
            np.testing.assert_allclose(array, expected[name], atol=1e-5)
    model.close()


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_any_number_of_steps_is_a_loop(kind: str, tmp_path: Path, pool) -> None:
    artifact = converted(kind, tmp_path)
    outputs = json.loads((artifact / "manifest.json").read_bytes())["outputs"]
    assert [one["shape"] for one in outputs] == [["batch", "frames", 3], [4, "batch", 5]]
    assert_any_length_agrees(artifact, pool)


def test_a_plain_recurrence_is_exported_by_torchs_older_exporter(tmp_path: Path, pool) -> None:
    with pytest.raises(ConfigError, match="can't be dynamic: frames of x") as refused:
        converted("RNN", tmp_path)
    assert "dynamo=False" in refused.value.hint
    spec = TensorSpec(name="x", shape=("batch", "frames", 6), dtype="float32")
    model = onnx_from_module(tagger("RNN"), [spec], opset=17, exporter="torchscript")
    file = tmp_path / "tagger.onnx"
    onnx.save(model, file)
    flags = {"name": "tagger", "model.checkpoint": file, "artifacts": tmp_path / "artifacts"}
    resolved = resolve(None, {**flags, "parity.sizes": {"frames": [1, 9]}})
    assert_any_length_agrees(convert(resolved, runtimes=RUNTIMES).folder, pool)


def test_a_limit_is_recorded_and_used_again(tmp_path: Path) -> None:
    (tmp_path / "limited").mkdir()
    limited = converted("LSTM", tmp_path / "limited", 9, unroll_limit=0)
    manifest = json.loads((limited / "manifest.json").read_bytes())
    assert manifest["config"]["unroll_limit"] == 0
    assert manifest["config_sources"]["unroll_limit"] == "flag"
    assert "StatelessWhile" in ops_of(limited)
    assert "StatelessWhile" not in ops_of(converted("LSTM", tmp_path, 9))
    assert open_target(limited).unroll_limit == 0
    expansion = next(one for one in stages_of(limited) if one["stage"] == "expand-recurrences")
    assert expansion["changes"]["StatelessWhile"] == 4
    expansion = next(one for one in stages_of(limited, (), 10**6) if one["stage"] == "expand-recurrences")
    assert "StatelessWhile" not in expansion["changes"]

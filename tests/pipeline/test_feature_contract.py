"""One contract: what training sees is what the graph computes, and what a client computes from the manifest alone."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import log1p
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
import yaml
from pyarrow import csv

from converter.checkpoint import load_module
from converter.cli import main
from converter.config import Config
from converter.features import Feature
from converter.runtimes import RuntimePool
from converter.tfjs.read import read
from converter.tfjs.write import write
from converter.training.network import reference_factory
from converter.training.normalise import Normalisation

FEATURES: list[dict[str, Any]] = [
    {"name": "share", "unit": "share", "low": -1, "high": 2},
    {"name": "kudos", "unit": "kudos", "low": 1, "high": 8, "transform": "saturate", "scale": 10},
    {"name": "likes", "unit": "likes", "low": 0, "high": 30, "transform": "saturate", "scale": 10},
    {"name": "km", "unit": "km", "low": 0, "high": 300, "transform": "inverse", "scale": 100},
    {"name": "views", "unit": "views", "low": 0, "high": 60_000, "transform": "log1p", "scale": 50_000},
    {"name": "age", "unit": "years", "low": 18, "high": 99, "transform": "standardize", "missing": 35},
    {"name": "minutes", "unit": "min", "low": 0, "high": 1440, "transform": "standardize"},
]
N_ROWS = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config that uses all of the contract, and the table that it learns from."""
    folder = tmp_path_factory.mktemp("contract")
    rng = np.random.default_rng(0)
    columns = {one["name"]: rng.uniform(one["low"], one["high"], N_ROWS).round(2) for one in FEATURES}
    liked = (columns["likes"] / 15 + rng.random(N_ROWS) > 1.5).astype(int)
    ages = pa.array(columns["age"], mask=rng.random(N_ROWS) < 0.1)
    csv.write_csv(pa.table(columns | {"age": ages, "liked": liked}), folder / "rows.csv")
    return folder


@pytest.fixture(scope="module", params=["graph", "client"])
def manifest(folder: Path, request: pytest.FixtureRequest) -> Mapping[str, Any]:
    settings = {
        "name": request.param,
        "model": {"checkpoint": f"{request.param}.pth"},
        "features": FEATURES,
        "data": {"path": "rows.csv", "label": "liked"},
        "network": {"hidden": [4], "normalization": request.param},
        "training": {"epochs": 1},
        "evaluation": {"resamples": 100},
    }
    config = folder / f"{request.param}.yaml"
    config.write_text(yaml.safe_dump(settings))
    assert main(["train", str(config), "--quiet"]) == 0
    assert main(["convert", str(config), "--quiet", "--runtimes", "tfjs-cpu@node"]) == 0
    return json.loads((artifact_of(folder, request.param) / "manifest.json").read_bytes())  # type: ignore[no-any-return]


def artifact_of(folder: Path, name: str) -> Path:
    return folder / "artifacts" / name / "0.1.0"


def raw_rows() -> np.ndarray:
    ends = np.array([[one["low"], one["high"], 0.0, one.get("scale", 1.0), -1e4, 1e5] for one in FEATURES]).T
    rng = np.random.default_rng(1)
    inside = rng.uniform([one["low"] for one in FEATURES], [one["high"] for one in FEATURES], (200, len(FEATURES)))
    return np.concatenate([ends, inside]).astype(np.float32)


CLIENT: dict[str, Callable[[float, Mapping[str, Any]], float]] = {
    "identity": lambda x, _: min(max(x, 0.0), 1.0),
    "saturate": lambda x, one: min(max(x / one["scale"], 0.0), 1.0),
    "inverse": lambda x, one: min(max(1 - x / one["scale"], 0.0), 1.0),
    "log1p": lambda x, one: min(log1p(max(x, 0.0)) / log1p(one["scale"]), 1.0),
    "standardize": lambda x, one: (x - one["mean"]) / one["std"],
}
"""What a client does, which has the manifest and nothing else."""


def by_client(manifest: Mapping[str, Any], raw: np.ndarray) -> np.ndarray:
    features = manifest["features"]
    raw = np.clip(raw, [one["low"] for one in features], [one["high"] for one in features])
    return np.array(
        [[CLIENT[one["transform"]](float(x), one) for one, x in zip(features, row, strict=True)] for row in raw]
    )


def test_the_manifest_knows_what_was_learned(manifest: Mapping[str, Any], folder: Path) -> None:
    table = csv.read_csv(folder / "rows.csv")
    ages = table.column("age").fill_null(35).to_numpy()
    age, minutes = manifest["features"][5:]
    assert (age["missing"], minutes["missing"]) == (35, "refuse")
    assert age["mean"] == pytest.approx(ages.mean(), rel=0.05)  # the training rows are most of them
    assert age["std"] == pytest.approx(ages.std(), rel=0.05)
    assert minutes["std"] > 300
    assert manifest["config"]["features"] == manifest["features"]


def test_training_sees_what_a_client_computes(manifest: Mapping[str, Any]) -> None:
    features = [Feature.model_validate(one) for one in manifest["features"]]
    seen = Normalisation(features)(raw_rows())
    assert np.abs(seen - by_client(manifest, raw_rows())).max() < 1e-6


def test_the_checkpoint_scores_what_a_client_computes(manifest: Mapping[str, Any], folder: Path) -> None:
    config = Config.model_validate(
        {"name": "x", "features": manifest["features"], "network": manifest["config"]["network"]}
    )
    module = load_module(folder / f"{manifest['name']}.pth", reference_factory(config)).module
    with torch.no_grad():
        seen = module.get_submodule("normaliser")(torch.from_numpy(raw_rows()))
    wanted = by_client(manifest, raw_rows()) if manifest["name"] == "graph" else raw_rows()
    assert np.abs(seen.numpy() - wanted).max() < 1e-6


@pytest.mark.parametrize("runtime", ["tfjs-cpu@node", "tfjs-wasm@node"])
def test_the_graph_computes_what_a_client_computes(
    manifest: Mapping[str, Any], folder: Path, pool: RuntimePool, runtime: str, tmp_path: Path
) -> None:
    graph = read(artifact_of(folder, manifest["name"]) / "tfjs")
    first = next(node for node in graph.nodes.values() if node.op in ("_FusedMatMul", "MatMul"))
    seen = graph.outputs["score"].node
    graph.nodes[seen] = replace(graph.nodes[seen], inputs=first.inputs[:1])  # hand out what the first layer gets
    write(graph, tmp_path / "tfjs", generator="test")
    raw = raw_rows()
    wanted = by_client(manifest, raw) if manifest["name"] == "graph" else raw
    model = pool.get(runtime).load(tmp_path / "tfjs")
    got = model.run({"features": raw}).outputs["score"]
    model.close()
    assert got.shape == wanted.shape
    assert np.abs(got - wanted).max() < 1e-6


def test_the_input_says_what_it_takes(manifest: Mapping[str, Any]) -> None:
    spec = manifest["inputs"][0]
    if manifest["name"] == "graph":
        assert (spec["low"], spec["high"]) == ([one["low"] for one in FEATURES], [one["high"] for one in FEATURES])
    else:
        age = manifest["features"][5]
        assert spec["low"][:5] == [0, 0.1, 0, 0, 0]
        assert spec["high"][:2] == [1, 0.8]
        assert spec["high"][5] == pytest.approx((99 - age["mean"]) / age["std"])


def test_without_the_record_statistics_are_asked_for(
    manifest: Mapping[str, Any], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = manifest["name"]
    record = folder / f"{name}.training.json"
    kept = record.read_bytes()
    record.unlink()
    try:
        assert main(["convert", str(folder / f"{name}.yaml"), "--version", "0.2.0"]) == 2
    finally:
        record.write_bytes(kept)
    assert "no mean and std of age are known" in capsys.readouterr().err

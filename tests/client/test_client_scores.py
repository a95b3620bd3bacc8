"""The client's scores are torch's, whoever normalises."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from converter.config import resolve
from converter.legacy import legacy_score, missing_columns
from converter.pipeline.training_record import with_learned_features
from converter.runtimes.torch_ import TorchRuntime
from converter.training.network import input_spec, reference_factory
from tests.client.conftest import OTHER_TRANSFORMS, Node

N_ROWS = 1000
FILL = OTHER_TRANSFORMS["proximityKm"]["missing"]
SCRIPT = Path(__file__).with_name("score.mjs")


def torch_scores(folder: Path, rows: np.ndarray) -> np.ndarray:
    """The scores of raw features: torch always normalises by its own module, whatever the artifact leaves out."""
    config = with_learned_features(resolve(folder / "config.yaml", {"network.normalization": "graph"})).config
    network = reference_factory(config)()
    state = torch.load(folder / "checkpoint.pth", weights_only=True)
    missing, unexpected = network.load_state_dict(state, strict=False)
    assert ([name for name in missing if name.startswith("layers.")], unexpected) == ([], [])
    runtime = TorchRuntime(network.eval(), (input_spec(config),), ("score",))
    return runtime.load(folder).run({"features": rows}).outputs["score"][:, 0]


def random_rows(folder: Path) -> tuple[list[str], np.ndarray]:
    features = resolve(folder / "config.yaml", {}).config.features
    low, high = np.array([(feature.low, feature.high) for feature in features]).T
    rows = np.random.default_rng(20260101).uniform(low, high, (N_ROWS, len(features)))
    return [feature.name for feature in features], rows.astype(np.float32)


def named(names: list[str], row: list[float]) -> dict[str, float | None]:
    """A row by name, without the distance where that is what stands for a missing one."""
    return {
        name: None if (name, value) == ("proximityKm", FILL) else value for name, value in zip(names, row, strict=True)
    }


@pytest.mark.parametrize("normalization", ["graph", "client"])
@pytest.mark.parametrize(("runtime", "backend"), [("index", "cpu"), ("index", "wasm"), ("onnxruntime", "wasm")])
def test_scores_are_those_of_torch(
    normalization: str, runtime: str, backend: str, converted: Callable[[str], Path], node: Node, package: Path
) -> None:
    folder = converted(normalization)
    names, rows = random_rows(folder)
    rows[::10, names.index("proximityKm")] = FILL
    given = json.dumps([named(names, row) for row in rows.tolist()])
    artifact = folder / "artifacts" / "compatibility" / "1.0.0"
    scores = np.array(json.loads(node(SCRIPT, package, artifact, runtime, backend, given=given)))
    expected = torch_scores(folder, rows)
    assert scores.shape == expected.shape == (N_ROWS,)
    assert np.ptp(expected) > 0.5, "scores that are all alike prove nothing"
    difference = np.abs(scores - expected).max()
    print(f"{normalization} {runtime} {backend}: {difference:.2e}")
    assert difference < 1e-6


def test_the_fallback_is_the_formula_that_models_are_compared_with(node: Node, package: Path) -> None:
    names = (*missing_columns(()),)
    rows = np.random.default_rng(20260101).uniform(-0.5, 2.5, (N_ROWS, len(names)))
    rows *= [{"commentsCount": 50, "proximityKm": 100, "ageGap": 20}.get(name, 5) for name in names]
    given = json.dumps([dict(zip(names, row, strict=True)) for row in rows.tolist()])
    scores = np.array(json.loads(node(SCRIPT, package, "none", "legacy", given=given)))
    expected = legacy_score(dict(zip(names, rows.T, strict=True)))
    assert len(names) == 8
    assert np.ptp(expected) > 0.5
    assert np.abs(scores - expected).max() < 1e-12

"""The client with its real neighbours: a Redis server, TF.js in Chromium, the demo in a page."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converter.cli import main
from tests.client.conftest import Node
from tests.client.test_client_scores import torch_scores

VITEST = ("node_modules/vitest/vitest.mjs", "run", "--project", "real")
DEMO_FORM = (4, 5, 20, 12, 20_000, 6, 3, 0.7)  # what the form holds when the page opens


def test_redis(node: Node, redis_server: Path) -> None:
    shown = node(*VITEST, "redis", REDIS_SERVER=redis_server)
    assert " passed" in shown


@pytest.fixture
def in_chromium(node: Node, package: Path, artifact_url: str, chromium: dict[str, str]) -> Callable[..., None]:
    """Runs tests of the client in pages, with the artifact served to them."""

    def run(suite: str, **variables: str | Path) -> None:
        assert " passed" in node(*VITEST, suite, ARTIFACT_URL=artifact_url, **variables, **chromium)

    return run


def test_predictions_leave_no_tensor(
    in_chromium: Callable[..., None], converted: Callable[[str], Path], tmp_path: Path
) -> None:
    artifact = converted("graph") / "artifacts" / "compatibility" / "1.0.0"
    flags = ["--backend", "wasm", "--to", str(tmp_path), "--no-verify", "--quiet"]
    assert main(["client", "bundle", str(artifact), *flags]) == 0
    in_chromium("leaks", BUILD=tmp_path)


def test_demo(node: Node, in_chromium: Callable[..., None], converted: Callable[[str], Path], tmp_path: Path) -> None:
    node("node_modules/vite/bin/vite.js", "build", "examples/react-vite", "--outDir", tmp_path, "--logLevel", "warn")
    score = torch_scores(converted("graph"), np.array([DEMO_FORM], np.float32))[0]
    artifact = converted("graph") / "artifacts" / "compatibility" / "1.0.0"
    in_chromium("demo", DEMO=tmp_path, ARTIFACT=artifact, EXPECTED_SCORE=str(score))

"""The client with its real neighbours: a Redis server, TF.js in Chromium, the demo in a page."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.client.conftest import Node
from tests.client.test_client_scores import torch_scores

VITEST = ("node_modules/vitest/vitest.mjs", "run", "--project", "real")
DEMO_FORM = (4, 5, 20, 12, 20_000, 6, 3, 0.7)  # what the form holds when the page opens


def test_redis(node: Node, redis_server: Path) -> None:
    shown = node(*VITEST, "redis", REDIS_SERVER=redis_server)
    assert " passed" in shown


def test_predictions_leave_no_tensor(node: Node, package: Path, artifact_url: str, chromium: dict[str, str]) -> None:
    shown = node(*VITEST, "leaks", ARTIFACT_URL=artifact_url, **chromium)
    assert " passed" in shown


def test_demo(
    node: Node,
    package: Path,
    converted: Callable[[str], Path],
    artifact_url: str,
    chromium: dict[str, str],
    tmp_path: Path,
) -> None:
    node("node_modules/vite/bin/vite.js", "build", "examples/react-vite", "--outDir", tmp_path, "--logLevel", "warn")
    score = torch_scores(converted("graph"), np.array([DEMO_FORM], np.float32))[0]
    places = {"DEMO": tmp_path, "ARTIFACT": converted("graph") / "artifacts" / "compatibility" / "1.0.0"}
    shown = node(*VITEST, "demo", ARTIFACT_URL=artifact_url, EXPECTED_SCORE=str(score), **places, **chromium)
    assert " passed" in shown

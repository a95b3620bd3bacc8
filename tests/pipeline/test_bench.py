"""The reference model within its budgets, in the browser it ships to."""

from pathlib import Path

import pytest

from converter.cli import main
from converter.config import resolve
from converter.errors import BudgetError
from converter.pipeline.bench import bench

CHROMIUM = ("tfjs-wasm@chromium", "tfjs-webgl@chromium")


@pytest.fixture(scope="module")
def artifact(reference_config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bench")
    flags = ["--artifacts", str(root), "--runtimes", "tfjs-wasm@node", "--quiet"]
    assert main(["convert", str(reference_config), *flags]) == 0
    return root / "compatibility" / "1.0.0"


def test_the_reference_model_has_budgets(reference_config: Path) -> None:
    budgets = resolve(reference_config, {}).config.budgets
    assert (budgets.load_ms, budgets.predict_p99_ms, budgets.memory_mb, budgets.accuracy) == (2000, 200, 50, 0.85)


def test_the_reference_model_keeps_its_budgets_in_chromium(artifact: Path) -> None:
    outcome = bench(artifact, runtimes=CHROMIUM, n_runs=50)
    outcome.raise_if_exceeded()
    assert [one.info.name for one in outcome.runtimes] == list(CHROMIUM)
    for one in outcome.runtimes:
        assert one.n_leaked == 0
        assert one.memory_mb is not None
        assert one.n_runs == 50


def test_a_millisecond_is_too_little(artifact: Path) -> None:
    outcome = bench(artifact, runtimes=CHROMIUM[:1], budgets={"load_ms": 1}, n_runs=10)
    with pytest.raises(
        BudgetError, match=r"tfjs-wasm@chromium: load_ms is [\d.e+]+, the budget is at most 1"
    ) as caught:
        outcome.raise_if_exceeded()
    assert caught.value.exit_code == 8


def test_a_worse_model_is_not_published(reference_config: Path, tmp_path: Path, capsys) -> None:
    config = tmp_path / "configs" / "strict.yaml"
    config.parent.mkdir()
    text = reference_config.read_text(encoding="utf-8").replace("accuracy: 0.85", "accuracy: 0.99")
    checkpoint = (reference_config.parent / "../checkpoints/compatibility.pth").resolve()
    config.write_text(text.replace("../checkpoints/compatibility.pth", str(checkpoint)), encoding="utf-8")
    assert main(["convert", str(config), "--runtimes", "tfjs-wasm@node"]) == 8
    error = capsys.readouterr().err
    assert "training metrics: accuracy is 0.9" in error
    assert "the budget is at least 0.99" in error
    assert list(tmp_path.glob("artifacts/*/*")) == []

from pathlib import Path

import pytest
import yaml

from converter.fileio import sha256_of
from tests.cli.conftest import Cli

CONFIG = Path(__file__).parents[2] / "configs" / "compatibility.yaml"


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    """The reference config, trained on little for a moment."""
    settings = yaml.safe_load(CONFIG.read_text())
    settings["training"] = {"n_rows": 400, "epochs": 1}
    settings["evaluation"] = {"resamples": 100}
    settings["model"]["checkpoint"] = "net.pth"
    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_train_writes_a_checkpoint_and_its_record(cli: Cli, quick: Path) -> None:
    run = cli("train", quick, "--json")
    assert (run.code, run.err) == (0, "")
    assert Path(run.document["checkpoint"]) == quick.parent / "net.pth"
    assert run.document["sha256"] == sha256_of(quick.parent / "net.pth")
    assert 0 < run.document["metrics"]["accuracy"] <= 1
    assert (run.document["n_epochs"], run.document["best_epoch"]) == (1, 1)
    assert run.document["data"]["is_synthetic"]
    assert sorted(path.name for path in quick.parent.iterdir()) == ["net.pth", "net.training.json", "quick.yaml"]


def test_people_see_the_metrics_beside_the_baselines(cli: Cli, quick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(quick.parent)
    monkeypatch.setenv("COLUMNS", "120")
    run = cli("train", quick)
    assert run.code == 0
    assert any(line.split()[:1] == ["accuracy"] for line in run.out.splitlines())
    assert "held-out rows of synthetic pairs" in run.out
    assert "logistic regression" in run.out
    assert "the best accuracy there can be" in run.out
    assert "checkpoint net.pth" in run.out
    assert "done train" in run.err
    assert cli("train", quick, "-q").out == "net.pth\n"


def test_config_without_features_cannot_be_trained(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "bare.yaml").write_text("name: bare\n")
    run = cli("train", tmp_path / "bare.yaml")
    assert (run.code, run.out) == (2, "")
    assert "no features" in run.err

"""A training that is killed in the middle of an epoch goes on from there, and ends as if nothing had happened."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from converter.cli import main
from converter.config import resolve
from converter.fileio import sha256_of
from converter.training.fit import Fit

ROOT = Path(__file__).parents[2]
N_BATCHES = 56  # 3500 training rows: four shuffled buffers of 14 batches


@pytest.fixture
def config(tmp_path: Path) -> Path:
    settings = yaml.safe_load((ROOT / "configs" / "compatibility.yaml").read_text())
    settings["training"] = {
        "n_rows": 5000,
        "epochs": 6,
        "batch_size": 64,
        "patience": 0,
        "shuffle_rows": 1000,
        "checkpoint_s": 1e-6,  # after each step
    }
    settings["data"] = {"split": {"validation": 0.15, "test": 0.15}}
    settings["network"] = {"hidden": [32, 16], "dropout": 0.2, "norm": "batch"}
    settings["evaluation"] = {"resamples": 100}
    settings["model"]["checkpoint"] = "killed.pth"
    path = tmp_path / "killed.yaml"
    path.write_text(yaml.safe_dump(settings))
    path.with_name("whole.yaml").write_text(yaml.safe_dump(settings | {"model": {"checkpoint": "whole.pth"}}))
    return path


KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from converter.cli import main
from converter.training.fit import Fit

learn = Fit._learn

def learn_or_die(self, batch):
    if (self.epoch, self.step) == (3, 20):
        os.kill(os.getpid(), signal.SIGKILL)
    learn(self, batch)

Fit._learn = learn_or_die
sys.exit(main(["train", sys.argv[1], "--quiet"]))
"""


def kill_in_the_middle(config: Path, state: Path) -> tuple[int, int]:
    """Start a training that is killed in the middle of an epoch; the epoch and the steps of the state it leaves."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(config)]
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr
    saved = torch.load(state, weights_only=True)
    return saved["epoch"], saved["step"]


def test_a_killed_training_ends_as_if_nothing_had_happened(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch, step = kill_in_the_middle(config, config.with_name("killed.resume"))
    assert epoch > 1
    assert 0 < step <= N_BATCHES
    assert not config.with_name("killed.pth").exists()
    learned: list[int] = []
    learn = Fit._learn
    monkeypatch.setattr(Fit, "_learn", lambda self, batch: (learned.append(self.step), learn(self, batch)))
    assert main(["train", str(config), "--resume", "--quiet"]) == 0
    assert len(learned) == 6 * N_BATCHES - (epoch - 1) * N_BATCHES - step
    assert main(["train", str(config.with_name("whole.yaml")), "--quiet"]) == 0
    whole, killed = config.with_name("whole.pth"), config.with_name("killed.pth")
    assert sha256_of(whole) == sha256_of(killed)
    records = [path.with_suffix(".training.json").read_text() for path in (whole, killed)]
    assert records[0] == records[1]
    assert not config.with_name("killed.resume").exists()


@pytest.fixture
def interrupted(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of a training that was interrupted by Ctrl-C in its second epoch."""
    learn = Fit._learn

    def interrupt(self: Fit, batch: object) -> None:
        if (self.epoch, self.step) == (2, 3):
            raise KeyboardInterrupt
        learn(self, batch)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Fit, "_learn", interrupt)
        assert main(["train", str(config)]) == 130
    return config.with_name("killed.resume")


def test_a_state_of_other_settings_is_refused(
    config: Path, interrupted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = yaml.safe_load(config.read_text())
    settings["training"]["learning_rate"] = 0.001
    config.write_text(yaml.safe_dump(settings))
    before = interrupted.read_bytes()
    assert main(["train", str(config), "--resume"]) == 2
    assert "was begun with other settings" in capsys.readouterr().err
    assert interrupted.read_bytes() == before


def test_a_damaged_state_is_refused(config: Path, interrupted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    interrupted.write_bytes(interrupted.read_bytes()[:-500])
    assert main(["train", str(config), "--resume"]) == 3
    err = capsys.readouterr().err
    assert "is no state of a training" in err
    assert "train without --resume" in err


def test_how_often_the_state_is_saved_is_free_to_change(config: Path, interrupted: Path) -> None:
    settings = yaml.safe_load(config.read_text())
    settings["training"]["checkpoint_s"] = 60
    config.write_text(yaml.safe_dump(settings))
    assert main(["train", str(config), "--resume", "--quiet"]) == 0
    assert resolve(config, {}).config.training.checkpoint_s == 60
    assert not interrupted.exists()

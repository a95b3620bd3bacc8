"""Processes that torchrun starts train one network together, as good as one process alone makes it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from converter.cli import main
from converter.fileio import sha256_of

ROOT = Path(__file__).parents[2]
METRICS = {"accuracy": 0.02, "roc_auc": 0.01, "log_loss": 0.02}


def config(folder: Path) -> Path:
    folder.mkdir()
    settings = yaml.safe_load((ROOT / "configs" / "compatibility.yaml").read_text())
    settings["training"] = {"n_rows": 6000, "epochs": 6, "batch_size": 64}
    settings["data"] = {"split": {"validation": 0.15, "test": 0.35}}
    settings["evaluation"] = {"resamples": 100}
    settings["model"]["checkpoint"] = "net.pth"
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_two_processes_reach_what_one_reaches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    alone, together = config(tmp_path / "alone"), config(tmp_path / "together")
    assert main(["train", str(alone), "--json"]) == 0
    one = json.loads(capsys.readouterr().out)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    run = subprocess.run(
        [*torchrun, "-m", "converter", "train", str(together), "--json"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    two = json.loads(run.stdout)  # the first process speaks for both
    assert two["sha256"] == sha256_of(together.with_name("net.pth"))
    assert two["data"] == one["data"]
    assert two["sha256"] != one["sha256"]  # sums over two halves of a batch are rounded otherwise
    gaps = {name: abs(two["metrics"][name] - one["metrics"][name]) for name in METRICS}
    assert {name: gap for name, gap in gaps.items() if gap > METRICS[name]} == {}

"""What can be trained can be converted: each part that the config knows, and networks of one's own."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from converter.cli import main

ROOT = Path(__file__).parents[2]
FACTORY = """
import torch
from torch import nn

class Wide(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.deep = nn.Sequential(nn.Linear(8, width), nn.ReLU(), nn.Linear(width, 1))
        self.wide = nn.Linear(8, 1)
        self.register_buffer("temperature", torch.ones(()))

    def logits(self, x):
        return self.deep(x) + self.wide(x)

    def forward(self, x):
        return torch.sigmoid(self.logits(x) / self.temperature)
"""


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(
            {"network": {"hidden": [16, 8], "norm": "batch", "activation": "silu", "dropout": 0.1}}, id="batch"
        ),
        pytest.param({"network": {"hidden": [16, 8], "norm": "layer", "activation": "gelu"}}, id="layer"),
        pytest.param({"network": {"hidden": []}}, id="linear"),
        pytest.param(
            {
                "model": {"checkpoint": "net.pth", "factory": "net.py:Wide", "kwargs": {"width": 12}},
                "network": {"normalization": "client"},
            },
            id="factory",
        ),
    ],
)
def test_a_trained_network_converts(tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = yaml.safe_load((ROOT / "configs" / "compatibility.yaml").read_text())
    settings |= {"training": {"n_rows": 1000, "epochs": 1}, "evaluation": {"resamples": 100}, "artifacts": "artifacts"}
    settings |= {"model": {"checkpoint": "net.pth"}, "budgets": {}} | changes
    (tmp_path / "net.py").write_text(FACTORY)
    config = tmp_path / "net.yaml"
    config.write_text(yaml.safe_dump(settings))
    assert main(["train", str(config), "--quiet"]) == 0
    assert main(["convert", str(config), "--quiet", "--runtimes", "tfjs-cpu@node,tfjs-wasm@node"]) == 0
    manifest = json.loads((tmp_path / "artifacts" / "compatibility" / "1.0.0" / "manifest.json").read_bytes())
    assert manifest["parity"]["status"] == "passed"
    assert [one["name"] for one in manifest["outputs"]] == ["score"]
    assert manifest["metrics"]["temperature"] != 1.0

"""Models whose reference may break ties, or round to float16, in another way than TF.js convert."""

import json

import pytest
import torch

from tests.cli.conftest import Cli


class Largest(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        values, places = x.topk(5)
        return values, places, x.argmax(1)


class Halved(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (x.half() * 1.7 + 0.3).float(), x * 2


@pytest.mark.parametrize(("module", "rounded"), [(Largest(), []), (Halved(), ["output_0"])], ids=["topk", "float16"])
def test_it_converts(cli: Cli, tmp_path, module, rounded):
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(module, (torch.zeros(2, 40),)), path)
    run = cli(
        "convert", path, "--runtimes", "onnxruntime,tfjs-cpu@node,tfjs-wasm@node", "--artifacts", tmp_path / "artifacts"
    )
    assert run.code == 0, run.err
    parity = json.loads((tmp_path / "artifacts" / "net" / "0.1.0" / "parity.json").read_text())
    outputs = [output for one in parity["runtimes"] for output in one["outputs"]]
    assert sorted({one["name"] for one in outputs if "reason" in one["tolerance"]}) == rounded

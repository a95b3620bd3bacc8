import itertools
import shlex
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.cli.conftest import Cli


def test_agreement(cli: Cli, mlp: Path, tmp_path: Path) -> None:
    run = cli("bisect", mlp, "--runtime", "tfjs-cpu@node", "--to", tmp_path / "found")
    assert (run.code, run.out.split()[:2]) == (0, ["agrees", "tfjs-cpu@node"])
    assert not (tmp_path / "found").exists()
    assert cli("bisect", mlp, "--runtime", "tfjs-cpu@node", "-q").out == "agrees\n"


def test_divergence_for_people(cli: Cli, rounding: Path, tmp_path: Path) -> None:
    flags = ("--runtime", "tfjs-cpu@node", "--atol", "0", "--rtol", "0", "--to", tmp_path / "found")
    run = cli("bisect", rounding, *flags)
    assert run.code == 5
    assert run.out.startswith("diverges tfjs-cpu@node at node ")
    assert "compat-export bisect" in run.out
    assert sorted(file.name for file in (tmp_path / "found").iterdir()) == [
        "README.md", "expected.safetensors", "inputs.safetensors", "repro.onnx",
    ]  # fmt: skip


def test_of_an_artifact(cli: Cli, mlp: Path) -> None:
    assert cli("convert", mlp, "--artifacts", mlp.parent / "a", "--runtimes", "tfjs-cpu@node").code == 0
    run = cli("bisect", mlp.parent / "a/mlp/0.1.0", "--runtime", "tfjs-wasm@node", "--json")
    assert (run.code, run.document["status"], run.document["reproducer"]) == (0, "agrees", None)
    assert run.document["n_nodes"] == 3


NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)

    def forward(self, x):
        return torch.tanh(self.fc(x))
"""


def test_takes_what_convert_takes(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    (tmp_path / "bisected_net.py").write_text(NET)
    torch.manual_seed(0)
    torch.save({"net": {"fc.weight": torch.rand(2, 4), "fc.bias": torch.rand(2), "more": torch.rand(1)}}, "net.pth")
    source = ["net.pth", "--factory", "bisected_net.py:Net", "--input", "x=batch,4", "--ignore-keys", "more"]
    run = cli("bisect", *source, "--runtime", "tfjs-cpu@node", "--batches", "3", "--json")
    assert (run.code, run.document["status"]) == (0, "agrees"), run.out
    run = cli("bisect", *source, "--runtime", "tfjs-cpu@node", "--atol", "0", "--rtol", "0", "--to", "found", "--json")
    assert run.code == 5
    assert run.document["divergence"]["op"] in ("Gemm", "Tanh")


def test_a_failed_conversion_names_the_command_that_finds_the_node(cli: Cli, rounding: Path) -> None:
    arguments = ["--runtimes", "tfjs-cpu@node", "--atol", "0", "--rtol", "0", "--bind", "batch=2"]
    failed = cli("convert", rounding, *arguments, "--artifacts", rounding.parent / "a", "--json")
    assert failed.code == 5
    [command] = [line for line in failed.document["error"]["hint"].splitlines() if "compat-export bisect" in line]
    words = shlex.split(command[command.index("compat-export") :])
    assert words[:3] == ["compat-export", "bisect", str(rounding)]
    assert ("--runtime", "tfjs-cpu@node") in itertools.pairwise(words)
    run = cli(*words[1:], "--to", rounding.parent / "found")
    assert (run.code, run.out.split()[0]) == (5, "diverges"), run.err


def test_an_artifact_takes_no_settings_of_a_source(cli: Cli, mlp: Path) -> None:
    assert cli("convert", mlp, "--artifacts", mlp.parent / "a", "--no-verify").code == 0
    run = cli("bisect", mlp.parent / "a/mlp/0.1.0", "--runtime", "tfjs-wasm@node", "--bind", "batch=1")
    assert run.code == 2
    assert "batch can't be changed" in run.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        pytest.param(("--runtime", "tfjs-metal@node"), 2, id="no-such-runtime"),
        pytest.param(("--runtime", "onnxruntime"), 2, id="no-graph"),
        pytest.param((), 2, id="no-runtime-named"),
        pytest.param(("--runtime", "tfjs-cpu@node", "--samples", "none.safetensors"), 2, id="no-such-samples"),
        pytest.param(("--runtime", "tfjs-wasm@chromium", "--browser", "none"), 7, id="no-such-browser"),
    ],
)
def test_refusals(cli: Cli, mlp: Path, arguments: tuple[str, ...], code: int) -> None:
    run = cli("bisect", mlp, *arguments)
    assert (run.code, run.out) == (code, "")


def test_what_a_failed_convert_was_given_can_be_bisected(cli: Cli, rounding: Path, tmp_path: Path) -> None:
    strict = ("--runtimes", "tfjs-cpu@node", "--atol", "0", "--rtol", "0", "--artifacts", tmp_path / "artifacts")
    assert cli("convert", rounding, *strict).code == 5
    config = tmp_path / "rounding.yaml"
    tolerances = "{tolerances: {float32: {atol: 0, rtol: 0}}}"
    config.write_text(f"name: rounding\nmodel: {{checkpoint: {rounding}}}\nparity: {tolerances}\n")
    run = cli("bisect", config, "--runtime", "tfjs-cpu@node", "--to", tmp_path / "found", "--json")
    assert (run.code, run.document["status"]) == (5, "diverges")


def test_a_state_dict_is_bisected_with_the_options_of_convert(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Linear(3, 2))\n")
    torch.save(nn.Sequential(nn.Linear(3, 2)).state_dict(), tmp_path / "net.pth")
    model = (tmp_path / "net.pth", "--factory", f"{tmp_path / 'net.py'}:net", "--input", "input=batch,3")
    run = cli("bisect", *model, "--bind", "batch=2", "--runtime", "tfjs-cpu@node", "--json")
    assert (run.code, run.err) == (0, "")
    assert run.document["status"] == "agrees"

from pathlib import Path

import pytest

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

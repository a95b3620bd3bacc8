"""verify, inspect and release, on artifacts that convert made."""

import filecmp
import re
from pathlib import Path

import pytest

from converter.tfjs.passes import PASSES
from tests.cli.conftest import Cli

NODE = "onnxruntime,tfjs-wasm@node"


@pytest.fixture
def proved(cli: Cli, mlp: Path) -> Path:
    assert cli("convert", mlp, "--artifacts", mlp.parent / "artifacts", "--runtimes", NODE).code == 0
    return mlp.parent / "artifacts/mlp/0.1.0"


@pytest.fixture
def unproved(cli: Cli, mlp: Path) -> Path:
    assert cli("convert", mlp, "--artifacts", mlp.parent / "artifacts", "--no-verify").code == 0
    return mlp.parent / "artifacts/mlp/0.1.0"


def test_verify_proves_it_again(cli: Cli, proved: Path) -> None:
    run = cli("verify", proved, "--runtimes", NODE)
    assert run.code == 0, run.err
    assert [line.split()[0] for line in run.out.splitlines() if " passed " in line] == NODE.split(",")
    assert "samples against test-vectors (recorded from onnxruntime)" in run.out
    assert "verified" in run.out


def test_verify_as_json(cli: Cli, proved: Path) -> None:
    run = cli("verify", proved, "--runtimes", NODE, "--json")
    assert (run.code, run.err) == (0, "")
    assert run.document["parity"]["status"] == "passed"
    assert run.document["n_files"] == sum(file.is_file() for file in proved.rglob("*")) - 1


def test_verify_quietly(cli: Cli, proved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(proved.parent)
    assert cli("verify", "0.1.0", "--runtimes", NODE, "-q").out == "0.1.0\n"


def test_changed_file_is_named(cli: Cli, proved: Path) -> None:
    shard = next((proved / "tfjs").glob("*.bin"))
    data = bytearray(shard.read_bytes())
    data[0] ^= 1
    shard.write_bytes(data)
    run = cli("verify", proved, "--runtimes", NODE)
    assert (run.code, run.out) == (6, "")
    assert f"tfjs/{shard.name}: sha256 is " in run.err


@pytest.mark.parametrize("name", ["0.1.0", "0.1.0/model.onnx"])
def test_inspect_shows_the_graph_after_each_pass(cli: Cli, proved: Path, name: str) -> None:
    path = proved.parent / name
    stages = cli("inspect", path, "--graph", "--json").document["stages"]
    assert [one["stage"] for one in stages] == ["lowering", *PASSES]
    fused = next(one for one in stages if one["stage"] == "fuse-bias-activation")
    assert fused["changes"]["_FusedMatMul"] == -fused["changes"]["MatMul"] > 0
    assert stages[-1]["nodes"] == sum(cli("inspect", proved, "--json").document["ops"].values())
    assert stages[-1]["transposes"] == 0
    assert any(line.split()[:1] == ["nhwc-layout"] for line in cli("inspect", path, "--graph").out.splitlines())


def test_passes_are_left_out_by_name(cli: Cli, mlp: Path) -> None:
    made = ["convert", mlp, "--artifacts", mlp.parent / "artifacts", "--no-verify"]
    assert cli(*made, "--without-pass", "all").code == 0
    assert cli("inspect", mlp.parent / "artifacts/mlp/0.1.0", "--json").document["ops"]["MatMul"] == 1
    options = ["--graph", "--without-pass", "fuse-*", "--without-pass", "simplify"]
    stages = {one["stage"] for one in cli("inspect", mlp, *options, "--json").document["stages"]}
    assert {"lowering", *PASSES} - stages == {"fuse-bias-activation", "simplify"}


def test_a_pass_that_is_unknown_is_refused(cli: Cli, mlp: Path) -> None:
    for command in (["convert", mlp, "--artifacts", mlp.parent / "artifacts"], ["inspect", mlp, "--graph"]):
        run = cli(*command, "--without-pass", "fold")
        assert (run.code, run.out) == (2, "")
        assert "there is no pass fold" in run.err
        assert "fold-batch-norm" in run.err
    assert not (mlp.parent / "artifacts").exists()


def test_passes_are_left_out_of_what_is_compiled(cli: Cli, mlp: Path) -> None:
    run = cli("inspect", mlp, "--without-pass", "all")
    assert (run.code, run.out) == (2, "")
    assert "--graph" in run.err


def test_inspect_compiles_nothing_but_onnx(cli: Cli, proved: Path) -> None:
    run = cli("inspect", proved / "tfjs", "--graph")
    assert (run.code, run.out) == (3, "")
    assert "no ONNX model" in run.err


def test_inspect_artifact(cli: Cli, proved: Path) -> None:
    document = cli("inspect", proved, "--json").document
    assert (document["kind"], document["name"], document["version"]) == ("artifact", "mlp", "0.1.0")
    assert [tensor["name"] for tensor in document["inputs"]] == ["x"]
    assert document["parity"]["status"] == "passed"
    assert sum(document["ops"].values()) > 0
    assert document["size_bytes"] > 0


@pytest.mark.parametrize("name", ["tfjs", "tfjs/model.json"])
def test_inspect_tfjs(cli: Cli, proved: Path, name: str) -> None:
    document = cli("inspect", proved / name, "--json").document
    assert document["kind"] == "tfjs"
    assert document["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["batch", 3]}]
    assert [tensor["name"] for tensor in document["outputs"]] == ["y"]
    assert document["async"] is False


def test_inspect_onnx(cli: Cli, mlp: Path) -> None:
    document = cli("inspect", mlp, "--json").document
    assert document["ops"] == {"Add": 1, "MatMul": 1, "Sigmoid": 1}
    assert document["opsets"] == {"ai.onnx": 18}
    assert document["unsupported"] == []


def test_inspect_says_what_cannot_be_converted(cli: Cli, unsupported: Path) -> None:
    run = cli("inspect", unsupported)
    assert run.code == 0
    assert "can't be converted: 3 problems" in run.out
    assert re.search(r"Cast +13 +1 +none", run.out)
    assert re.search(r"StringNormalizer \(since 10\): .+\n  nodes: \S+, \S+\n  hint:  \S+", run.out)


@pytest.mark.parametrize("kind", ["artifact", "tfjs", "onnx"])
def test_inspect_shows_people_the_same(cli: Cli, proved: Path, kind: str) -> None:
    path = {"artifact": proved, "tfjs": proved / "tfjs", "onnx": proved / "model.onnx"}[kind]
    run = cli("inspect", path)
    assert run.code == 0
    assert run.out.startswith(f"{kind} ")
    assert "[batch, 3]" in run.out
    assert cli("inspect", path, "--quiet").out == run.out.splitlines(keepends=True)[0]


@pytest.mark.parametrize("name", ["missing", "folder", "text.txt"])
def test_inspect_of_something_else(cli: Cli, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    run = cli("inspect", tmp_path / name)
    assert (run.code, run.out) == (3, "")
    assert "manifest.json or model.json" in run.err


def test_release_copies_the_same_bytes(cli: Cli, proved: Path, tmp_path: Path) -> None:
    run = cli("release", proved, "--to", tmp_path / "out", "--json")
    assert run.code == 0, run.out
    released = tmp_path / "out/mlp/0.1.0"
    assert Path(run.document["released"]) == released
    files = [str(file.relative_to(proved)) for file in proved.rglob("*") if file.is_file()]
    assert filecmp.cmpfiles(proved, released, files, shallow=False) == (files, [], [])
    assert cli("verify", released, "--runtimes", NODE).code == 0


def test_releasing_twice_changes_nothing(cli: Cli, proved: Path, tmp_path: Path) -> None:
    assert cli("release", proved, "--to", tmp_path / "out").code == 0
    before = (tmp_path / "out/mlp/0.1.0/manifest.json").stat()
    assert cli("release", proved, "--to", tmp_path / "out", "-q").code == 0
    after = (tmp_path / "out/mlp/0.1.0/manifest.json").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_unproved_artifact_is_not_released(cli: Cli, unproved: Path, tmp_path: Path) -> None:
    run = cli("release", unproved, "--to", tmp_path / "out")
    assert (run.code, run.out) == (6, "")
    assert "error: not proved" in run.err
    assert not (tmp_path / "out").exists()


def test_damaged_artifact_is_not_released(cli: Cli, proved: Path, tmp_path: Path) -> None:
    (proved / "model.onnx").write_bytes(b"")
    run = cli("release", proved, "--to", tmp_path / "out")
    assert run.code == 6
    assert "model.onnx" in run.err
    assert not (tmp_path / "out").exists()


def test_another_artifact_of_that_version_is_not_replaced(cli: Cli, proved: Path, mlp: Path, tmp_path: Path) -> None:
    assert cli("release", proved, "--to", tmp_path / "out").code == 0
    assert cli("convert", mlp, "--artifacts", tmp_path / "b", "--runtimes", NODE, "--seed", "5").code == 0
    before = (tmp_path / "out/mlp/0.1.0/manifest.json").read_bytes()
    run = cli("release", tmp_path / "b/mlp/0.1.0", "--to", tmp_path / "out")
    assert run.code == 6
    assert "versions are never changed" in run.err
    assert (tmp_path / "out/mlp/0.1.0/manifest.json").read_bytes() == before

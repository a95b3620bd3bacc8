import base64
import hashlib
import platform
import sys
import zipfile
from pathlib import Path

import pytest

from converter.tensorflow_chain.locked import ENGINES, Engine


def wheel(folder: Path, source: str, *, data: bytes = b"") -> Path:
    """A package of one module and some data, as an index would have it."""
    info = "tiny-1.0.dist-info"
    files = {
        "tiny.py": source.encode(),
        "tiny.bin": data,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip('=')},{len(body)}"
        for name, body in files.items()
    ]
    path = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(name, body)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,", ""]))
    return path


def locked(folder: Path, package: Path) -> Path:
    """The lock of that package."""
    digest = hashlib.sha256(package.read_bytes()).hexdigest()
    lock = folder / "tiny.lock"
    lock.write_text(f"tiny==1.0 \\\n    --hash=sha256:{digest}\n")
    return lock


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that uv gets packages from, and nowhere else."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("COMPAT_EXPORT_HOME", str(folder))
    return folder


@pytest.fixture
def tiny(shelf: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """An engine of one small package, for the Python that runs the tests."""
    lock = locked(shelf, wheel(shelf, "VALUE = 1\n"))
    python = ".".join(platform.python_version_tuple()[:2])
    engine = Engine("tiny", lock, python=python, download_mb=1, disk_mb=1, imports=("tiny",))
    monkeypatch.setitem(ENGINES, "tiny", engine)
    assert sys.version.startswith(f"{python}.")
    return engine

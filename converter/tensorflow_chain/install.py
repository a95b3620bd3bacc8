"""Builds and removes the environments of engines: each is there whole, or not at all."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from converter.artifact.locks import held, lock
from converter.errors import ConverterError, EngineMissing
from converter.fileio import canonical_json, write_atomically
from converter.tensorflow_chain.environment import (
    MARKER,
    Environment,
    damage,
    installed,
    marker_of,
    python_of,
)
from converter.tensorflow_chain.home import engine_folder
from converter.tensorflow_chain.locked import Engine, engine_named
from converter.tensorflow_chain.uv_ import NO_ROOM_HINT, is_out_of_room, run_uv

Tell = Callable[[str, str], None]  # a step of the work, and what it is at
CHECK_TIMEOUT_S = 300


def install(
    name: str, *, home: Path | None = None, python: Path | None = None, force: bool = False, tell: Tell
) -> tuple[Environment, bool]:
    """Build the environment of an engine, unless it is there; also whether it was built now.

    An older or damaged environment is replaced; with `force`, a whole one as well.
    Where another process builds, this one waits for it. A build that fails leaves nothing but what was downloaded, for
    the next one to use; a build that is killed leaves what the next one clears away.

    Raises: EngineMissing if this machine or the Python that was named can't have it, the disk is full, or packages
        can't be had; ConverterError if an environment in use would be replaced; ConfigError if there is no such engine.
    """
    engine, folder = engine_named(name), engine_folder(name, home)
    _require_platform(engine)
    with _alone(folder, tell) as handle:
        if not force:
            with suppress(EngineMissing):
                return installed(name, home=home), False
        _clear(folder, "new", "old")
        with _unused(folder):
            _require_room(engine, folder.parent, tell)
        draft = _beside(folder, "new")
        try:
            _build(engine, draft, _uv_settings(folder), python, handle, tell)
            with _unused(folder):
                _replace(folder, draft)
        except EngineMissing as error:
            if is_out_of_room(error):
                _clear(folder, "cache")
            raise
        finally:
            _clear(folder, "new", "old")
        _clear(folder, "cache")
        return installed(name, home=home), True


def remove(name: str, *, home: Path | None = None) -> int | None:
    """Remove the environment of an engine and all that belongs to it; the bytes that frees, None if none was there.

    Raises: ConverterError if it is in use; ConfigError if there is no such engine.
    """
    engine_named(name)
    folder = engine_folder(name, home)
    if not folder.parent.is_dir():
        return None
    with held(folder.parent):
        with _unused(folder):
            freed = size_bytes(folder, *_siblings(folder))
            if folder.is_dir():
                folder.rename(_beside(folder, "old"))
        _clear(folder, "old", "new", "cache", "python")
        with suppress(OSError):  # others may be in there
            folder.parent.rmdir()
            folder.parent.parent.rmdir()
    return freed or None


def size_bytes(*folders: Path) -> int:
    """The room that folders take on their disk, what they share counted once; those that aren't there take none."""
    blocks = {}
    for folder in folders:
        for path, _, names in os.walk(folder):
            for name in names:
                found = os.lstat(f"{path}/{name}")
                blocks[found.st_dev, found.st_ino] = found.st_blocks
    return 512 * sum(blocks.values())


@contextmanager
def _alone(folder: Path, tell: Tell) -> Iterator[int]:
    """Keep other processes from building or removing engines; waits for those that do, and says so."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    handle = lock(folder.parent, wait=False)
    if handle is None:
        tell("wait", "another process installs or removes an engine")
    else:
        os.close(handle)
    with held(folder.parent) as handle:
        yield handle


def _require_platform(engine: Engine) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise EngineMissing(
            f"the engine {engine.name} can't be installed on {platform.system()} {platform.machine()}",
            hint="its packages exist for Linux on x86_64 only; there, or in a container of it, it can",
        )


def _require_room(engine: Engine, folder: Path, tell: Tell) -> None:
    free_mb = shutil.disk_usage(folder).free / 1e6
    if free_mb < engine.disk_mb:
        raise EngineMissing(
            f"the engine {engine.name} needs {engine.disk_mb} MB, and {free_mb:.0f} MB are free",
            where=str(folder),
            hint=NO_ROOM_HINT,
        )
    tell("room", f"{engine.download_mb} MB to download, {engine.disk_mb} MB on disk in {folder / engine.name}")


def _build(engine: Engine, draft: Path, settings: dict[str, str], python: Path | None, handle: int, tell: Tell) -> None:
    """Make a folder an environment that has been shown to import what it is for; its marker comes last."""

    def uv(step: str, *arguments: str | Path) -> None:
        tell(step, "")
        run_uv(
            *arguments,
            settings=settings,
            where=draft.parent,
            keeps_open=handle,
            tell=lambda line: tell(step, line),
        )

    try:
        uv("python", "venv", "--no-project", "--relocatable", "--python", _python_to_use(engine, python), draft)
    except EngineMissing as error:
        what = f"the engine {engine.name} has no Python {engine.python} to run on: {error.what}"
        raise EngineMissing(what, where=error.where, hint=error.hint) from error
    version = _python_version(engine, draft)
    uv("packages", "pip", "sync", "--python", python_of(draft), *_BY_THE_LOCK, engine.lock)
    tell("check", "")
    if fault := damage(draft, engine.versions()) or _import_fault(engine, draft, handle):
        raise EngineMissing(f"the engine {engine.name} was built, and does not work: {fault}", where=str(draft.parent))
    write_atomically(draft / MARKER, canonical_json(marker_of(engine, version)))


_BY_THE_LOCK = ("--require-hashes", "--only-binary", ":all:", "--link-mode", "hardlink")


def _python_to_use(engine: Engine, named: Path | None) -> str:
    """What uv shall look for: the Python that was named, our own if it is of the right version, or any that is."""
    if named is not None:
        return str(named.absolute())
    return sys.executable if sys.version.startswith(f"{engine.python}.") else engine.python


def _python_version(engine: Engine, draft: Path) -> str:
    lines = (draft / "pyvenv.cfg").read_text(encoding="utf-8").splitlines()
    version = dict(line.split(" = ", 1) for line in lines if " = " in line)["version_info"]
    if not version.startswith(f"{engine.python}."):
        raise EngineMissing(
            f"that is Python {version}, and the engine {engine.name} runs on {engine.python} only",
            where="--python",
            hint=f"name a Python {engine.python}, or leave --python out to have one looked for, or fetched",
        )
    return version


def _import_fault(engine: Engine, draft: Path, handle: int) -> str:
    """Why an environment can't import what it is for, in its own words; nothing if it can.

    Who imports keeps the handle open, so that even where we were killed nobody else writes there meanwhile.
    """
    program = "; ".join(f"import {module}" for module in engine.imports)
    try:
        done = subprocess.run(
            [python_of(draft), "-I", "-c", program],
            env={"PATH": os.defpath, "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CHECK_TIMEOUT_S,
            pass_fds=(handle,),
        )
    except subprocess.TimeoutExpired:
        return f"it didn't start in {CHECK_TIMEOUT_S} s"
    if done.returncode < 0:
        return f"it was killed by signal {-done.returncode}"
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def _uv_settings(folder: Path) -> dict[str, str]:
    """Settings of uv that people may set themselves, here such that all that it keeps is beside the environment."""
    own = {"UV_CACHE_DIR": _beside(folder, "cache"), "UV_PYTHON_INSTALL_DIR": _beside(folder, "python")}
    return {name: os.environ.get(name) or str(path) for name, path in own.items()}


@contextmanager
def _unused(folder: Path) -> Iterator[None]:
    """Make sure that nobody uses an environment, and keep it so."""
    handle = lock(folder, wait=False)
    if handle is None and folder.is_dir():
        raise ConverterError(
            "the engine is in use by another process",
            where=str(folder),
            hint="wait until that has ended; if nothing uses it, the file system has no locks: delete the folder",
        )
    try:
        yield
    finally:
        if handle is not None:
            os.close(handle)


def _replace(folder: Path, draft: Path) -> None:
    if folder.is_dir():
        folder.rename(_beside(folder, "old"))
    draft.rename(folder)


def _beside(folder: Path, part: str) -> Path:
    return folder.with_name(f".{folder.name}.{part}")


def _siblings(folder: Path) -> Iterator[Path]:
    return folder.parent.glob(f".{folder.name}.*")


def _clear(folder: Path, *parts: str) -> None:
    for part in parts:
        if _beside(folder, part).is_dir():
            shutil.rmtree(_beside(folder, part))

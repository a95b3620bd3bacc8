"""The engines beside our own: installed on demand, listed, removed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from converter.errors import EngineMissing
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted, silent
from converter.tensorflow_chain.environment import Environment, installed
from converter.tensorflow_chain.home import engine_folder
from converter.tensorflow_chain.install import install, size_bytes
from converter.tensorflow_chain.locked import ENGINES, Engine

STEPS = {
    "wait": "wait for another process",
    "room": "room",
    "python": "Python",
    "packages": "packages",
    "check": "first import",
}


@dataclass(frozen=True)
class EngineStatus:
    """What there is of an engine.

    Units: disk and download in MB (1e6 bytes), as it is where it is installed, else as expected.
    """

    name: str
    status: Literal["ready", "not usable", "not installed"]
    detail: str
    hint: str
    folder: str
    python: str
    download_mb: int
    disk_mb: int
    versions: dict[str, str]


def install_engine(
    name: str, *, python: Path | None = None, force: bool = False, emit: Emit = silent
) -> tuple[EngineStatus, bool]:
    """Install an engine, unless it is there; also whether it was installed now.

    Raises: as `tensorflow_chain.install` does.
    """
    steps = _Steps(emit)
    environment, is_new = install(name, python=python, force=force, tell=steps)
    steps.end()
    return _ready(ENGINES[name], environment), is_new


def list_engines() -> list[EngineStatus]:
    """Each engine that there is, whether it is installed or not."""
    return [_status(engine) for engine in ENGINES.values()]


class _Steps:
    """Makes events of what an installation tells."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._step, self._note, self._n_notes = "", "", 0

    def __call__(self, step: str, note: str) -> None:
        if step != self._step:
            self.end()
            self._step, self._note, self._n_notes = step, "", 0
            self._emit(StepStarted(STEPS[step]))
        self._n_notes += 1
        if step in ("wait", "room"):
            self._note = note
        self._emit(StepAdvanced(STEPS[step], self._n_notes, note))

    def end(self) -> None:
        if self._step:
            self._emit(StepFinished(STEPS[self._step], self._note))


def _status(engine: Engine) -> EngineStatus:
    try:
        return _ready(engine, installed(engine.name))
    except EngineMissing as error:
        is_there = engine_folder(engine.name).is_dir()
        return EngineStatus(
            engine.name,
            "not usable" if is_there else "not installed",
            error.what,
            error.hint,
            str(engine_folder(engine.name)),
            "",
            engine.download_mb,
            engine.disk_mb,
            {},
        )


def _ready(engine: Engine, environment: Environment) -> EngineStatus:
    return EngineStatus(
        engine.name,
        "ready",
        f"Python {environment.python_version}, {len(environment.versions)} packages",
        "",
        str(environment.folder),
        str(environment.python),
        engine.download_mb,
        round(size_bytes(environment.folder) / 1e6),
        environment.versions,
    )

"""What this machine has of what conversion and its proof need."""

import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from converter.errors import ConverterError, EngineMissing
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted, silent
from converter.runtimes.catalog import CHROMIUM_RUNTIMES, FIREFOX_RUNTIMES, NODE_RUNTIMES, RuntimePool
from converter.tensorflow_chain.environment import installed
from converter.tensorflow_chain.locked import ENGINES

PACKAGES = {"onnx": True, "onnxruntime": True, "torch": False}  # name -> whether every conversion needs it
NO_BROWSER = (
    "install Chrome or Chromium, or name one with --browser; in a source checkout `make` brings one. "
    "Without it the runtimes in Chromium are not proved"
)


@dataclass(frozen=True)
class Check:
    """One part: whether it is there, what was found, and how to get it; `is_needed` by every conversion."""

    name: str
    status: Literal["ok", "missing"]
    detail: str
    hint: str = ""
    is_needed: bool = True


def doctor(browser: Path | None = None, *, emit: Emit = silent) -> list[Check]:
    """A check of each part; runtimes are started, not only looked for.

    A browser is needed only if one was named.
    """
    checks = [Check("python", "ok", platform.python_version()), *map(_package, PACKAGES)]
    emit(StepStarted("runtimes", len(NODE_RUNTIMES) + len(CHROMIUM_RUNTIMES)))
    with RuntimePool(browser=browser) as pool:
        checks += [_runtime(pool, name, emit, done, is_needed=True) for done, name in enumerate(NODE_RUNTIMES)]
        found = _browser(pool, is_needed=browser is not None)
        checks.append(found)
        if found.status == "ok":
            started = enumerate(CHROMIUM_RUNTIMES, start=len(NODE_RUNTIMES))
            checks += [_runtime(pool, name, emit, done, is_needed=found.is_needed) for done, name in started]
        checks += _firefox(pool, emit)
    emit(StepFinished("runtimes"))
    return checks + [_engine(name) for name in ENGINES]


def _package(name: str) -> Check:
    try:
        return Check(name, "ok", version(name), is_needed=PACKAGES[name])
    except PackageNotFoundError:
        return Check(name, "missing", "not installed", f"pip install {name}", PACKAGES[name])


def _browser(pool: RuntimePool, *, is_needed: bool) -> Check:
    try:
        found = pool.browser()
    except ConverterError as error:
        return Check("browser", "missing", error.what, error.hint, is_needed)
    if found is None:
        return Check("browser", "missing", "none found", NO_BROWSER, is_needed)
    return Check("browser", "ok", f"{found.version} ({found.source}: {found.path})", is_needed=is_needed)


def _firefox(pool: RuntimePool, emit: Emit) -> list[Check]:
    """Nothing depends on Firefox: its runtimes run only where they are asked for."""
    found = pool.browser("firefox")
    if found is None:
        return [Check("firefox", "missing", "none found", "install Firefox to prove its runtimes too", is_needed=False)]
    done = len(NODE_RUNTIMES) + len(CHROMIUM_RUNTIMES)
    checks = [Check("firefox", "ok", f"{found.version} ({found.source}: {found.path})", is_needed=False)]
    return checks + [_runtime(pool, name, emit, done, is_needed=False) for name in FIREFOX_RUNTIMES]


def _engine(name: str) -> Check:
    """Engines are there for those who ask for one."""
    try:
        found = installed(name)
    except EngineMissing as error:
        return Check(f"engine {name}", "missing", error.what, error.hint, is_needed=False)
    return Check(f"engine {name}", "ok", f"Python {found.python_version} in {found.folder}", is_needed=False)


def _runtime(pool: RuntimePool, name: str, emit: Emit, done: int, *, is_needed: bool) -> Check:
    emit(StepAdvanced("runtimes", done, name))
    try:
        info = pool.get(name).start()
    except ConverterError as error:
        return Check(name, "missing", error.what, error.hint, is_needed)
    versions = ", ".join(f"{part} {number}" for part, number in info.versions.items())
    return Check(name, "ok", f"{info.device} ({versions})", is_needed=is_needed)

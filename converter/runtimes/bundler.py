"""Builds TF.js for one graph, with esbuild and the sources of TF.js where they are installed."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from converter.errors import ConverterError, RuntimeMissing
from converter.runtimes.node_process import WORKER, WireSize, find_node

Backend = Literal["cpu", "wasm", "webgl", "webgpu"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)

TFJS_VERSION = "4.22.0"  # bundle.mjs reads its sources, whose layout no other version promises
SCRIPT = WORKER.with_name("bundle.mjs")
CHECKOUT = WORKER.parents[1]
TIMEOUT_S = 300
TF_MIN_JS = WireSize(raw=1_469_843, gzip=367_490, brotli=318_323)
"""`dist/tf.min.js` of the npm package @tensorflow/tfjs 4.22.0, compressed as `wire_sizes` does it."""


@dataclass(frozen=True)
class Build:
    """A build of TF.js: its module, its licences, the same exports with everything in it, and what it is made of."""

    module: Path
    legal: Path
    whole: Path
    ops: tuple[str, ...]
    kernels: tuple[str, ...]


def find_modules(setting: Path | None = None) -> Path:
    """The folder whose node_modules has esbuild and TF.js: the one asked for, else the one here, else the checkout's.

    Raises: RuntimeMissing naming the packages that are missing, with the command that installs them.
    """
    candidates = [setting] if setting else [Path.cwd(), CHECKOUT]
    for folder in candidates:
        if not _missing(folder):
            return folder.resolve()
    packages = ["esbuild", *(f"{name}@{TFJS_VERSION}" for name in _packages("cpu"))]
    raise RuntimeMissing(
        f"no node_modules with esbuild and TF.js {TFJS_VERSION}: {', '.join(_missing(candidates[0]))} missing",
        where=str(candidates[0]),
        hint=f"in your app: npm install --save-dev {' '.join(packages)}, and the backend's package; or name a folder",
    )


def build(ops: Mapping[str, str], backend: Backend, folder: Path, *, modules: Path) -> Build:
    """Build TF.js for the operators of a graph (name -> category) into `folder`, which must exist.

    Raises: RuntimeMissing if the backend's package isn't in `modules`; ConverterError if esbuild fails.
    """
    if missing := _missing(modules, backend):
        raise RuntimeMissing(
            f"{', '.join(missing)} missing", where=str(modules), hint=f"npm install --save-dev {' '.join(missing)}"
        )
    module, whole = folder / f"tfjs-{backend}.js", folder / f"whole-{backend}.js"
    order = {"modules": str(modules), "backend": backend, "ops": dict(ops), "outfile": str(module), "whole": str(whole)}
    command = [str(find_node()), str(SCRIPT), json.dumps(order)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    if done.returncode:
        raise ConverterError(
            f"TF.js can't be built: {done.stderr.strip()}",
            where=str(modules),
            hint=f"install esbuild and TF.js {TFJS_VERSION} again",
        )
    made = json.loads(done.stdout)
    legal = module.with_name(f"{module.name}.LEGAL.txt")
    return Build(module, legal, whole, tuple(made["ops"]), tuple(made["kernels"]))


def wasm_files(modules: Path) -> list[Path]:
    """The binaries of the wasm backend, of which a browser fetches one."""
    return sorted((modules / "node_modules/@tensorflow/tfjs-backend-wasm/dist").glob("*.wasm"))


def _packages(backend: Backend) -> list[str]:
    # the shared kernels of the cpu backend are part of every other one
    names = ("core", "converter", "backend-cpu", f"backend-{backend}")
    return list(dict.fromkeys(f"@tensorflow/tfjs-{name}" for name in names))


def _missing(folder: Path, backend: Backend = "cpu") -> list[str]:
    wanted = [f"{name}@{TFJS_VERSION}" for name in _packages(backend)]
    found = {name: _version(folder / "node_modules" / name.rpartition("@")[0]) for name in wanted}
    missing = [name for name, version in found.items() if version != TFJS_VERSION]
    return missing if _version(folder / "node_modules/esbuild") else ["esbuild", *missing]


def _version(package: Path) -> str | None:
    try:
        version = json.loads((package / "package.json").read_bytes())["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(version)

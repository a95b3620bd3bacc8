"""docs/adding-an-op.md is true to the code: what it quotes is there, what it names exists, its table is fresh."""

import re
from pathlib import Path

import pytest

from converter.lowering import host, legal
from converter.lowering.context import LoweringContext
from converter.onnx_model.contributed import OPERATORS
from tools.operators import DOCUMENT, main, operators
from tools.sections import with_section

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "adding-an-op.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
SOURCES = [*(ROOT / "converter" / "lowering" / "ops").glob("*.py"), *(ROOT / "tests" / "ops" / "cases").glob("*.py")]


def without_indent(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def test_quoted_code_is_in_the_repository() -> None:
    everything = "\n".join(without_indent(file.read_text(encoding="utf-8")) for file in SOURCES)
    assert len(BLOCKS) == 2
    assert [block for block in BLOCKS if without_indent(block) not in everything] == []


def test_what_it_names_exists() -> None:
    names = set(re.findall(r"`ctx\.(\w+)", TEXT))
    assert len(names) >= 6
    assert [name for name in names if not hasattr(LoweringContext, name)] == []
    helpers = re.search(r"\[legal\.py\].*?: (.*?)\. \[host", TEXT, re.DOTALL)
    assert helpers
    assert [name for name in re.findall(r"`(\w+)`", helpers[1]) if not hasattr(legal, name)] == []
    assert host.__doc__


def test_every_operator_has_a_row_and_every_version_one_way() -> None:
    for ways in operators().values():
        versions = [version for way in ways.values() for version in way]
        assert len(versions) == len(set(versions)) > 0
    rows = re.findall(r"^\| ([A-Z]\w+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [*operators(), *(one.name for one in OPERATORS)]


def test_stale_table_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.operators.DOCUMENT", tmp_path / "operators.md")
    (tmp_path / "operators.md").write_text("<!-- generated: operators -->\n<!-- end: operators -->\n")
    assert main(["--check"]) == 1
    assert main([]) == 0
    assert main(["--check"]) == 0


def test_document_without_the_section_is_an_error() -> None:
    with pytest.raises(ValueError, match="no section 'x'"):
        with_section("text", "x", "y")

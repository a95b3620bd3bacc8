import sys
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from converter.report.compiled_templates import CompiledTemplates


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "hello.txt").write_text("hello {{ name }}")
    return tmp_path


def rendered(folder: Path) -> str:
    environment = Environment(loader=FileSystemLoader(folder), bytecode_cache=CompiledTemplates(folder))
    return environment.get_template("hello.txt").render(name="reader")


def kept(folder: Path) -> list[Path]:
    return sorted((folder / "__pycache__").iterdir())


def test_a_template_is_compiled_once(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    assert rendered(folder) == "hello reader"
    (file,) = kept(folder)
    monkeypatch.setattr(Environment, "compile", None)  # so that compiling again would fail
    assert rendered(folder) == "hello reader"
    assert kept(folder) == [file]


def test_a_changed_template_is_compiled_again(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    rendered(folder)
    (folder / "hello.txt").write_text("good day {{ name }}")
    assert rendered(folder) == "good day reader"


@pytest.mark.parametrize("content", [b"", b"no bytecode", b"j2" * 40])
def test_what_is_damaged_is_made_again(folder, monkeypatch, content):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    rendered(folder)
    (file,) = kept(folder)
    whole = file.read_bytes()
    file.write_bytes(content)
    assert rendered(folder) == "hello reader"
    assert file.read_bytes() == whole


def test_nothing_is_written_where_python_may_not(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered(folder) == "hello reader"
    assert kept(folder) == []


def test_a_folder_that_is_not_there_is_no_error(folder, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (folder / "__pycache__").rmdir()
    assert rendered(folder) == "hello reader"

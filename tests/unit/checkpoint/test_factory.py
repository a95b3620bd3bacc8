import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from converter.checkpoint import resolve_factory
from converter.checkpoint.factory import build
from converter.errors import CheckpointError

NETWORKS = """
import sibling
from torch import nn

class Small(nn.Module):
    class Inner(nn.Module):
        pass

    def __init__(self, width=2):
        super().__init__()
        self.fc = nn.Linear(width, sibling.N_OUT)

NUMBER = 3

def strange():
    return "no network"
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETWORKS)
    (tmp_path / "sibling.py").write_text("N_OUT = 4\n")
    return tmp_path


def test_a_class_in_a_file_is_found_with_the_modules_beside_it(root: Path) -> None:
    network = resolve_factory("nets.py:Small", root)(width=3)
    assert isinstance(network, nn.Module)
    assert network.fc.weight.shape == (4, 3)


def test_a_file_is_looked_for_in_the_working_directory_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    assert resolve_factory("nets.py:Small", root / "elsewhere").__name__ == "Small"


def test_a_nested_name_and_an_installed_module(root: Path) -> None:
    assert resolve_factory("nets.py:Small.Inner", root).__name__ == "Inner"
    assert resolve_factory("torch.nn:Linear", root) is nn.Linear


def test_a_network_may_import_its_neighbours_when_it_is_built_and_runs(root: Path) -> None:
    (root / "late_width.py").write_text("N_OUT = 5\n")
    (root / "late_scale.py").write_text("SCALE = 3\n")
    (root / "late.py").write_text(
        "from torch import nn\n"
        "class Late(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        from late_width import N_OUT\n"
        "        self.fc = nn.Linear(2, N_OUT)\n"
        "    def forward(self, x):\n"
        "        from late_scale import SCALE\n"
        "        return self.fc(x) * SCALE\n"
    )
    network = build(resolve_factory("late.py:Late", root), {})
    assert network(torch.ones(1, 2)).shape == (1, 5)


def test_folders_of_networks_come_after_installed_packages(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = list(sys.path)
    resolve_factory("nets.py:Small", root)
    assert sys.path[: len(before)] == before
    assert str(root) in sys.path[len(before) :]


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        pytest.param("Small", "names no factory", id="no-colon"),
        pytest.param("nets.py:", "names no factory", id="no-name"),
        pytest.param("absent.py:Small", "no such file", id="no-file"),
        pytest.param("absent_package.nets:Small", "no such module", id="no-module"),
        pytest.param("nets.py:Absent", "has no 'Absent'", id="no-attribute"),
        pytest.param("nets.py:NUMBER", "is a int, which can't be called", id="not-callable"),
        pytest.param("broken.py:Small", "syntax error in line 2", id="syntax-error"),
        pytest.param("raising.py:Small", "importing it raises ValueError: sorry", id="raises"),
        pytest.param("leaving.py:Small", "importing it raises SystemExit", id="exits"),
        pytest.param("needing.py:Small", "needs absent_dependency, which isn't installed", id="needs-another"),
    ],
)
def test_a_wrong_spec_says_what_is_wrong(root: Path, spec: str, complaint: str) -> None:
    (root / "broken.py").write_text("x = 1\nclass Small(:\n")
    (root / "raising.py").write_text("raise ValueError('sorry')\n")
    (root / "leaving.py").write_text("raise SystemExit(0)\n")
    (root / "needing.py").write_text("import absent_dependency\n")
    with pytest.raises(CheckpointError, match=complaint) as caught:
        resolve_factory(spec, root)
    assert caught.value.exit_code == 3
    assert caught.value.where
    assert caught.value.hint


def test_the_networks_of_the_file_are_named_where_the_name_is_wrong(root: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        resolve_factory("nets.py:Smal", root)
    assert "Small" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "kwargs", "complaint"),
    [
        pytest.param("Small", {"breadth": 3}, r"called with \(breadth=3\) it raises TypeError", id="unknown-argument"),
        pytest.param("Small", {"width": "x"}, "it raises TypeError", id="wrong-type"),
        pytest.param("strange", {}, "returns a str, not a torch.nn.Module", id="no-module"),
    ],
)
def test_a_factory_that_builds_no_network_says_so(root: Path, name: str, kwargs: dict, complaint: str) -> None:
    factory = resolve_factory(f"nets.py:{name}", root)
    with pytest.raises(CheckpointError, match=complaint) as caught:
        build(factory, kwargs)
    assert name in caught.value.where

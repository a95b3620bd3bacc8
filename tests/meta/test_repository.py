"""What is committed: reproducible, movable to any machine, and free of addresses of this one."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("home", "root", "Users", "work", "tmp")
MACHINE_PATH = re.compile(rf"(?<![\w.$~*}}-])/(?:{'|'.join(FOLDERS)})/[\w.]")
PIN = re.compile(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+")
NAME = re.compile(r"[A-Za-z0-9_.-]+")


def tracked() -> list[Path]:
    """Every file that is, or would be, committed."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_file_names_a_folder_of_this_machine() -> None:
    found = []
    for file in tracked():
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()}")
    assert found == []


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("before", [" ", "(", "'", "=", ""])
def test_folders_of_a_machine_are_found(folder: str, before: str) -> None:
    assert MACHINE_PATH.search(f"{before}/{folder}/x")
    assert MACHINE_PATH.search(f"{before}/{folder}/.x")


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("before", ["~", "a", "//host", "{root}", "$HOME", "-", "."])
def test_other_paths_are_let_be(folder: str, before: str) -> None:
    assert not MACHINE_PATH.search(f"{before}/{folder}/x")
    assert not MACHINE_PATH.search(f" /{folder}x/y")


def test_no_workflow_files() -> None:
    assert [file for file in tracked() if ".github" in file.parts] == []


def test_package_locks_say_nothing_of_where_packages_came_from() -> None:
    locks = [file for file in tracked() if file.name == "package-lock.json"]
    assert locks != []
    assert [str(lock) for lock in locks if '"resolved"' in lock.read_text(encoding="utf-8")] == []


def test_constraints_are_exact_versions() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not PIN.fullmatch(line)] == []
    assert pins == sorted(pins, key=lambda pin: pin.partition("==")[0].lower())


def test_constraints_pin_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pinned = {normalised(line.partition("==")[0]) for line in text.splitlines()}
    names = [match[0] for line in wanted if (match := NAME.match(line))]
    assert [name for name in names if normalised(name) not in pinned] == []


def test_ci_runs_what_people_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    targets = re.findall(r"^make ([\w-]+)$", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert targets == ["check", "test", "engine-onnx-tf", "test-chain"]

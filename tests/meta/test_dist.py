"""What `make dist` makes: the same bytes anywhere, what is meant to be in it, and a valid bill of materials."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tools.sbom import LOCK, sbom

ROOT = Path(__file__).parents[2]
JS = Path("converter", "runtimes", "js")
EPOCH = 1_700_000_000


def tracked() -> list[str]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)
        shutil.copymode(source, target)
        os.utime(target)


def built_in(folder: Path, *, age_s: int, zone: str, umask: int) -> dict[str, bytes]:
    """The package as built from a fresh copy of the repository, with the JavaScript packages already installed."""
    for name in tracked():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
        os.utime(target, (age_s, age_s))
    packages = (ROOT / JS / "node_modules", folder / JS / "node_modules")
    shutil.copytree(
        *packages, copy_function=linked, symlinks=True, ignore=shutil.ignore_patterns("@sparticuz", "*typescript*")
    )
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(EPOCH), "TZ": zone}
    command = [sys.executable, "-m", "hatchling", "build", "-d", "out"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, umask=umask)
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in (folder / "out").iterdir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dist", numbered=True)
    one = built_in(root / "one", age_s=1_000_000_000, zone="UTC", umask=0o022)
    other = built_in(root / "some" / "other place", age_s=1_200_000_000, zone="Asia/Tokyo", umask=0o077)
    assert len(one) == 2
    assert {name: len(data) for name, data in one.items()} == {name: len(data) for name, data in other.items()}
    assert one == other, "two fresh folders gave different bytes"
    return root / "one" / "out"


def test_two_fresh_folders_give_the_same_bytes(built: Path) -> None:
    assert sorted(path.suffix for path in built.iterdir()) == [".gz", ".whl"]


def test_wheel_holds_what_runs_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"converter", "compat_export"}
    sources = {name for name in tracked() if name.startswith("converter/") and not name.startswith(f"{JS}/")}
    bundles = {name for name in names if name.startswith(f"{JS}/dist/")}
    assert {name for name in names if name.startswith("converter/")} - bundles == sources
    sys.path.insert(0, str(ROOT))
    from hatch_build import BUNDLES

    sys.path.remove(str(ROOT))
    assert {f"{JS}/dist/{bundle}" for bundle in BUNDLES} <= bundles
    assert [name for name in bundles if name.endswith(".wasm")] != []


def test_sdist_holds_what_is_tracked(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    inside = {member.name.partition("/")[2] for member in members}
    assert inside - {"PKG-INFO"} == set(tracked())
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in members} == {(0, 0, "", EPOCH)}


def test_bill_of_materials_is_valid_to_an_independent_validator() -> None:
    bill = sbom(EPOCH)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill | {"components": 5})) is not None
    assert sbom(EPOCH) == bill
    assert "timestamp" not in sbom()["metadata"]


def test_bill_of_materials_names_every_package_once_and_knows_what_needs_what() -> None:
    bill = sbom()
    refs = [one["bom-ref"] for one in bill["components"]]
    assert len(refs) == len(set(refs))
    edges = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    assert {ref for inner in edges.values() for ref in inner} <= set(refs)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {re.split(r"[<>=!\[ ]", line)[0].lower() for line in project["dependencies"]}
    names = {one["name"] for one in bill["components"]}
    assert wanted <= names
    assert {"sympy", "pydantic-core", "@tensorflow/tfjs-core"} <= names, "what those need in turn"
    assert names & {"pytest", "moto", "typescript", "s3fs", "@sparticuz/chromium"} == set()
    direct = json.loads(LOCK.read_bytes())["packages"][""]["dependencies"]
    assert set(direct) <= names
    pins = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    python = {one["name"]: one["version"] for one in bill["components"] if one["purl"].startswith("pkg:pypi/")}
    installed = {name: version.partition("+")[0] for name, version in python.items() if name in pins}
    assert len(installed) > 20
    assert installed == {name: pins[name] for name in installed}

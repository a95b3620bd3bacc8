import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hook(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    import hatch_build

    yield hatch_build
    del sys.modules["hatch_build"]


@pytest.fixture
def folder(tmp_path, hook):
    sources = ("src/main.ts", "build.mjs", "package-lock.json", *map(str, hook.OF_THE_CLIENT))
    for name in (*sources, *(f"dist/{bundle}" for bundle in hook.BUNDLES)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (1000, 2000 if "dist" in name else 1000))
    return tmp_path


def test_bundles_newer_than_their_sources_are_fresh(hook, folder):
    assert hook.is_fresh(folder, folder)


@pytest.mark.parametrize("source", ["src/main.ts", "build.mjs", "package-lock.json", "client/src/legacy.ts"])
def test_a_changed_source_makes_them_stale(hook, folder, source):
    os.utime(folder / source, (3000, 3000))
    assert not hook.is_fresh(folder, folder)


def test_a_missing_bundle_makes_them_stale(hook, folder):
    (folder / "dist" / hook.BUNDLES[0]).unlink()
    assert not hook.is_fresh(folder, folder)


def test_packages_are_installed_when_missing_or_older_than_the_lock(hook, folder):
    assert hook.needs_install(folder, with_development=False)
    installed = folder / "node_modules" / ".package-lock.json"
    installed.parent.mkdir()
    installed.touch()
    assert not hook.needs_install(folder, with_development=False)
    assert hook.needs_install(folder, with_development=True)
    os.utime(installed, (500, 500))
    assert hook.needs_install(folder, with_development=False)

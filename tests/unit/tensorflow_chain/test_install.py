import json
import os
import platform
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from converter.errors import ConverterError, EngineMissing
from converter.tensorflow_chain.environment import Environment, in_use, installed
from converter.tensorflow_chain.install import install, remove, size_bytes
from converter.tensorflow_chain.locked import ENGINES, Engine
from tests.races import race
from tests.unit.tensorflow_chain.conftest import locked, wheel

IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from converter.tensorflow_chain.install import install
from converter.tensorflow_chain.locked import ENGINES, Engine

def work(number, lock, python):
    ENGINES["tiny"] = Engine("tiny", Path(lock), python, 1, 1, ("tiny",))
    told = []
    _, is_new = install("tiny", tell=lambda step, note: told.append(step))
    return f"{is_new} {'packages' in told}"
"""


def silent(step: str, note: str) -> None:
    pass


def build(*, force: bool = False) -> tuple[Environment, bool]:
    return install("tiny", force=force, tell=silent)


def left_in(home: Path) -> set[str]:
    return {path.name for path in (home / "engines").iterdir()} if home.exists() else set()


def value(environment: Environment) -> str:
    command = [environment.python, "-I", "-c", "import tiny; print(tiny.VALUE)"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_installed_engine_is_whole_and_alone(tiny: Engine, home: Path) -> None:
    told: list[str] = []
    environment, is_new = install("tiny", tell=lambda step, note: told.append(f"{step} {note}".strip()))
    assert is_new
    assert told[0] == f"room 1 MB to download, 1 MB on disk in {home / 'engines' / 'tiny'}"
    assert told[-1] == "check"
    assert left_in(home) == {"tiny"}
    assert environment == installed("tiny")
    assert environment.versions == {"tiny": "1.0"}
    assert environment.python_version == platform.python_version()
    assert value(environment) == "1\n"


def test_second_install_finds_the_first(tiny: Engine) -> None:
    first, _ = build()
    before = first.python.parent.stat().st_ino
    assert build() == (first, False)
    assert build(force=True) == (first, True)
    assert first.python.parent.stat().st_ino != before


def python_gone(folder: Path) -> None:
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to(folder / "nowhere")


def file_gone(folder: Path) -> None:
    next(folder.glob("lib/*/site-packages/tiny.py")).unlink()


def file_cut(folder: Path) -> None:
    os.truncate(next(folder.glob("lib/*/site-packages/tiny.py")), 3)


def package_gone(folder: Path) -> None:
    for path in folder.glob("lib/*/site-packages/tiny*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def record_damaged(folder: Path) -> None:
    next(folder.glob("lib/*/site-packages/tiny-1.0.dist-info/RECORD")).write_bytes(b"\xff\xfe,")


def marker_gone(folder: Path) -> None:
    (folder / "engine.json").unlink()


def marker_damaged(folder: Path) -> None:
    (folder / "engine.json").write_text("[]")


def other_lock(folder: Path) -> None:
    marker = json.loads((folder / "engine.json").read_bytes())
    (folder / "engine.json").write_text(json.dumps(marker | {"lock_sha256": "0" * 64}))


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (python_gone, "the Python 3.* that it was built on is gone"),
        (file_gone, "tiny-1.0 is damaged: .*tiny.py: No such file"),
        (file_cut, "tiny-1.0 is damaged: tiny.py has 3 bytes instead of 10"),
        (package_gone, "tiny-1.0 is missing"),
        (record_damaged, "tiny-1.0 is damaged: RECORD can't be read"),
        (marker_gone, "its engine.json is missing or damaged"),
        (marker_damaged, "its engine.json is missing or damaged"),
        (other_lock, "it was installed by another version of compat-export"),
    ],
)
def test_damaged_environment_is_refused_and_rebuilt(harm: Callable[[Path], None], fault: str, tiny: Engine) -> None:
    environment, _ = build()
    harm(environment.folder)
    with pytest.raises(EngineMissing, match=f"the engine tiny is not usable: {fault}") as error:
        installed("tiny")
    assert error.value.hint == "compat-export engine install tiny rebuilds it"
    assert build() == (environment, True)
    assert value(environment) == "1\n"


def test_package_of_another_digest_is_never_used(tiny: Engine, shelf: Path, home: Path) -> None:
    wheel(shelf, "VALUE = 2\n")
    with pytest.raises(EngineMissing, match=r"Hash mismatch for `tiny==1\.0`") as error:
        build()
    assert error.value.hint.startswith("the index gives other files than the lock names")
    assert left_in(home) <= {".tiny.cache"}
    with pytest.raises(EngineMissing, match="not installed"):
        installed("tiny")


def test_build_that_fails_leaves_the_environment_that_was_there(tiny: Engine, shelf: Path) -> None:
    environment, _ = build()
    wheel(shelf, "VALUE = 2\n")
    with pytest.raises(EngineMissing, match="Hash mismatch"):
        build(force=True)
    assert installed("tiny") == environment
    assert value(environment) == "1\n"


def test_environment_that_can_not_import_is_no_engine(tiny: Engine, shelf: Path, home: Path) -> None:
    locked(shelf, wheel(shelf, "raise OSError('no such library')\n"))
    with pytest.raises(EngineMissing, match="was built, and does not work: OSError: no such library"):
        build()
    assert left_in(home) <= {".tiny.cache"}


def test_import_that_is_killed_is_told_as_that(tiny: Engine, shelf: Path) -> None:
    locked(shelf, wheel(shelf, "import os\nos.kill(os.getpid(), 4)\n"))
    with pytest.raises(EngineMissing, match="killed by signal 4"):
        build()


def test_index_that_can_not_be_reached(tiny: Engine, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_FIND_LINKS")
    monkeypatch.delenv("UV_NO_INDEX")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with pytest.raises(EngineMissing, match="Connection refused") as error:
        build()
    assert "set UV_DEFAULT_INDEX" in error.value.hint
    assert left_in(home) <= {".tiny.cache"}


@pytest.mark.parametrize(
    ("python", "fault"),
    [
        (None, r"has no Python 3\.99 to run on: No interpreter found for Python 3\.99"),
        (Path("/nonexistent/python"), r"has no Python 3\.99 to run on: No interpreter found at path"),
        (Path(shutil.which("ls") or ""), "Failed to inspect Python interpreter"),
        (Path(sys.executable), r"that is Python 3\.\d+\.\d+, and the engine tiny runs on 3\.99 only"),
    ],
    ids=["none", "nowhere", "no-python", "other-version"],
)
def test_python_that_does_not_fit_is_refused(
    python: Path | None, fault: str, tiny: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "tiny", replace(tiny, python="3.99"))
    with pytest.raises(EngineMissing, match=fault) as error:
        install("tiny", python=python, tell=silent)
    assert "--python" in error.value.hint
    assert left_in(home) <= {".tiny.cache"}


def test_too_little_room_is_found_before_anything_is_fetched(
    tiny: Engine, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENGINES, "tiny", replace(tiny, disk_mb=10**12))
    with pytest.raises(EngineMissing, match=r"the engine tiny needs 1000000000000 MB, and \d+ MB are free") as error:
        build()
    assert "COMPAT_EXPORT_HOME" in error.value.hint
    assert left_in(home) == set()


def test_write_that_the_system_refuses_leaves_nothing(tiny: Engine, shelf: Path, home: Path) -> None:
    locked(shelf, wheel(shelf, "VALUE = 1\n", data=bytes(3_000_000)))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(EngineMissing, match=r"Failed to|uv ended with -25"):
            build()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert left_in(home) <= {".tiny.cache"}
    assert build()[1]


def test_machine_that_has_no_packages_is_told_so(tiny: Engine, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(EngineMissing, match="can't be installed on Linux riscv64"):
        build()
    assert not home.exists()


@pytest.mark.parametrize("force", [False, True], ids=["first", "again"])
def test_installs_at_the_same_moment_build_once_or_in_turn(force: bool, tiny: Engine) -> None:
    if force:
        build()
    said = race(3, IN_ANOTHER_PROCESS, tiny.lock, tiny.python)
    assert sorted(said) == ["False False", "False False", "False False" if force else "True True"]
    assert value(installed("tiny")) == "1\n"


def test_killed_install_is_resumed(tiny: Engine, shelf: Path, home: Path) -> None:
    gate = shelf / "gate"
    source = f"import pathlib, time\nwhile pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\nVALUE = 1\n"
    locked(shelf, wheel(shelf, source))
    gate.touch()
    program = f"{IN_ANOTHER_PROCESS}\nwork(0, *sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", program, str(tiny.lock), tiny.python])
    packages = home / "engines" / ".tiny.new" / "lib"
    deadline_s = time.monotonic() + 60
    while not any(packages.glob("*/site-packages/tiny-1.0.dist-info/RECORD")) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert left_in(home) == {".tiny.new", ".tiny.cache"}
    with pytest.raises(EngineMissing, match="not installed"):
        installed("tiny")
    gate.unlink()
    environment, is_new = build()
    assert is_new
    assert left_in(home) == {"tiny"}
    assert value(environment) == "1\n"


def test_environment_in_use_stays_until_it_is_not(tiny: Engine, home: Path) -> None:
    environment, _ = build()
    with in_use("tiny") as used:
        assert used == environment
        with pytest.raises(ConverterError, match="in use by another process"):
            remove("tiny")
        with pytest.raises(ConverterError, match="in use by another process"):
            build(force=True)
        assert installed("tiny") == environment
        assert left_in(home) == {"tiny"}
    assert build(force=True)[1]
    assert remove("tiny") is not None


def test_environment_may_be_used_by_many(tiny: Engine) -> None:
    build()
    with in_use("tiny") as one, in_use("tiny") as other:
        assert one == other


def test_removed_engine_leaves_nothing(tiny: Engine, home: Path) -> None:
    environment, _ = build()
    before = size_bytes(environment.folder)
    cached = home / "engines" / ".tiny.cache"
    cached.mkdir()
    os.link(next(environment.folder.glob("lib/*/site-packages/tiny.py")), cached / "the-same")
    assert before > 0
    assert remove("tiny") == before
    assert not home.exists()
    assert remove("tiny") is None


def test_remove_leaves_what_is_not_the_engines(tiny: Engine, home: Path) -> None:
    build()
    (home / "mine").write_text("mine")
    remove("tiny")
    assert [path.name for path in home.iterdir()] == ["mine"]

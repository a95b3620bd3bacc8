"""The store under what only other processes can do to it: kills, races, limits of the disk."""

import itertools
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from converter.artifact.index import read_index
from converter.artifact.store import Draft, open_artifact, verify_files
from tests.races import race

CHILD = """
import itertools, os, resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import FORMATS, contents_of, fill
from converter.artifact.index import read_index
from converter.artifact.store import Draft
from converter.errors import ConverterError

def stop_at(name, nth=1):
    original, calls = getattr(os, name), itertools.count(1)
    def stopped(*arguments, **options):
        if next(calls) == nth:
            print("stopped", flush=True)
            signal.pause()
        return original(*arguments, **options)
    setattr(os, name, stopped)

root = Path(sys.argv[1])
try:
    with Draft(root, "compatibility", "1.0.0") as draft:
        fill(draft.folder)
{body}
        draft.publish(contents_of(description=f"of process {{os.getpid()}}"), FORMATS)
except ConverterError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def start(root: Path, body: str = "") -> subprocess.Popen:
    code = CHILD.format(tests=str(Path(__file__).parent), body=f"        {body}")
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([sys.executable, "-c", code, str(root)], text=True, **pipes)


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_kill_while_publishing_shows_nothing_and_the_next_draft_cleans_up(root, publish, call):
    child = start(root, f"stop_at({call!r})")
    assert child.stdout.readline() == "stopped\n"
    child.kill()
    assert child.wait() == -signal.SIGKILL
    child.communicate()
    [left] = names(root / "compatibility")
    assert left.startswith(".1.0.0.")
    assert left.endswith(".draft")
    verify_files(open_artifact(publish().folder))
    assert names(root / "compatibility") == ["1.0.0", "index.json"]


@pytest.mark.parametrize("call", ["fsync", "rename", "replace"])
def test_a_kill_at_any_call_leaves_all_or_nothing(root, call):
    was_there = []
    for nth in itertools.count(1):
        place = root / str(nth)
        child = start(place, f"stop_at({call!r}, {nth})")
        if child.stdout.readline() != "stopped\n":
            assert child.wait() == 0
            child.communicate()
            break
        child.kill()
        child.communicate()
        final = place / "compatibility" / "1.0.0"
        was_there.append(final.exists())
        if final.exists():
            verify_files(open_artifact(final))
    verify_files(open_artifact(place / "compatibility" / "1.0.0"))
    assert was_there == sorted(was_there)
    if call == "fsync":
        assert set(was_there) == {False, True}


def test_a_draft_that_is_alive_is_left_alone(root, publish):
    child = start(root, "print(draft.folder, flush=True); signal.pause()")
    alive = Path(child.stdout.readline().strip())
    try:
        publish(version="2.0.0")
        assert names(root / "compatibility") == [alive.name, "2.0.0", "index.json"]
        assert (alive / "model.onnx").is_file()
    finally:
        child.kill()
        child.communicate()


def test_two_drafts_of_one_process_do_not_remove_each_other(root):
    with Draft(root, "m", "1.0.0") as one, Draft(root, "m", "1.0.0") as other:
        assert one.folder.is_dir()
        assert other.folder.is_dir()
        assert one.folder != other.folder


PUBLISH = f"""
sys.path.insert(0, {str(Path(__file__).parent)!r})
from conftest import FORMATS, contents_of, fill
from converter.artifact.store import Draft

def work(number, root):
    with Draft(Path(root), "compatibility", "1.0.0") as draft:
        fill(draft.folder)
        draft.publish(contents_of(description=f"of process {{number}}"), FORMATS)
    return "won"
"""


def test_eight_processes_that_race_for_one_version_have_one_winner(root):
    said = race(8, PUBLISH, root)
    winner = said.index("won")
    others = {one for number, one in enumerate(said) if number != winner}
    assert others == {"ArtifactError: this version exists, and versions are never changed"}
    artifact = open_artifact(root / "compatibility" / "1.0.0")
    verify_files(artifact)
    assert artifact.manifest.description == f"of process {winner}"
    assert names(root / "compatibility") == ["1.0.0", "index.json"]
    assert read_index(root / "compatibility").versions["1.0.0"].digest == artifact.manifest.digest


MOVE = """
from converter.artifact.index import change_index
from converter.artifact.locks import held

def work(number, model):
    for _ in range(10):
        with held(Path(model)):
            change_index(Path(model), lambda index: index.with_channel("stable", f"{number}.0.0"))
    with held(Path(model)):
        change_index(Path(model), lambda index: index.with_channel(f"of-{number}", f"{number}.0.0"))
    return "done"
"""


def test_eight_processes_that_race_for_one_channel_lose_no_change(root, publish):
    versions = [f"{major}.0.0" for major in range(8)]
    for version in versions:
        publish(version=version)
    model = root / "compatibility"
    assert race(8, MOVE, model) == ["done"] * 8
    index = read_index(model)
    assert index.channels["stable"] in versions
    assert {f"of-{version[0]}": version for version in versions}.items() <= index.channels.items()
    assert index.revision >= 8 + 1 + 8
    assert names(model) == sorted([*versions, "index.json"])


@pytest.mark.parametrize(
    "body",
    [
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))",
        'resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); (draft.folder / "x").write_bytes(bytes(1000))',
    ],
    ids=["the manifest", "a file"],
)
def test_a_disk_that_takes_no_more_is_an_artifact_error_and_leaves_nothing(root, body):
    child = start(root, body)
    _, error = child.communicate(timeout=60)
    assert child.returncode == 6, error
    assert "can't be written or read: File too large" in error
    assert "hint: free some space" in error
    assert list(root.iterdir()) == []

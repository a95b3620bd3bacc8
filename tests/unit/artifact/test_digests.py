import os
from pathlib import Path

import pytest

from converter.artifact.digests import LARGE_BYTES, Digests
from converter.artifact.files import entry_of


@pytest.fixture
def digests(tmp_path):
    made = Digests(tmp_path)
    yield made
    made.close()


def write(folder: Path, name: str, size_bytes: int, byte: int = 7) -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(bytes([byte]) * size_bytes)
    return file


def test_what_was_hashed_early_is_what_is_read_at_the_end(digests, tmp_path):
    files = [write(tmp_path, f"a/{index}", LARGE_BYTES + index) for index in range(3)]
    for file in files:
        digests.begin(file)
    write(tmp_path, "small", 3)
    write(tmp_path, "empty", 0)
    write(tmp_path, "late", LARGE_BYTES)
    paths = ["a/0", "a/1", "a/2", "empty", "late", "small"]
    assert digests.entries() == tuple(entry_of(tmp_path, path) for path in paths)


@pytest.mark.parametrize("size_bytes", [10, LARGE_BYTES])
def test_a_file_that_is_written_again_is_hashed_again(digests, tmp_path, size_bytes):
    file = write(tmp_path, "file", size_bytes)
    digests.begin(file)
    (first,) = digests.entries()
    write(tmp_path, "file", size_bytes, byte=8)
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))  # as a clock that isn't coarse has it
    (second,) = digests.entries()
    assert second == entry_of(tmp_path, "file") != first


def test_a_file_that_is_removed_is_no_longer_listed(digests, tmp_path):
    file = write(tmp_path, "file", LARGE_BYTES)
    digests.begin(file)
    assert len(digests.entries()) == 1
    file.unlink()
    assert digests.entries() == ()

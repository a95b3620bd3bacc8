import hashlib
import os
from pathlib import Path

import pytest

from converter.fileio import EARLY_BYTES, hash_early, sha256_of


def sparse(path: Path, size_bytes: int, first: bytes) -> Path:
    with path.open("wb") as file:
        file.write(first)
        file.truncate(size_bytes)
    return path


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("size_bytes", [0, 100, EARLY_BYTES])
def test_a_hash_that_was_begun_early_is_that_of_the_file(tmp_path, size_bytes):
    file = sparse(tmp_path / "file", size_bytes, b"")
    hash_early(file)
    assert sha256_of(file) == sha256_of(file) == digest_of(file)


def test_a_file_that_changed_since_is_hashed_again(tmp_path):
    file = sparse(tmp_path / "file", EARLY_BYTES, b"first")
    hash_early(file)
    before = digest_of(file)
    sparse(file, EARLY_BYTES, b"other")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))  # as a clock that isn't coarse has it
    assert sha256_of(file) == digest_of(file) != before


def test_a_file_that_is_not_there_is_told_of_by_who_reads_it(tmp_path):
    hash_early(tmp_path / "absent")
    with pytest.raises(FileNotFoundError):
        sha256_of(tmp_path / "absent")


def test_a_file_that_is_cut_while_it_is_hashed_is_hashed_again(tmp_path):
    file = sparse(tmp_path / "file", 16 * EARLY_BYTES, b"first")
    hash_early(file)
    os.truncate(file, 3)
    assert sha256_of(file) == hashlib.sha256(b"fir").hexdigest()

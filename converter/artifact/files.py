"""The files of an artifact: listed with their digests, and checked against a list."""

import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from converter.artifact.manifest import MANIFEST_NAME, FileEntry
from converter.errors import ArtifactError
from converter.fileio import digests_of

T = TypeVar("T")

SIGNATURE_NAME = "model.sig"
UNLISTED = {MANIFEST_NAME, SIGNATURE_NAME}
"""What a manifest doesn't list: itself, and the signature, which is made of it."""
PARALLEL_BYTES = 16 << 20


def paths_in(folder: Path) -> list[str]:
    """Every file below a folder but its manifest and its signature, sorted.

    Raises: ArtifactError if something there is neither a folder nor a regular file, such as a symbolic link.
    """
    paths = []
    for path, mode in sorted(_walk(folder)):
        if not stat.S_ISREG(mode):
            raise ArtifactError(
                f"{path} is {_kind_of(mode)}; an artifact holds files only",
                where=str(folder),
                hint="put a copy of the file there instead",
            )
        if path not in UNLISTED:
            paths.append(path)
    return paths


def entry_of(folder: Path, path: str) -> FileEntry:
    """One file of a folder as the manifest lists it."""
    sha256, integrity = digests_of(folder / path)
    return FileEntry(path=path, size_bytes=(folder / path).stat().st_size, sha256=sha256, integrity=integrity)


def check_files(folder: Path, expected: Iterable[FileEntry], known: Iterable[FileEntry] = ()) -> list[str]:
    """What is wrong with a folder's files: one line for each file missing, added or changed, none if all is well.

    Files that are `known` aren't read.
    """
    read = {entry.path: entry for entry in known}
    wanted = {entry.path: entry for entry in expected}
    found = dict(_walk(folder))
    faults = [f"{path}: {_kind_of(found[path])}" for path in UNLISTED & found.keys() if not stat.S_ISREG(found[path])]
    there = [path for path in sorted(wanted.keys() & found.keys() - UNLISTED) if stat.S_ISREG(found[path])]
    differences = _each(folder, there, lambda path: _difference(wanted[path], read.get(path) or entry_of(folder, path)))
    by_path = dict(zip(there, differences, strict=True))
    for path in sorted((wanted.keys() | found.keys()) - UNLISTED):
        if path not in found:
            faults.append(f"{path}: missing")
        elif path not in wanted:
            faults.append(f"{path if path.isprintable() else ascii(path)}: not in the manifest")
        elif not stat.S_ISREG(found[path]):
            faults.append(f"{path}: {_kind_of(found[path])} instead of a file")
        elif fault := by_path[path]:
            faults.append(f"{path}: {fault}")
    return faults


def _each(folder: Path, paths: Sequence[str], work: Callable[[str], T]) -> list[T]:
    """What `work` gives for each file: of many bytes for several at a time, since hashing lets other threads run."""
    if sum((folder / path).stat().st_size for path in paths) < PARALLEL_BYTES:
        return [work(path) for path in paths]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        return list(pool.map(work, paths))


def _difference(expected: FileEntry, actual: FileEntry) -> str:
    for field, unit in (("size_bytes", " bytes"), ("sha256", ""), ("integrity", "")):
        wanted, got = getattr(expected, field), getattr(actual, field)
        if wanted != got:
            return f"{field.removesuffix('_bytes')} is {got}{unit}, the manifest says {wanted}"
    return ""


def _walk(folder: Path) -> Iterator[tuple[str, int]]:
    """(path, mode) of everything below a folder that is not itself a folder; links are not followed."""
    pending = [folder]
    while pending:
        for inner in pending.pop().iterdir():
            mode = inner.lstat().st_mode
            if stat.S_ISDIR(mode):
                pending.append(inner)
            else:
                yield inner.relative_to(folder).as_posix(), mode


def _kind_of(mode: int) -> str:
    return "a symbolic link" if stat.S_ISLNK(mode) else "a special file"

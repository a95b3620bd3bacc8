"""The digests of a folder that is being filled, made beside other work."""

import mmap
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256, sha384
from os import stat_result
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from converter.artifact.files import entry_of, paths_in
from converter.artifact.locks import sync
from converter.artifact.manifest import FileEntry
from converter.errors import ArtifactError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

LARGE_BYTES = 4 << 20


class _Stamp(NamedTuple):
    """What a file that is written again doesn't keep."""

    inode: int
    size_bytes: int
    mtime_ns: int


class _Hashed(NamedTuple):
    stamp: _Stamp
    entry: FileEntry


class Digests:
    """The entries of a folder's files, each made once, and again only of a file that was written since.

    Large files are hashed by threads of their own, several at a time: `begin` as soon as one is whole, and go on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._begun: dict[str, Future[_Hashed]] = {}
        self._hashed: dict[str, _Hashed] = {}
        self._pool: ThreadPoolExecutor | None = None

    def begin(self, files: Iterable[Path]) -> None:
        """Begin to hash those of these files that are large, and to have them reach the disk."""
        for file in files:
            path = file.relative_to(self._folder).as_posix()
            if file.stat().st_size >= LARGE_BYTES:
                self._begun[path] = self._threads().submit(_of_large, self._folder, path)

    def entries(self) -> tuple[FileEntry, ...]:
        """Every file that a manifest lists, sorted by path, as it is now.

        Raises: ArtifactError as `paths_in`, or for a name that a manifest can't hold; OSError if a file can't be read.
        """
        paths = paths_in(self._folder)
        try:
            self._collect()
            changed = [path for path in paths if not self._is_current(path)]
            self.begin(self._folder / path for path in changed)
            self._hashed |= {path: _of_small(self._folder, path) for path in changed if path not in self._begun}
            self._collect()
        except ValidationError as error:
            what = f"a file's name can't be published: {error}"
            raise ArtifactError(what, where=str(self._folder), hint="rename it") from error
        return tuple(self._hashed[path].entry for path in paths)

    def close(self) -> None:
        """Stop hashing; no file is open afterwards."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _collect(self) -> None:
        self._hashed |= {path: begun.result() for path, begun in self._begun.items()}
        self._begun.clear()

    def _is_current(self, path: str) -> bool:
        hashed = self._hashed.get(path)
        return hashed is not None and hashed.stamp == _stamp_of((self._folder / path).stat())

    def _threads(self) -> "ThreadPoolExecutor":
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor()
        return self._pool


def _stamp_of(status: stat_result) -> _Stamp:
    return _Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def _of_small(folder: Path, path: str) -> _Hashed:
    stamp = _stamp_of((folder / path).stat())
    return _Hashed(stamp, entry_of(folder, path))


def _of_large(folder: Path, path: str) -> _Hashed:
    """Hashed in one piece: between pieces it would wait for the interpreter, which other threads keep busy."""
    file = folder / path
    stamp = _stamp_of(file.stat())
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        digest, integrity = sha256(content), sha384(content)
    sync(file)
    text = "sha384-" + b64encode(integrity.digest()).decode("ascii")
    entry = FileEntry(path=path, size_bytes=stamp.size_bytes, sha256=digest.hexdigest(), integrity=text)
    return _Hashed(stamp, entry)

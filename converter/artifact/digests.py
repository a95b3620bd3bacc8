"""The digests of a folder that is being filled, made beside other work."""

import mmap
from hashlib import sha256, sha384
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from converter.artifact.files import entry_of, paths_in
from converter.artifact.locks import sync
from converter.artifact.manifest import FileEntry
from converter.errors import ArtifactError
from converter.fileio import Stamp, integrity_of, stamp_of

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

LARGE_BYTES = 4 << 20
WINDOW_BYTES = 16 << 20  # mapped at a time: reading as much takes a fifth more CPU of converting a ResNet-50


class _Hashed(NamedTuple):
    stamp: Stamp
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

    def begin(self, file: Path) -> None:
        """Begin to hash a file, if it is large, and to have it reach the disk."""
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
            for path in changed:
                self.begin(self._folder / path)
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
        return hashed is not None and hashed.stamp == stamp_of(self._folder / path)

    def _threads(self) -> "ThreadPoolExecutor":
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor()
        return self._pool


def _of_small(folder: Path, path: str) -> _Hashed:
    stamp = stamp_of(folder / path)
    return _Hashed(stamp, entry_of(folder, path))


def _of_large(folder: Path, path: str) -> _Hashed:
    file = folder / path
    stamp = stamp_of(file)
    digests = sha256(), sha384()
    with file.open("rb") as opened:
        for start in range(0, stamp.size_bytes, WINDOW_BYTES):
            n_bytes = min(WINDOW_BYTES, stamp.size_bytes - start)
            with mmap.mmap(opened.fileno(), n_bytes, access=mmap.ACCESS_READ, offset=start) as content:
                for digest in digests:
                    digest.update(content)
    sync(file)
    hexadecimal, integrity = digests[0].hexdigest(), integrity_of(digests[1])
    return _Hashed(stamp, FileEntry(path=path, size_bytes=stamp.size_bytes, sha256=hexadecimal, integrity=integrity))

"""Bytes on disk: digests, canonical JSON, atomic writes, safetensors."""

import base64
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np

CHUNK_BYTES = 1 << 20
EARLY_BYTES = 32 << 20
PIECE_BYTES = 16 << 20  # of what is hashed beside other work: between pieces, a thread waits for others


class Stamp(NamedTuple):
    """What a file that is written again doesn't keep."""

    inode: int
    size_bytes: int
    mtime_ns: int


def stamp_of(path: Path) -> Stamp:
    """The stamp of a file as it is now."""
    status = path.stat()
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


class _EarlyHash(threading.Thread):
    """Hashes a file, if it can be read; `stamp` is that of the file that `sha256` belongs to."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self.stamp: Stamp | None = None
        self.sha256 = ""

    def run(self) -> None:
        with suppress(OSError, ValueError):
            stamp = stamp_of(self._path)
            digest, buffer = hashlib.sha256(), bytearray(PIECE_BYTES)
            with self._path.open("rb", buffering=0) as file:  # not mapped: what shortens the file would end the process
                while n_bytes := file.readinto(buffer):
                    digest.update(memoryview(buffer)[:n_bytes])
            self.sha256, self.stamp = digest.hexdigest(), stamp


_early: dict[Path, _EarlyHash] = {}


def hash_early(path: Path) -> None:
    """Begin to hash a large file in a thread of its own, for a `sha256_of` to come; of a small one, do nothing."""
    if path.is_file() and path.stat().st_size >= EARLY_BYTES:
        _early[path] = _EarlyHash(path)
        _early[path].start()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, as lower-case hexadecimal."""
    if early := _early.pop(path, None):
        early.join()
        if early.stamp == stamp_of(path):
            return early.sha256
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(path: Path) -> tuple[str, str]:
    """The SHA-256 (hexadecimal) and the subresource integrity (`sha384-…`) of a file, in one read."""
    sha256, sha384 = hashlib.sha256(), hashlib.sha384()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            sha256.update(chunk)
            sha384.update(chunk)
    return sha256.hexdigest(), integrity_of(sha384)


def integrity_of(sha384: "hashlib._Hash") -> str:
    """A digest as subresource integrity has it."""
    return "sha384-" + base64.b64encode(sha384.digest()).decode("ascii")


def canonical_json(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys, no NaN, a final newline: equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    return text.encode() + b"\n"


def write_atomically(path: Path, chunks: bytes | Iterable[bytes | memoryview], *, is_synced: bool = True) -> None:
    """Write a file whole or not at all: a temporary sibling, flushed to disk, then renamed over `path`.

    One that isn't synced may be missing or empty after a power failure.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in [chunks] if isinstance(chunks, bytes) else chunks:
                file.write(chunk)
            file.flush()
            if is_synced:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def save_safetensors(
    path: Path, tensors: "Mapping[str, np.ndarray]", metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays as safetensors; bytes do not depend on insertion order."""
    import numpy as np
    from safetensors.numpy import save

    arrays = {name: np.array(tensors[name], order="C") for name in sorted(tensors)}
    write_atomically(path, save(arrays, metadata=dict(metadata) if metadata else None))


def read_safetensors(path: Path) -> "tuple[dict[str, np.ndarray], dict[str, str]]":
    """The named arrays and the metadata of a safetensors file.

    Raises: ValueError if the file is damaged; OSError if it can't be read.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(str(error)) from error

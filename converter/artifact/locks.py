"""Locks of folders that die with their process, and folders that reach the disk."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def sync(path: Path) -> None:
    """Have a file or folder reach the disk; Windows can't do this for folders, nor for files opened for reading."""
    if sys.platform == "win32":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def held(folder: Path) -> Iterator[int]:
    """Keep others from adding to, cleaning or removing a folder, which is made if it is missing.

    A process that inherits the handle keeps the lock as well, for as long as it lives.
    """
    handle = None
    while handle is None:
        folder.mkdir(parents=True, exist_ok=True)
        handle = lock(folder, wait=True)
    try:
        yield handle
    finally:
        os.close(handle)


def lock(folder: Path, *, wait: bool, shared: bool = False) -> int | None:
    """An open handle that locks a folder for as long as this process lives; shared locks keep exclusive ones out only.

    None if the folder is gone, or, without waiting, if another holds it or this file system has no locks; with waiting,
    a file system without locks gives a handle that locks nothing.
    """
    if sys.platform == "win32":  # no folder can be opened there
        return os.open(os.devnull, os.O_RDONLY) if wait else None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
    except OSError:
        if wait:
            return handle
        os.close(handle)
        return None
    if _is_same_folder(folder, handle):
        return handle
    os.close(handle)
    return None


def _is_same_folder(folder: Path, handle: int) -> bool:
    """Whether the folder was not removed, or replaced, while its lock was waited for."""
    try:
        return os.path.samestat(folder.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False

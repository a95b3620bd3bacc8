"""uv, which finds or fetches a Python and installs a lock by its hashes."""

import os
import subprocess
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from uv import find_uv_bin

from converter.errors import EngineMissing

MOST_LINES = 200  # of what uv said, kept for its error
WIDE = "9999"  # columns, lest uv break a line of its error
NO_SPACE = ("os error 28)", "os error 122)")  # the disk, or the quota, is full
NO_ROOM_HINT = "make room, or name a folder on another disk in COMPAT_EXPORT_HOME"
WHICH_PYTHON = "install that Python, or name one with --python PATH"
HINTS = {
    "No interpreter found": WHICH_PYTHON,
    "Python interpreter": WHICH_PYTHON,
    "python-build-standalone": f"none is here, and it couldn't be fetched: {WHICH_PYTHON}",
    "Hash mismatch": "the index gives other files than the lock names, and none of them was used: choose another index",
    **dict.fromkeys(NO_SPACE, NO_ROOM_HINT),
    "Failed to": "check the network; behind a mirror, set UV_DEFAULT_INDEX to its address (uv doesn't read pip.conf). "
    "What was downloaded is kept for the next try",
}


def run_uv(
    *arguments: str | Path, settings: Mapping[str, str], where: Path, keeps_open: int, tell: Callable[[str], None]
) -> None:
    """Run uv in a folder until it ends, telling each line that it says.

    What it inherits besides the settings is the whole environment: that is where its indexes, proxies and keys are set.
    `keeps_open` is a handle that uv, even where we were killed, keeps open for as long as it lives.

    Raises: EngineMissing with uv's own words if it fails.
    """
    process = subprocess.Popen(
        [find_uv_bin(), "--color", "never", *arguments],
        cwd=where,
        env={**os.environ, **settings, "COLUMNS": WIDE},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        pass_fds=(keeps_open,),
    )
    said: deque[str] = deque(maxlen=MOST_LINES)
    with process:
        try:
            for line in process.stdout or ():
                said.append(line.rstrip())
                tell(line.strip())
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise _failure(list(said), process.returncode, where)


def is_out_of_room(error: EngineMissing) -> bool:
    """Whether the disk was full."""
    return error.hint == NO_ROOM_HINT


def _failure(said: list[str], code: int, where: Path) -> EngineMissing:
    """The error that uv gave, with its deepest cause."""
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    causes = [line.strip().removeprefix("cause: ") for line in said if line.startswith("  cause: ")]
    if not errors:
        last = next((line for line in reversed(said) if line), "it said nothing")
        return EngineMissing(f"uv ended with {code}: {last}", where=str(where))
    text = "\n".join(said)
    hint = next((hint for sign, hint in HINTS.items() if sign in text), "")
    return EngineMissing(": ".join([*errors[-1:], *causes[-1:]]), where=str(where), hint=hint)

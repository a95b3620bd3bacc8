"""Runs a program to its end, and says what it took."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

# Linux counts what a process was before it became another program: the peak of a small one is that of who started it.
LAUNCHER = """
import json, os, resource, subprocess, sys, time
report, limit_s, *command = sys.argv[1:]
if int(limit_s):
    resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s)))
began = time.monotonic()
child = subprocess.Popen(command)
_, status, usage = os.wait4(child.pid, 0)
wall_s = time.monotonic() - began
taken = wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, os.waitstatus_to_exitcode(status)
with open(report, "w") as file:
    json.dump(taken, file)
"""


@dataclass(frozen=True)
class Taken:
    """What a program and all that it started took; the memory is that of the largest process, mapped files included.

    `status` is the exit code, or the number of the signal that ended it below 0.
    """

    wall_s: float
    cpu_s: float
    peak_bytes: int
    status: int


def run(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    output: IO[bytes] | int = subprocess.DEVNULL,
    cpu_limit_s: int = 0,
) -> Taken:
    """Run a program in a folder; what it prints goes to `output`."""
    with tempfile.TemporaryDirectory() as place:
        report = Path(place, "report.json")
        launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(report), str(cpu_limit_s), *command]
        subprocess.run(launcher, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=True)
        return Taken(*json.loads(report.read_text(encoding="utf-8")))

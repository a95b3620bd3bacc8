"""Which commit a config came from."""

import shutil
import subprocess
from pathlib import Path

from converter.artifact.manifest import Repository

TIMEOUT_S = 30
SAFE = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=")  # what a repository would otherwise have git run


def repository_of(folder: Path) -> Repository | None:
    """The commit that a folder is at, and whether tracked files differ from it; None outside of version control."""
    git = shutil.which("git")
    commit = _said(git, folder, "rev-parse", "--verify", "HEAD") if git else None
    if git is None or commit is None:
        return None
    changes = _said(git, folder, "status", "--porcelain", "--untracked-files=no")
    return Repository(commit=commit.strip(), is_dirty=changes != "")


def _said(git: str, folder: Path, *arguments: str) -> str | None:
    command = [git, *SAFE, "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None

"""Semantic versions: their order, and the one that comes next."""

import re
from collections.abc import Iterable
from typing import Literal

from converter.config import SEMVER_PATTERN

Part = Literal["major", "minor", "patch"]
Precedence = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]


def precedence(version: str) -> Precedence:
    """What versions are sorted by; build metadata doesn't count.

    Source: https://semver.org/#spec-item-11
    """
    core, _, pre = version.partition("+")[0].partition("-")
    major, minor, patch = map(int, core.split("."))
    return major, minor, patch, not pre, tuple(map(_identifier, pre.split(".") if pre else ()))


def is_prerelease(version: str) -> bool:
    """Whether a version comes before the release that it is named after, such as 2.0.0-rc.1."""
    return not precedence(version)[3]


def moves_latest(version: str, latest: str | None) -> bool:
    """Return whether `latest` moves to a version: to a higher one, and from any pre-release to a final version."""
    return latest is None or _latest_order(version) > _latest_order(latest)


def _latest_order(version: str) -> tuple[bool, Precedence]:
    return not is_prerelease(version), precedence(version)


def newest_first(versions: Iterable[str]) -> list[str]:
    """Versions by falling precedence."""
    return sorted(versions, key=lambda version: (precedence(version), version), reverse=True)


def bumped(version: str, part: Part) -> str:
    """The next version after one; a pre-release of exactly that version becomes it."""
    major, minor, patch, is_release, _ = precedence(version)
    if part == "major":
        return f"{major + (is_release or bool(minor or patch))}.0.0"
    if part == "minor":
        return f"{major}.{minor + (is_release or bool(patch))}.0"
    return f"{major}.{minor}.{patch + is_release}"


def is_version(text: str) -> bool:
    """Whether a text is a semantic version."""
    return re.fullmatch(SEMVER_PATTERN, text) is not None


def _identifier(text: str) -> tuple[bool, int, str]:
    return (False, int(text), "") if text.isdecimal() else (True, 0, text)

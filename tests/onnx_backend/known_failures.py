"""The tests that don't pass, and why: strict, so that the list never says more, less or something else than is true."""

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.onnx_backend.judge import Outcome

FILE = Path(__file__).with_name("known_failures.toml")


@dataclass(frozen=True)
class KnownFailure:
    """Tests (names or patterns) that fail in some runtimes (patterns) for one reason.

    `says` is a regular expression that finds something in what each of them reports. `by_chance`: the outputs are
    random, so that now and then one passes.
    """

    reason: str
    says: str
    tests: tuple[str, ...]
    runtimes: tuple[str, ...] = ("*",)
    by_chance: bool = False

    def covers(self, test: str, runtime: str) -> bool:
        """Whether this entry is about a test in a runtime."""
        return _matches(test, self.tests) and _matches(runtime, self.runtimes)


def read_known_failures(file: Path = FILE) -> list[KnownFailure]:
    """The entries of a list."""
    entries = tomllib.loads(file.read_text(encoding="utf-8"))["failure"]
    return [KnownFailure(**{k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}) for entry in entries]


def find(known: Iterable[KnownFailure], test: str, runtime: str) -> KnownFailure | None:
    """The entry about a test in a runtime."""
    return next((entry for entry in known if entry.covers(test, runtime)), None)


def contradiction(known: Iterable[KnownFailure], test: str, runtime: str, outcome: Outcome) -> str | None:
    """What the list says wrongly of an outcome, None where it is right."""
    entry = find(known, test, runtime)
    seen = f"{outcome.stage}: {outcome.reason}"
    if outcome.has_passed:
        if entry and entry.by_chance:
            return None
        return entry and f"{runtime}: passes, so take it off {FILE.name} ({entry.reason})"
    if entry is None:
        return f"{runtime}: {seen}"
    if re.search(entry.says, seen) is None:
        return f"{runtime}: is listed because it says {entry.says!r}, but it says: {seen}"
    return None


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)

"""What a pipeline tells while it works; whoever runs it decides how to show that."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class StepStarted:
    """A step began; `total` counts its units of work, None where that can't be known."""

    step: str
    total: int | None = None


@dataclass(frozen=True)
class StepAdvanced:
    """A step has done `done` units; `note` says what it is at."""

    step: str
    done: int
    note: str = ""


@dataclass(frozen=True)
class StepFinished:
    """A step ended; `note` says what came out."""

    step: str
    note: str = ""


Event = StepStarted | StepAdvanced | StepFinished
Emit = Callable[[Event], None]


def silent(_: Event) -> None:
    """Tell nobody."""

"""Tells people on stderr what a pipeline is doing: live on a terminal, a line for each finished step elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from converter.pipeline.events import Emit, Event, StepAdvanced, StepFinished, StepStarted


@contextmanager
def narrate(console: Console) -> Iterator[Emit]:
    """An `Emit` that shows events until the context ends."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("[dim]{task.fields[note]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Bars(progress)


class _Lines:
    """One line for each step that ended."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._began: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        if isinstance(event, StepStarted):
            self._began[event.step] = time.monotonic()
        elif isinstance(event, StepFinished):
            self.finished(event)

    def finished(self, event: StepFinished) -> None:
        seconds = time.monotonic() - self._began.pop(event.step, time.monotonic())
        note = f": {escape(event.note)}" if event.note else ""
        line = f"[green]done[/] {escape(event.step)}{note} [dim]({seconds:.1f} s)[/]"
        self._console.print(line, soft_wrap=True, emoji=False)


class _Bars:
    """A live bar for each step under way, and a line for each that ended."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lines = _Lines(progress.console)
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case StepStarted(step, total):
                self._tasks[step] = self._progress.add_task(escape(step), total=total, note="")
            case StepAdvanced(step, done, note) if step in self._tasks:
                self._progress.update(self._tasks[step], completed=done, note=escape(note))
            case StepFinished(step) if step in self._tasks:
                self._progress.remove_task(self._tasks.pop(step))
        self._lines(event)

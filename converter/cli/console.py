"""The only place that writes to the terminal: results to stdout, progress and errors to stderr."""

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from converter.pipeline.events import Emit, silent

if TYPE_CHECKING:
    import rich.console

Mode = Literal["people", "json", "quiet"]
WIDTH_IN_FILES = 140  # columns, where no terminal sets them


@dataclass(frozen=True)
class Result:
    """What a command has to say, in each form that it can be asked for.

    `document` is for `--json`, `essential` for `--quiet`, and `view` makes what people see.
    `then` is what a command goes on to do, until Ctrl-C, once that has been shown: in one line, for who waits for it.
    """

    document: Mapping[str, Any]
    essential: str
    view: Callable[[], Iterable["rich.console.RenderableType"]]
    exit_code: int = 0
    then: Callable[[], None] | None = None


@dataclass(frozen=True)
class Failure:
    """Why a command failed: what, where, and what to do next."""

    type: str
    what: str
    where: str
    hint: str
    exit_code: int


class Console:
    """A terminal that speaks to people, to machines, or only says what is essential."""

    def __init__(self, mode: Mode, arguments: Sequence[str] = ()) -> None:
        self.mode, self.arguments = mode, tuple(arguments)
        self.debug = False

    @classmethod
    def for_arguments(cls, argv: Sequence[str]) -> "Console":
        """The console that a command line asks for, known before it is parsed: a usage error obeys it as well."""
        return cls("json" if "--json" in argv else "quiet" if "--quiet" in argv or "-q" in argv else "people", argv)

    def show(self, result: Result) -> None:
        """Write a result to stdout."""
        if self.mode == "json":
            self._write_json(result.document, indent=2 if result.then is None else None)
        elif self.mode == "quiet":
            sys.stdout.write(f"{result.essential}\n")
        else:
            console = _rich(sys.stdout)
            for part in result.view():
                console.print(part, soft_wrap=isinstance(part, str), emoji=False)

    def fail(self, failure: Failure, error: BaseException | None = None) -> None:
        """Write an error: to stdout as the one document of `--json`, else to stderr."""
        if self.mode == "json":
            self._write_json({"error": vars(failure)})
        else:
            lines = [f"[bold red]error:[/] {_escaped(failure.what)}"]
            lines += [f"  [bold]where:[/] {_escaped(failure.where)}"] if failure.where else []
            lines += [f"  [bold]hint:[/]  {_escaped(failure.hint)}"] if failure.hint else []
            _rich(sys.stderr).print("\n".join(lines), soft_wrap=True, emoji=False)
        if self.debug and error is not None:
            traceback.print_exception(error, file=sys.stderr)

    @contextmanager
    def progress(self) -> Iterator[Emit]:
        """Somewhere to send a pipeline's events while it works."""
        if self.mode != "people":
            yield silent
            return
        from converter.cli.progress import narrate

        with narrate(_rich(sys.stderr)) as emit:
            yield emit

    def protected_stdout(self) -> nullcontext[None] | redirect_stdout[Any]:
        """A context in which what a model's own code prints can't get between a machine and the result."""
        return nullcontext() if self.mode == "people" else redirect_stdout(sys.stderr)

    def _write_json(self, document: Mapping[str, Any], indent: int | None = 2) -> None:
        sys.stdout.write(json.dumps(document, indent=indent, allow_nan=False) + "\n")


def shown_path(path: Path) -> str:
    """A path as a person would type it here: short, and without `..` where that can be."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would also replace links, which people named
    return str(whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole)


def flush() -> bool:
    """Whether everything written has reached its reader; if the reader has gone, nothing more will be tried."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        abandon_output()
        return False
    return True


def abandon_output() -> None:
    """Have what is still buffered for a reader that has gone go nowhere, so that closing stdout can't fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError):
            continue
    os.close(nowhere)


def _rich(file: IO[str]) -> "rich.console.Console":
    from rich.console import Console as RichConsole

    width = None if file.isatty() or "COLUMNS" in os.environ else WIDTH_IN_FILES
    return RichConsole(file=file, width=width, highlight=False)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)

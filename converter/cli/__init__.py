"""The command line: it parses, calls the pipeline, and is the one place that turns errors into exit codes."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from gc import get_threshold, set_threshold

import typer

from converter.cli.console import Console, Failure, Result, abandon_output, flush
from converter.cli.exit_codes import INTERRUPTED
from converter.cli.github import tell_failure
from converter.cli.root import app
from converter.errors import ConverterError, InternalError

READER_GONE = 1  # as Rich and Typer end where the reader of the output has gone
NEW_OBJECTS = 100_000
"""Allocations before a search for garbage: what a command imports and builds stays, so that most find nothing."""

REPORT = "please report this, with the output of the same command under `compat-export --debug`"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, print what it gives, and return its exit code; raises nothing."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    console = Console.for_arguments(arguments)
    try:
        with _rare_garbage_collection(), _termination_as_interrupt():
            code = _run(arguments, console)
    except BrokenPipeError:
        abandon_output()
        return READER_GONE
    return code if flush() else READER_GONE


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    before = get_threshold()
    set_threshold(NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        set_threshold(*before)


@contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    """Within it, SIGTERM ends a command as Ctrl-C does: by way of everything that cleans up."""
    if threading.current_thread() is not threading.main_thread():  # others can't set handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(arguments: list[str], console: Console) -> int:
    try:
        with console.protected_stdout():
            result = typer.main.get_command(app).main(arguments, "compat-export", standalone_mode=False, obj=console)
        if isinstance(result, Result):
            _show(console, result)
            return result.exit_code
    except BrokenPipeError:
        raise
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except (Exception, KeyboardInterrupt) as error:
        return _fail(console, error)
    if result == INTERRUPTED:  # what Typer makes of a KeyboardInterrupt
        return _fail(console, KeyboardInterrupt())
    return int(result or 0)


def _show(console: Console, result: Result) -> None:
    if result.then is None:
        console.show(result)
        return
    with suppress(KeyboardInterrupt):
        console.show(result)
        if flush():
            result.then()


def _fail(console: Console, error: BaseException) -> int:
    failure = failure_from(error)
    console.fail(failure, error)
    tell_failure(f"compat-export: {failure.type}", failure.what, where=failure.where)
    return failure.exit_code


def failure_from(error: BaseException) -> Failure:
    """What to tell of an error, and the exit code for it; what nobody foresaw is a bug of ours."""
    kind = type(error).__name__
    match error:
        case ConverterError():
            return Failure(kind, error.what, error.where, error.hint, error.exit_code)
        case typer.TyperException():
            return _usage_failure(error)
        case KeyboardInterrupt() | typer.Abort():
            return Failure("Interrupted", "interrupted", "", "nothing half-written was left behind", INTERRUPTED)
        case OSError():
            what = str(error.strerror or error)
            return Failure(kind, what, str(error.filename or ""), "check the path, its permissions and the disk", 1)
        case InternalError():
            return Failure(kind, f"a bug of compat-export: {error}", "", REPORT, error.exit_code)
        case _:
            what = f"a bug of compat-export: {kind}: {error}"
            return Failure("InternalError", what, "", REPORT, InternalError.exit_code)


def _usage_failure(error: typer.TyperException) -> Failure:
    context: typer.Context | None = getattr(error, "ctx", None)
    path = context.command_path if context else "compat-export"
    return Failure("UsageError", error.format_message(), path, f"`{path} --help` explains it", 2)

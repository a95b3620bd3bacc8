"""Build the `bisect` command that finds the node behind a failed comparison."""

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from converter.errors import ParityError

OWN = frozenset({"--artifacts", "--json", "--quiet", "-q", "--browser", "--to"})


@contextmanager
def hint_to_bisect(command: Callable[[str], str]) -> Iterator[None]:
    """Add the command for the first TF.js graph that differs to the hint of a ParityError."""
    try:
        yield
    except ParityError as error:
        graphs = [name for name in error.runtimes if name.startswith("tfjs-") and not name.startswith("tfjs-layers-")]
        if graphs:
            error.hint = "\n".join([error.hint, f"find the first node that differs: {command(graphs[0])}"])
        raise


def bisect_of_convert(context: typer.Context, arguments: Sequence[str]) -> Callable[[str], str]:
    """Return the function from a runtime to the command that searches what a `convert` command line compiles."""
    kept = shlex.join(_shared(context, arguments))
    return lambda runtime: f"compat-export bisect {kept} --runtime {runtime}"


def bisect_of_artifact(artifact: str) -> Callable[[str], str]:
    """Return the function from a runtime to the command that searches an artifact."""
    return lambda runtime: f"compat-export bisect {shlex.quote(artifact)} --runtime {runtime}"


def _shared(context: typer.Context, arguments: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command line that `bisect` takes as well."""
    commands: dict[str, Any] = context.find_root().command.commands  # type: ignore[attr-defined]  # it is a group
    flags = {name for param in context.command.params if getattr(param, "is_flag", False) for name in param.opts}
    known = {name for param in commands["bisect"].params for name in param.opts} - OWN
    words = iter(arguments[list(arguments).index(str(context.command.name)) + 1 :])
    for word in words:
        name, has_value, _ = word.partition("=")
        if not word.startswith("-"):
            yield word
            continue
        rest = [] if has_value or name in flags else [next(words, "")]
        if name in known:
            yield from [word, *rest]

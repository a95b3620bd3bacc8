"""`compat-export doctor`."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from converter.cli.console import Console, Result
from converter.cli.options import BrowserOption, JsonOption, QuietOption
from converter.errors import RuntimeMissing

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.pipeline.doctor import Check


def doctor(
    context: typer.Context, browser: BrowserOption = None, _json: JsonOption = False, _quiet: QuietOption = False
) -> Result:
    """Say what this machine has of what conversion and its proof need.

    Exits with 7 if a part is missing that every conversion needs; a browser is needed by its own runtimes only.

    [bold]Example[/]
      compat-export doctor
    """
    from converter.pipeline.doctor import doctor as run

    console: Console = context.obj
    with console.progress() as emit:
        checks = run(browser, emit=emit)
    lacking = [check.name for check in checks if check.is_needed and check.status == "missing"]
    return Result(
        {"status": "missing" if lacking else "ok", "checks": [asdict(check) for check in checks]},
        essential=f"missing: {', '.join(lacking)}" if lacking else "ok",
        view=lambda: _view(checks),
        exit_code=RuntimeMissing.exit_code if lacking else 0,
    )


def _view(checks: Sequence["Check"]) -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("part", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for check in checks:
        style = "green" if check.status == "ok" else "bold red" if check.is_needed else "yellow"
        table.add_row(escape(check.name), f"[{style}]{check.status}[/]", escape(check.detail))
    yield table
    for check in checks:
        if check.status == "missing":
            yield f"[bold]{escape(check.name)}[/]: {escape(check.hint)}"

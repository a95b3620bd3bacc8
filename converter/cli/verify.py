"""`compat-export verify`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.console import Console, Result, shown_path
from converter.cli.options import BrowserOption, JsonOption, QuietOption, RuntimesOption, names_from_list

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.pipeline.verify import VerifyOutcome


def verify(
    context: typer.Context,
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="A folder that holds manifest.json.")],
    runtimes: RuntimesOption = None,
    browser: BrowserOption = None,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Check every file of an artifact against its digest, then prove it again, without PyTorch.

    [bold]Examples[/]
      compat-export verify artifacts/compatibility/1.0.0
      compat-export verify artifacts/compatibility/1.0.0 --runtimes tfjs-wasm@node
    """
    from converter.pipeline.verify import verify as run

    console: Console = context.obj
    with console.progress() as emit:
        outcome = run(artifact, runtimes=names_from_list(runtimes, "--runtimes"), browser=browser, emit=emit)
    manifest = outcome.manifest
    document = {
        "artifact": shown_path(outcome.folder),
        "name": manifest.name,
        "version": manifest.version,
        "digest": manifest.digest,
        "n_files": len(manifest.files),
        "parity": outcome.report.as_json(timings=True),
    }
    return Result(document, essential=shown_path(outcome.folder), view=lambda: _view(outcome))


def _view(outcome: "VerifyOutcome") -> Iterable["RenderableType"]:
    from rich.markup import escape

    from converter.cli.parity_view import parity_view

    yield from parity_view(outcome.report)
    files = f"{len(outcome.manifest.files)} files as published"
    yield f"[green]verified[/] {escape(shown_path(outcome.folder))} [dim]({files})[/]"

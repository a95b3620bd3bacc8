"""`compat-export release`."""

from pathlib import Path
from typing import Annotated

import typer

from converter.cli.console import Result, shown_path
from converter.cli.options import JsonOption, QuietOption


def release(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="A folder that holds manifest.json.")],
    to: Annotated[Path, typer.Option(metavar="DIR", help="Where to publish it, as DIR/NAME/VERSION.")],
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Publish a proved artifact to a folder, whole or not at all; an unproved one is refused.

    Releasing the same artifact twice is fine; a version that exists is never changed.

    [bold]Example[/]
      compat-export release artifacts/compatibility/1.0.0 --to dist/release
    """
    from converter.pipeline.release import release as run

    folder = run(artifact, to)
    return Result({"released": shown_path(folder)}, essential=shown_path(folder), view=lambda: _view(folder))


def _view(folder: Path) -> list[str]:
    from rich.markup import escape

    return [f"[green]released[/] {escape(shown_path(folder))}"]

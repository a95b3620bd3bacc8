"""`compat-export client`: what an app needs beside the artifact."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from converter.cli.console import Result, shown_path
from converter.cli.options import JsonOption, QuietOption

app = typer.Typer(help="Write what an app needs beside an artifact.", no_args_is_help=False)


@app.callback()
def client() -> None:
    """Write what an app needs beside an artifact."""


@app.command()
def types(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="A folder that holds manifest.json.")],
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to write features.d.ts and features.js; replaced if there.")
    ] = Path(),
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Write the features of a model as TypeScript types and constants, so that a renamed feature fails to compile.

    An artifact carries the same files in its folder `client`.

    [bold]Example[/]
      compat-export client types artifacts/compatibility/1.0.0 --to src/model
    """
    from converter.pipeline.types import types_of_artifact

    manifest, files = types_of_artifact(artifact, to)
    paths = [shown_path(file) for file in files]
    document = {
        "name": manifest.name,
        "version": manifest.version,
        "features": [feature.name for feature in manifest.features],
        "files": paths,
    }
    return Result(document, essential="\n".join(paths), view=lambda: _view(paths, len(manifest.features)))


def _view(paths: Sequence[str], n_features: int) -> list[str]:
    from rich.markup import escape

    return [f"[green]written[/] {escape(path)} [dim]({n_features} features)[/]" for path in paths]

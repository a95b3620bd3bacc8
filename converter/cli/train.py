"""`compat-export train`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.console import Console, Result, shown_path
from converter.cli.options import JsonOption, QuietOption

if TYPE_CHECKING:
    from rich.console import RenderableType


def train(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The model's config.")],
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Train the reference network of a config and write its checkpoint.

    The data come from a seeded generator: the same config gives the same checkpoint, byte for byte.

    [bold]Example[/]
      compat-export train configs/compatibility.yaml
    """
    from converter.config import resolve
    from converter.pipeline.train import train as run

    console: Console = context.obj
    with console.progress() as emit:
        outcome = run(resolve(config, {}), emit=emit)
    document = {
        "checkpoint": shown_path(outcome.checkpoint),
        "sha256": outcome.sha256,
        "metrics": dict(outcome.metrics),
    }
    return Result(
        document,
        essential=shown_path(outcome.checkpoint),
        view=lambda: _view(outcome.checkpoint, outcome.sha256, outcome.metrics),
    )


def _view(checkpoint: Path, sha256: str, metrics: Mapping[str, float]) -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("metric, on held-out synthetic rows", box=box.SIMPLE_HEAD)
    table.add_column("value", justify="right")
    for name, value in metrics.items():
        table.add_row(escape(name), f"{value:,.0f}" if float(value).is_integer() else f"{value:.4f}")
    yield table
    yield f"[green]checkpoint[/] {escape(shown_path(checkpoint))}"
    yield f"[dim]sha256     {sha256}[/]"

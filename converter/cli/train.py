"""`compat-export train`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.console import Console, Result, shown_path
from converter.cli.options import JsonOption, QuietOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.pipeline.train import TrainOutcome


def train(
    context: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG.yaml", help="The model's config.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a training that was killed had got to, if there is one.")
    ] = False,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Train the network of a config, judge it on rows that it never saw, and write its checkpoint.

    The rows are those of `data.path` (CSV or Parquet), or of a seeded generator. On a CPU the same config, data and
    versions give the same checkpoint, byte for byte. Several processes train together where torchrun starts them.

    [bold]Example[/]
      compat-export train configs/compatibility.yaml
      compat-export train configs/compatibility.yaml --resume
      torchrun --nproc-per-node 2 -m converter train configs/compatibility.yaml
    """
    from converter.config import resolve
    from converter.pipeline.events import silent
    from converter.pipeline.train import train as run

    console: Console = context.obj
    n_local, n_all, rank = (int(os.environ.get(key, default)) for key, default in TORCHRUN)
    with console.progress() as emit:
        outcome = run(
            resolve(config, {}),
            resume=resume,
            n_local_processes=n_local,
            n_machines=n_all // n_local,
            emit=emit if rank == 0 else silent,
        )
    if outcome is None:
        raise typer.Exit(0)  # the first process of several speaks for all
    document = {
        "checkpoint": shown_path(outcome.checkpoint),
        "sha256": outcome.sha256,
        "n_epochs": outcome.record.n_epochs,
        "best_epoch": outcome.record.best_epoch,
        "data": outcome.record.data.model_dump(mode="json"),
        "metrics": outcome.record.evaluation.metrics,
    }
    return Result(document, essential=shown_path(outcome.checkpoint), view=lambda: _view(outcome))


TORCHRUN = (("LOCAL_WORLD_SIZE", "1"), ("WORLD_SIZE", "1"), ("RANK", "0"))
"""How torchrun tells a process how many there are on this machine and in all, and which one it is."""


def _view(outcome: "TrainOutcome") -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    data, evaluation = outcome.record.data, outcome.record.evaluation
    yield f"on {evaluation.n_rows['test']:,} held-out rows of {escape(data.name)}"
    table = Table("metric", box=box.SIMPLE_HEAD)
    for heading in ("model", f"{evaluation.level:.0%} interval", *(scored.name for scored in evaluation.baselines)):
        table.add_column(escape(heading), justify="right")
    for metric, value in evaluation.model.metrics.items():
        interval = evaluation.model.intervals.get(metric)
        others = [scored.metrics.get(metric) for scored in evaluation.baselines]
        table.add_row(
            escape(metric.replace("_", " ")),
            f"{value:.4f}",
            f"{interval[0]:.4f} to {interval[1]:.4f}" if interval else "",
            *("" if other is None else f"{other:.4f}" for other in others),
        )
    yield table
    if evaluation.bayes_accuracy is not None:
        yield f"[dim]the best accuracy there can be on these rows is {evaluation.bayes_accuracy:.4f}[/]"
    yield f"[green]checkpoint[/] {escape(shown_path(outcome.checkpoint))}"
    yield f"[dim]sha256     {outcome.sha256}[/]"

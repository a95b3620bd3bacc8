"""`compat-export bench`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from converter.cli.console import Console, Result, shown_path
from converter.cli.documents import DOCUMENTS, writer
from converter.cli.github import annotate
from converter.cli.options import (
    REFERENCE,
    STORE,
    BrowserOption,
    JsonOption,
    QuietOption,
    RuntimesOption,
    StoreOption,
    budgets_from_texts,
    names_from_list,
)
from converter.errors import BudgetError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.pipeline.bench import BenchOutcome, RuntimeBench


def bench(
    context: typer.Context,
    artifact: Annotated[str, typer.Argument(metavar="ARTIFACT", help=REFERENCE)],
    artifacts: StoreOption = STORE,
    runtimes: RuntimesOption = None,
    runs: Annotated[int, typer.Option(min=1, help="How often to predict, in each runtime.")] = 100,
    seconds: Annotated[
        float, typer.Option(min=0, help="After how long to be content with fewer runs, but ten at least.")
    ] = 20.0,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER", help="A budget, such as predict_p99_ms=50, before the config's. Repeatable."
        ),
    ] = None,
    against: Annotated[
        Literal["legacy"] | None,
        typer.Option(help="Compare with the formula that the app used before: how right both are, and how fast."),
    ] = None,
    browser: BrowserOption = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what was measured as one HTML file.", rich_help_panel=DOCUMENTS),
    ] = None,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Measure an artifact: loading, first run, predictions, memory, bytes over the wire.

    Exits with 8 if a budget of its config is exceeded, or predictions leave tensors behind.
    Every runtime starts in fresh pages or threads; budgets hold for each of them.
    Against the legacy formula, accuracy and ROC-AUC are those of the rows that the training held out.

    [bold]Examples[/]
      compat-export bench artifacts/compatibility/1.0.0
      compat-export bench artifacts/compatibility/1.0.0 --runtimes tfjs-wasm@chromium --budget predict_p99_ms=200
      compat-export bench artifacts/compatibility/1.0.0 --against legacy
    """
    from converter.pipeline.bench import bench as run
    from converter.pipeline.locate import located, url_of

    console: Console = context.obj
    names, budgets = names_from_list(runtimes, "--runtimes"), budgets_from_texts(budget or [])
    with console.progress() as emit, located(artifact, artifacts, emit=emit) as place:
        write = writer(report, artifact=place.folder)
        outcome = run(
            place.folder,
            runtimes=names,
            budgets=budgets,
            browser=browser,
            n_runs=runs,
            seconds=seconds,
            against_legacy=against == "legacy",
            emit=emit,
        )
        write(outcome.facts())
    shown = url_of(artifact, artifacts) or shown_path(outcome.folder)
    for one in outcome.exceeded:
        annotate("error", "compat-export: BudgetError", str(one))
    manifest = outcome.manifest
    document = {"artifact": shown, "name": manifest.name, "version": manifest.version}
    return Result(
        document | outcome.as_json(),
        essential="; ".join(map(str, outcome.exceeded)) or ("ok" if outcome.n_budgets else "measured"),
        view=lambda: _view(outcome, shown),
        exit_code=BudgetError.exit_code if outcome.exceeded else 0,
    )


def _view(outcome: "BenchOutcome", shown: str) -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("runtime", no_wrap=True)
    for header in ("load", "first run", "p50", "p95", "p99", "runs", "memory", "tensors"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in outcome.runtimes:
        table.add_row(escape(one.info.name), *_cells(one))
    yield table
    total = [sum(getattr(size, way) for path, size in outcome.wire.items() if path.startswith("tfjs/")) for way in WAYS]
    yield f"ms and MB, on {escape(outcome.sample)}; TF.js files: " + ", ".join(
        f"{size / 1000:,.1f} kB {name}" for size, name in zip(total, WAYS.values(), strict=True)
    )
    if outcome.opponents:
        from converter.cli.legacy_view import tables

        yield from tables(outcome, outcome.opponents)
    for name, reason in outcome.not_run.items():
        yield f"[yellow]not run[/] {escape(name)}: {escape(reason)}"
    for fault in outcome.exceeded:
        yield f"[bold red]exceeded[/] {escape(str(fault))}"
    if outcome.exceeded:
        return
    if outcome.n_budgets:
        limits = f"{outcome.n_budgets} {'budget' if outcome.n_budgets == 1 else 'budgets'}"
        yield f"[green]within {limits}[/] {escape(shown)}"
    else:
        yield f"no budgets: none in the config of {escape(shown)}, no --budget NAME=NUMBER"


WAYS = {"raw": "stored", "gzip": "by gzip", "brotli": "by brotli"}


def _cells(one: "RuntimeBench") -> list[str]:
    times = (one.load_ms, one.warm_up_ms, one.predict_p50_ms, one.predict_p95_ms, one.predict_p99_ms)
    memory = "-" if one.memory_mb is None else f"{one.memory_mb:.1f}"
    leak = f" (+{one.n_leaked})" if one.n_leaked else ""
    tensors = "-" if one.n_tensors is None else f"{one.n_tensors:,}{leak}"
    return [*(f"{ms:,.{0 if ms >= 100 else 2}f}" for ms in times), f"{one.n_runs:,}", memory, tensors]

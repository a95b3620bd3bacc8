"""The model beside the legacy formula, as people see it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.artifact.evaluation import Scored
    from converter.pipeline.bench import BenchOutcome
    from converter.pipeline.legacy import Opponents

METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "roc_auc": "ROC-AUC"}


def tables(outcome: "BenchOutcome", opponents: "Opponents") -> Iterable["RenderableType"]:
    """How right both are on the held-out rows, and what both take in each runtime that runs JavaScript."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    yield f"on {opponents.n_rows:,} held-out rows{', synthetic' if opponents.is_synthetic else ''}"
    right = Table("metric", box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("model", "legacy formula", "difference"):
        right.add_column(header, justify="right")
    gains = {gain.metric: gain for gain in opponents.gains}
    for metric, label in METRICS.items():
        gain = gains.get(metric)
        difference = f"{gain.difference:+.3f} [{gain.interval[0]:+.3f}, {gain.interval[1]:+.3f}]" if gain else ""
        both = (_cell(scored, metric) for scored in (opponents.model, opponents.formula))
        right.add_row(label, *map(escape, (*both, difference)))
    right.add_row("says yes from", f"{opponents.model.threshold:.3g}", f"{opponents.formula.threshold:.3g}", "")
    yield right
    taken = {one.info.name: one for one in outcome.runtimes}
    quick = Table(f"ms, on {escape(outcome.sample)}", box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("model p50", "p99", "formula p50", "p99"):
        quick.add_column(header, justify="right")
    for time in outcome.formula_times:
        model = taken[time.runtime]
        cells = (model.predict_p50_ms, model.predict_p99_ms, time.p50_ms, time.p99_ms)
        quick.add_row(escape(time.runtime), *(f"{ms:.2g}" if ms < 0.1 else f"{ms:.2f}" for ms in cells))
    yield quick
    if opponents.missing:
        yield f"[dim]the formula lacks {escape(', '.join(opponents.missing))}, which counts 0 in it[/]"


def _cell(scored: "Scored", metric: str) -> str:
    low, high = scored.intervals[metric]
    return f"{scored.metrics[metric]:.3f} [{low:.3f}, {high:.3f}]"

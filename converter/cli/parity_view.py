"""A parity report as people read it: a row for each runtime, what it ran on, and what did not run."""

from collections.abc import Iterable
from math import isfinite
from typing import TYPE_CHECKING

from rich import box
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from converter.parity.verdict import Info, ParityReport, RuntimeVerdict

STYLES = {"passed": "green", "failed": "bold red", "error": "bold red"}


def parity_view(report: "ParityReport") -> Iterable[RenderableType]:
    """What to print of a report.

    Units: max |error| in the unit of the output; `needs atol` is the smallest atol that passes, beside rtol; ms is the
           median of a sample.
    """
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for header in ("runtime", "status"):
        table.add_column(header, no_wrap=True)
    for header in ("compared", "max |error|", "needs atol", "ms"):
        table.add_column(header, justify="right", no_wrap=True)
    for verdict in report.runtimes:
        table.add_row(*_cells(verdict))
    yield table
    yield f"{len(report.samples)} samples against {escape(_described(report.reference))}; {_tolerances(report)}"
    for verdict in report.runtimes:
        if verdict.info:
            yield f"[dim]{escape(_described(verdict.info))}[/]"
        if verdict.message:
            yield f"[red]{verdict.status}[/] {escape(verdict.name)}: {escape(verdict.message)}"
    for name, reason in report.not_run.items():
        yield f"[yellow]not run[/] {escape(name)}: {escape(reason)}"


def _tolerances(report: "ParityReport") -> str:
    """What the runtimes were held to, the class named where it isn't float32."""
    used = dict.fromkeys(name for verdict in report.runtimes for name in verdict.classes)
    texts = [
        f"{'' if name == 'float32' else f'{name} '}atol {one.atol:g}, rtol {one.rtol:g}"
        for name, one in report.tolerances.items()
        if name in used
    ]
    return f"tolerance: {'; '.join(texts)}"


def _cells(verdict: "RuntimeVerdict") -> list[str]:
    if not verdict.outputs:
        numbers = ["-", "-", "-"]
    else:
        needed = max(output.needed_atol for output in verdict.outputs)
        numbers = [
            f"{verdict.compared:,}",
            f"{verdict.max_abs:.2e}",
            "0" if needed == 0 else f"{needed:.1e}" if isfinite(needed) else "none passes",
        ]
    time_ms = "-" if verdict.predict_ms is None else f"{verdict.predict_ms:.{0 if verdict.predict_ms >= 100 else 2}f}"
    return [escape(verdict.name), f"[{STYLES[verdict.status]}]{verdict.status}[/]", *numbers, time_ms]


def _described(info: "Info") -> str:
    versions = ", ".join(f"{name} {version}" for name, version in info.versions.items())
    return f"{info.name} ({info.device}{'; ' if versions else ''}{versions})"

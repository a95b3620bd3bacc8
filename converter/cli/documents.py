"""The documents that a command writes about a proof, whether it passed or not."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.github import add_summary, annotate, wants_summary
from converter.errors import ConfigError

if TYPE_CHECKING:
    from converter.report.facts import Facts

DOCUMENTS = "Documents"

ReportOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Write a page about the proof, with latencies: one HTML file.", rich_help_panel=DOCUMENTS
    ),
]
JunitOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the verdicts as JUnit XML, for CI.", rich_help_panel=DOCUMENTS),
]


def writer(
    report: Path | None, junit: Path | None = None, *, artifact: Path | None = None
) -> "Callable[[Facts], None]":
    """What to call with the facts of a proof: writes the files asked for, and tells GitHub Actions where it runs.

    Raises: ConfigError if a file would lie in `artifact`, which never changes.
    """
    for option, file in (("--report", report), ("--junit", junit)):
        if file and artifact and file.resolve().is_relative_to(artifact.resolve()):
            raise ConfigError(
                "an artifact never changes, and this file would lie in it",
                where=f"{option} {file}",
                hint="write it elsewhere",
            )
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)

    def write(facts: "Facts") -> None:
        from converter.fileio import write_atomically

        if report:
            from converter.report.page import html_from_facts

            write_atomically(report, html_from_facts(facts).encode())
        if junit:
            from converter.report.junit import junit_from_facts

            write_atomically(junit, junit_from_facts(facts))
        if wants_summary():
            from converter.report.summary import markdown_from_facts

            add_summary(markdown_from_facts(facts))
        for runtime, reason in sorted(facts.proof.not_run.items()) if facts.proof else ():
            annotate("warning", f"{facts.name} {facts.version} not proved in {runtime}", reason)

    return write

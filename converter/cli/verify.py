"""`compat-export verify`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.console import Console, Result, shown_path
from converter.cli.documents import JunitOption, ReportOption, writer
from converter.cli.options import BrowserOption, JsonOption, QuietOption, RuntimesOption, names_from_list
from converter.cli.proof_options import (
    BatchesOption,
    SamplesOption,
    SeedOption,
    SizeOption,
    batches_from_list,
    sizes_from_texts,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.pipeline.verify import VerifyOutcome


def verify(
    context: typer.Context,
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="A folder that holds manifest.json.")],
    runtimes: RuntimesOption = None,
    browser: BrowserOption = None,
    samples: SamplesOption = None,
    batches: BatchesOption = None,
    sizes: SizeOption = None,
    seed: SeedOption = None,
    report: ReportOption = None,
    junit: JunitOption = None,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Check every file of an artifact against its digest, then prove it again, without PyTorch.

    Inputs that are asked for are compared beside the artifact's test vectors, with onnxruntime as their reference.

    [bold]Examples[/]
      compat-export verify artifacts/compatibility/1.0.0
      compat-export verify artifacts/compatibility/1.0.0 --runtimes tfjs-wasm@node
      compat-export verify artifacts/compatibility/1.0.0 --runtimes all --batches 1,7 --seed 5
      compat-export verify artifacts/compatibility/1.0.0 --report report.html --junit junit.xml
    """
    from converter.pipeline.samples import Wanted
    from converter.pipeline.verify import verify as run

    console: Console = context.obj
    write = writer(report, junit, artifact=artifact)
    names = names_from_list(runtimes, "--runtimes")
    wanted = Wanted(seed, batches_from_list(batches), sizes_from_texts(sizes), samples)
    with console.progress() as emit:
        outcome = run(artifact, runtimes=names, wanted=wanted, browser=browser, on_facts=write, emit=emit)
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

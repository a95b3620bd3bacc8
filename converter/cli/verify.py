"""`compat-export verify`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.bisect_hint import bisect_of_artifact, hint_to_bisect
from converter.cli.console import Console, Result, shown_path
from converter.cli.documents import JunitOption, ReportOption, writer
from converter.cli.options import (
    REFERENCE,
    STORE,
    BrowserOption,
    JsonOption,
    QuietOption,
    RuntimesOption,
    StoreOption,
    names_from_list,
)
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
    artifact: Annotated[
        str,
        typer.Argument(metavar="ARTIFACT", help=REFERENCE),
    ],
    public_key: Annotated[
        Path | None, typer.Option(metavar="KEY.pem", help="The public key that must have signed it.")
    ] = None,
    seen: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Remembers each index, and refuses one that is older or was rewritten."),
    ] = None,
    artifacts: StoreOption = STORE,
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

    A published version is fetched first: over HTTP, or from any store that fsspec knows.

    Inputs that are asked for are compared beside the artifact's test vectors, with onnxruntime as their reference.

    [bold]Examples[/]
      compat-export verify artifacts/compatibility/1.0.0
      compat-export verify compatibility@stable --runtimes tfjs-wasm@node
      compat-export verify https://models.example/compatibility@stable --public-key key.pub --seen seen.json
      compat-export verify artifacts/compatibility/1.0.0 --runtimes all --batches 1,7 --seed 5
      compat-export verify artifacts/compatibility/1.0.0 --report report.html --junit junit.xml
    """
    from converter.artifact.references import folder_of
    from converter.pipeline.locate import url_of
    from converter.pipeline.samples import Wanted
    from converter.pipeline.verify import verify_reference as run

    console: Console = context.obj
    url = url_of(artifact, artifacts)
    write = writer(report, junit, artifact=None if url else folder_of(artifact, Path(artifacts)))
    names = names_from_list(runtimes, "--runtimes")
    wanted = Wanted(seed, batches_from_list(batches), sizes_from_texts(sizes), samples)
    with console.progress() as emit, hint_to_bisect(bisect_of_artifact(artifact)):
        outcome = run(
            artifact,
            store=artifacts,
            public_key=public_key,
            seen=seen,
            runtimes=names,
            wanted=wanted,
            browser=browser,
            on_facts=write,
            emit=emit,
        )
    manifest = outcome.manifest
    shown = url or shown_path(outcome.folder)
    document = {
        "artifact": shown,
        "name": manifest.name,
        "version": manifest.version,
        "digest": manifest.digest,
        "n_files": len(manifest.files),
        "is_signed": public_key is not None,
        "parity": outcome.report.as_json(timings=True),
    }
    return Result(document, essential=shown, view=lambda: _view(outcome, shown, public_key))


def _view(outcome: "VerifyOutcome", shown: str, public_key: Path | None) -> Iterable["RenderableType"]:
    from rich.markup import escape

    from converter.cli.parity_view import parity_view

    yield from parity_view(outcome.report)
    files = f"{len(outcome.manifest.files)} files as published{', signed' if public_key else ''}"
    yield f"[green]verified[/] {escape(shown)} [dim]({files})[/]"

"""`compat-export client`: what an app needs beside the artifact."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from converter.cli.console import Console, Result, shown_path
from converter.cli.options import REFERENCE, STORE, BrowserOption, JsonOption, QuietOption, StoreOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.pipeline.bundle import BundleOutcome

Backend = Literal["cpu", "wasm", "webgl", "webgpu"]

app = typer.Typer(help="Write what an app needs beside an artifact.", no_args_is_help=False)


@app.callback()
def client() -> None:
    """Write what an app needs beside an artifact."""


@app.command()
def types(
    artifact: Annotated[str, typer.Argument(metavar="ARTIFACT", help=REFERENCE)],
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to write features.d.ts and features.js; replaced if there.")
    ] = Path(),
    artifacts: StoreOption = STORE,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Write the features of a model as TypeScript types and constants, so that a renamed feature fails to compile.

    An artifact carries the same files in its folder `client`.

    [bold]Example[/]
      compat-export client types artifacts/compatibility/1.0.0 --to src/model
    """
    from converter.pipeline.locate import located
    from converter.pipeline.types import types_of_artifact

    with located(artifact, artifacts, with_files=False) as place:
        manifest, files = types_of_artifact(place.folder, to)
    paths = [shown_path(file) for file in files]
    document = {
        "name": manifest.name,
        "version": manifest.version,
        "features": [feature.name for feature in manifest.features],
        "files": paths,
    }
    return Result(document, essential="\n".join(paths), view=lambda: _view(paths, len(manifest.features)))


@app.command()
def bundle(
    context: typer.Context,
    artifact: Annotated[str, typer.Argument(metavar="ARTIFACT", help=REFERENCE)],
    backend: Annotated[Backend, typer.Option(help="The backend that the app computes on.")],
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to write tfjs-BACKEND.js and what belongs to it.")
    ] = Path(),
    modules: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder whose node_modules has esbuild and TF.js 4.22.0. Default: this, or the checkout.",
        ),
    ] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Don't prove the build in Chromium.")] = False,
    browser: BrowserOption = None,
    artifacts: StoreOption = STORE,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Build TF.js for one artifact and one backend: an ES module with only the kernels that the graph needs.

    The artifact's test vectors go through the build in Chromium before it is written. It exports what the client
    package uses: `loadArtifact(url, {backend: "wasm", tfjs: () => import("./tfjs-wasm.js")})`.

    [bold]Example[/]
      compat-export client bundle artifacts/compatibility/1.0.0 --backend wasm --to src/model
    """
    from converter.pipeline.bundle import bundle as run
    from converter.pipeline.locate import located

    console: Console = context.obj
    with console.progress() as emit, located(artifact, artifacts, emit=emit) as place:
        outcome = run(place.folder, backend, to, modules=modules, prove_it=not no_verify, browser=browser, emit=emit)
    return Result(_document(outcome), essential=shown_path(outcome.files[0]), view=lambda: _bundle_view(outcome))


def _document(outcome: "BundleOutcome") -> dict[str, Any]:
    return {
        "name": outcome.manifest.name,
        "version": outcome.manifest.version,
        "backend": outcome.backend,
        "files": [shown_path(file) for file in outcome.files],
        "ops": list(outcome.ops),
        "kernels": list(outcome.kernels),
        "size_bytes": {
            "bundle": vars(outcome.size),
            "whole": vars(outcome.whole),
            "tf.min.js": vars(outcome.tf_min_js),
            **{name: vars(size) for name, size in outcome.wasm.items()},
        },
        "share_of_tf_min_js": outcome.share_of_tf_min_js,
        "parity": {"status": "not-run"} if outcome.report is None else outcome.report.as_json(timings=True),
    }


def _bundle_view(outcome: "BundleOutcome") -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from converter.cli.parity_view import parity_view

    if outcome.report is None:
        yield "[yellow]not proved[/]: the build was not run"
    else:
        yield from parity_view(outcome.report)
    table = Table("kB", box=box.SIMPLE_HEAD)
    for column in ("raw", "gzip", "brotli"):
        table.add_column(column, justify="right")
    sizes = {"this build": outcome.size, "with every kernel": outcome.whole, "tf.min.js 4.22.0": outcome.tf_min_js}
    for name, size in {**sizes, **outcome.wasm}.items():
        table.add_row(name, *(f"{number / 1000:,.1f}" for number in (size.raw, size.gzip, size.brotli)))
    yield table
    kernels = f"{len(outcome.kernels)} kernels, {outcome.share_of_tf_min_js:.1%} of tf.min.js gzipped"
    yield f"[green]built[/] {escape(shown_path(outcome.files[0]))} [dim]({kernels})[/]"


def _view(paths: Sequence[str], n_features: int) -> list[str]:
    from rich.markup import escape

    return [f"[green]written[/] {escape(path)} [dim]({n_features} features)[/]" for path in paths]

"""`compat-export bisect`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.console import Console, Result, shown_path
from converter.cli.model_options import (
    AllowMissingOption,
    BindOption,
    FactoryOption,
    IgnoreKeysOption,
    InputLayoutOption,
    InputOption,
    KwargsOption,
    OpsetOption,
    OutputOption,
    StateKeyOption,
    model_flags,
)
from converter.cli.options import (
    STORE,
    BrowserOption,
    JsonOption,
    QuietOption,
    StoreOption,
    UnrollLimitOption,
    WithoutPassOption,
    bindings_from_texts,
)
from converter.cli.proof_options import (
    BatchesOption,
    SamplesOption,
    SeedOption,
    SizeOption,
    batches_from_list,
    sizes_from_texts,
)
from converter.cli.sources import settings_of
from converter.errors import ConfigError, ParityError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.pipeline.bisect import BisectOutcome


def bisect(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(metavar="ARTIFACT|SOURCE", help="An artifact or its URL, or what convert takes."),
    ],
    runtime: Annotated[str, typer.Option(metavar="NAME", help="The TF.js runtime to look into.")],
    samples: SamplesOption = None,
    batches: BatchesOption = None,
    sizes: SizeOption = None,
    seed: SeedOption = None,
    factory: FactoryOption = None,
    kwargs: KwargsOption = None,
    state_key: StateKeyOption = None,
    ignore_keys: IgnoreKeysOption = None,
    allow_missing: AllowMissingOption = None,
    inputs: InputOption = None,
    outputs: OutputOption = None,
    opset: OpsetOption = None,
    bind: BindOption = None,
    input_layout: InputLayoutOption = None,
    without_passes: WithoutPassOption = None,
    unroll_limit: UnrollLimitOption = None,
    atol: Annotated[float | None, typer.Option(min=0, help="The absolute error to allow.")] = None,
    rtol: Annotated[float | None, typer.Option(min=0, help="The relative error to allow.")] = None,
    to: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to write the smallest model found that fails by itself.")
    ] = Path("reproducer"),
    artifacts: StoreOption = STORE,
    browser: BrowserOption = None,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Find the first node of a model that a runtime computes otherwise than onnxruntime.

    Exits with 5 if there is one, and with 0 if the runtime agrees on every sample.
    An artifact runs its test vectors, anything else what `convert` would compare on; --samples FILE replaces them.

    [bold]Examples[/]
      compat-export bisect artifacts/compatibility/1.0.0 --runtime tfjs-wasm@node
      compat-export bisect model.onnx --runtime tfjs-webgl@chromium --input x=batch,3,224,224
      compat-export bisect model.pth --factory net.py:Net --input x=batch,8 --runtime tfjs-wasm@node
    """
    from converter.artifact.manifest import MANIFEST_NAME
    from converter.pipeline.bisect import bisect as run
    from converter.pipeline.locate import located
    from converter.pipeline.target import open_target

    console: Console = context.obj
    given = model_flags(
        factory, kwargs, state_key, ignore_keys, allow_missing, inputs, outputs, opset, input_layout
    ) | {
        "without_passes": without_passes or None,
        "unroll_limit": unroll_limit,
        "parity.seed": seed,
        "parity.batches": batches_from_list(batches),
        "parity.sizes": sizes_from_texts(sizes),
    }
    flags = {path: value for path, value in given.items() if value is not None}
    bindings = bindings_from_texts(bind or [])
    with console.progress() as emit, located(target, artifacts, emit=emit) as place:
        is_artifact = (place.folder / MANIFEST_NAME).is_file()
        if is_artifact and (unused := sorted({*flags, *bindings})):
            raise ConfigError(
                f"an artifact is searched as it was converted, so {', '.join(unused)} can't be changed",
                where=target,
                hint="give the source that it was converted from instead",
            )
        config, from_source = (None, {}) if is_artifact else settings_of(Path(target), flags)
        opened = open_target(
            place.folder,
            config=config,
            flags=from_source | flags,
            bind=bindings,
            inputs=samples,
            atol=atol,
            rtol=rtol,
        )
        outcome = run(opened, runtime, browser=browser, emit=emit)
    folder = to if outcome.write_reproducer(to) else None
    document = outcome.as_json() | {
        "reproducer": folder and shown_path(folder),
        "command": folder and outcome.command(folder),
    }
    found = outcome.divergence
    return Result(
        document,
        essential=found.node.name if found else "agrees",
        view=lambda: _view(outcome, folder),
        exit_code=ParityError.exit_code if found else 0,
    )


def _view(outcome: "BisectOutcome", folder: Path | None) -> Iterable["RenderableType"]:
    from rich.markup import escape

    found = outcome.divergence
    if found is None:
        yield f"[green]agrees[/] {escape(outcome.info.name)} with onnxruntime on {outcome.n_samples:,} samples"
        return
    place = f"{outcome.info.name} at node {found.node}, on {found.sample}"
    yield f"[bold red]diverges[/] {escape(place)}"
    yield f"  value  {escape(found.gap.value)}: {escape(str(found.gap))}"
    for name, (dtype, shape) in found.inputs.items():
        yield f"  reads  {escape(f'{name} {dtype}{list(shape)}')}"
    if found.pass_name:
        yield f"  only with the pass {escape(found.pass_name)}: without it, and those after it, the model agrees"
    if found.is_alone:
        yield "  the node goes wrong by itself, on the inputs that onnxruntime has there"
    elif found.piece:
        yield f"  the node goes wrong with {len(found.piece.nodes) - 1:,} nodes before it, and not alone"
    if folder:
        yield f"[bold]reproducer[/] {escape(shown_path(folder))}"
        yield f"  {escape(outcome.command(folder))}"
    else:
        yield "  no smaller model was found that goes wrong by itself"

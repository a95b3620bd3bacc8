"""`compat-export convert`."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from converter.cli.bisect_hint import bisect_of_convert, hint_to_bisect
from converter.cli.console import Console, Result, shown_path
from converter.cli.documents import JunitOption, ReportOption, writer
from converter.cli.early import begin_early
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
    BrowserOption,
    JsonOption,
    QuietOption,
    RuntimesOption,
    UnrollLimitOption,
    WithoutPassOption,
    bindings_from_texts,
    names_from_list,
    weights_from_texts,
)
from converter.cli.proof_options import (
    PROOF,
    BatchesOption,
    SamplesOption,
    SeedOption,
    SizeOption,
    batches_from_list,
    sizes_from_texts,
)
from converter.cli.sources import settings_of
from converter.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from converter.artifact.versions import Part
    from converter.pipeline.compare_engines import EngineComparison
    from converter.pipeline.convert import ConvertOutcome
    from converter.pipeline.encode_choice import Trial

EXPORT = "Artifact"


def convert(
    context: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="A config (.yaml), a checkpoint (.pth, .pt, .ckpt, .bin, .safetensors, .pt2), an index of shards "
            "(.index.json), a folder of Hugging Face, or a .onnx model.",
        ),
    ],
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
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ENCODING",
            help="How TF.js weights are stored: float32, float16, uint16, uint8, or auto with --max-error; "
            "PATTERN=ENCODING for single ones. Repeatable.",
            rich_help_panel=EXPORT,
        ),
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(help="With --weights auto: how far an output may be from its reference.", rich_help_panel=EXPORT),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The model's name. Default: the source's.", rich_help_panel=EXPORT)
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="The version to publish, such as 1.0.0.", rich_help_panel=EXPORT)
    ] = None,
    bump: Annotated[
        str | None,
        typer.Option(
            metavar="PART", help="Publish the next major, minor or patch version of the store.", rich_help_panel=EXPORT
        ),
    ] = None,
    artifacts: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where artifacts are stored.", rich_help_panel=EXPORT)
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            metavar="ENGINE",
            help="Who compiles: direct (the default), onnx-tf (`compat-export engine install onnx-tf` gets it), "
            "or both, to hold one against the other.",
            rich_help_panel=EXPORT,
        ),
    ] = None,
    also: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Further formats: `layers` for tf.loadLayersModel, where the model is a chain of its layers; "
            "`saved-model` for TensorFlow, through onnx-tf.",
            rich_help_panel=EXPORT,
        ),
    ] = None,
    without_passes: WithoutPassOption = None,
    unroll_limit: UnrollLimitOption = None,
    source_date_epoch: Annotated[
        int | None,
        typer.Option(
            envvar="SOURCE_DATE_EPOCH",
            min=0,
            help="The time to record, in seconds since 1970. Default: none, so that equal inputs give equal bytes.",
            rich_help_panel=EXPORT,
        ),
    ] = None,
    runtimes: RuntimesOption = None,
    browser: BrowserOption = None,
    atol: Annotated[
        float | None, typer.Option(help="The absolute error that float32 runtimes may have.", rich_help_panel=PROOF)
    ] = None,
    rtol: Annotated[
        float | None, typer.Option(help="The relative error that float32 runtimes may have.", rich_help_panel=PROOF)
    ] = None,
    samples: SamplesOption = None,
    store_samples: Annotated[
        bool,
        typer.Option(
            "--store-samples",
            help="Store the samples of --samples in the artifact, and publish them with it. Default: only drawn ones.",
            rich_help_panel=PROOF,
        ),
    ] = False,
    batches: BatchesOption = None,
    sizes: SizeOption = None,
    seed: SeedOption = None,
    no_verify: Annotated[
        bool,
        typer.Option("--no-verify", help="Store it unproved; it can't be released then.", rich_help_panel=PROOF),
    ] = False,
    report: ReportOption = None,
    junit: JunitOption = None,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Convert a model to a TF.js graph model, prove it in TF.js itself, and store it as an artifact.

    [bold]Examples[/]
      compat-export convert configs/compatibility.yaml
      compat-export convert model.onnx --name detector --version 1.0.0
      compat-export convert configs/compatibility.yaml --bump minor
      compat-export convert model.onnx --weights auto --max-error 1e-3
      compat-export convert model.onnx --engine both
      compat-export convert model.onnx --input-layout nhwc
      compat-export convert model.pth --factory net.py:Net --input x=batch,3,32,32:float32
      compat-export convert last.ckpt --factory net.py:Net --ignore-keys 'criterion.*' --input x=batch,8
      compat-export convert bert-folder --input input_ids=batch,seq:int64:0..999
    """
    flags = _given(
        {
            "name": name,
            "version": version,
            "artifacts": artifacts and artifacts.absolute(),
            "engine": engine,
            "also": names_from_list(also, "--also"),
            "without_passes": without_passes or None,
            "unroll_limit": unroll_limit,
            **model_flags(factory, kwargs, state_key, ignore_keys, allow_missing, inputs, outputs, opset, input_layout),
            "weights.max_error": max_error,
            **weights_from_texts(weights or []),
            "parity.atol": atol,
            "parity.rtol": rtol,
            "parity.seed": seed,
            "parity.batches": batches_from_list(batches),
            "parity.sizes": sizes_from_texts(sizes),
            "parity.samples": samples and samples.absolute(),
            "parity.store_samples": store_samples or None,
        }
    )
    return _run(
        context,
        source,
        flags,
        _part(bump, version),
        prove_it=not no_verify,
        runtimes=names_from_list(runtimes, "--runtimes"),
        browser=browser,
        bind=bindings_from_texts(bind or []),
        source_date_epoch=source_date_epoch,
        on_facts=writer(report, junit),
    )


def _run(context: typer.Context, source: Path, flags: dict[str, Any], bump: "Part | None", **how: Any) -> Result:
    console: Console = context.obj
    config, from_source = settings_of(source, flags)
    from converter.config import resolve

    resolved = resolve(config, from_source | flags)
    begin_early(resolved)
    from converter.pipeline.convert import convert as run
    from converter.pipeline.library import next_version

    if bump:
        resolved = resolve(config, from_source | flags | {"version": next_version(resolved, bump)})
    with console.progress() as emit, hint_to_bisect(bisect_of_convert(context, console.arguments)):
        outcome = run(resolved, **how, emit=emit)
    return Result(_document(outcome), essential=shown_path(outcome.folder), view=lambda: _view(outcome))


def _part(bump: str | None, version: str | None) -> "Part | None":
    if bump is not None and version is not None:
        raise ConfigError("--version says which version already", where="--bump", hint="give one of the two")
    match bump:
        case None | "major" | "minor" | "patch":
            return bump
        case _:
            raise ConfigError(f"{bump!r} is no part of a version", where="--bump", hint="major, minor or patch")


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in flags.items() if value is not None}


def _document(outcome: "ConvertOutcome") -> dict[str, Any]:
    manifest, report = outcome.manifest, outcome.report
    return {
        "artifact": shown_path(outcome.folder),
        "name": manifest.name,
        "version": manifest.version,
        "digest": manifest.digest,
        "size_bytes": sum(file.size_bytes for file in manifest.files),
        "download": asdict(outcome.download),
        "engine": manifest.engine,
        "engines": None if outcome.engines is None else outcome.engines.as_json(timings=True),
        "notes": list(outcome.notes),
        "weights": [_trial(one) for one in outcome.trials],
        "parity": {"status": "not-run"} if report is None else report.as_json(timings=True),
    }


def _trial(one: "Trial") -> dict[str, Any]:
    from converter.parity.output import json_number

    return asdict(one) | {"max_error": json_number(one.max_error)}


def _view(outcome: "ConvertOutcome") -> Iterable["RenderableType"]:
    from rich.markup import escape

    from converter.cli.parity_view import parity_view

    if outcome.report is None:
        yield "[yellow]not proved[/]: parity was not run, so this artifact can't be released"
    else:
        yield from parity_view(outcome.report)
    if outcome.engines:
        yield _engines(outcome.engines)
    if outcome.trials:
        yield _trials(outcome.trials)
    title = f"{outcome.manifest.name} {outcome.manifest.version}; an app fetches {outcome.download}"
    yield f"[green]artifact[/] {escape(shown_path(outcome.folder))} [dim]({escape(title)})[/]"


def _engines(compared: "EngineComparison") -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from converter.report.engines import engine_header, engine_rows

    name, *columns = engine_header(compared.engines)
    table = Table(name, box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right")
    for row in engine_rows(compared.engines, compared.distances):
        table.add_row(*map(escape, row))
    return table


def _trials(trials: Sequence["Trial"]) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("weights stored as", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("bytes", justify="right")
    table.add_column("max |error|", justify="right")
    for one in trials:
        is_last = one is trials[-1]
        cells = (escape(one.name), f"{one.size_bytes:,}", f"{one.max_error:.3g}")
        table.add_row(*cells, style="bold green" if is_last else "")
    return table

"""From a config to a published artifact."""

import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from converter import __version__
from converter.artifact.manifest import (
    Contents,
    Manifest,
    ParitySummary,
    Repository,
    TensorInfo,
    created_from_epoch,
    identity_of,
    portable_config,
)
from converter.artifact.provenance import PROVENANCE_NAME, provenance
from converter.artifact.store import Draft, FormatPlan, ensure_free
from converter.config import Config, ResolvedConfig, TensorSpec, unnamed_dim
from converter.fileio import canonical_json
from converter.onnx_model import save
from converter.onnx_model.save import DATA_SUFFIX
from converter.pipeline.bind import bound
from converter.pipeline.budgets import exceeded_metrics, exceeded_size, raise_if_exceeded
from converter.pipeline.compile import also_folders
from converter.pipeline.encode import with_weights_tolerance
from converter.pipeline.events import Emit, StepFinished, StepStarted, silent
from converter.pipeline.layout import in_layout
from converter.pipeline.make import Made, drop_chain, formats_in, make
from converter.pipeline.report import (
    REPORT_NAME,
    Download,
    OnFacts,
    download_of,
    graph_bytes,
    proof_facts,
    without_timings,
)
from converter.pipeline.repository import repository_of
from converter.pipeline.source import Source, open_source
from converter.pipeline.training_record import record_of, with_learned_features
from converter.pipeline.types import CLIENT_FOLDER, write_types
from converter.report.facts import Facts
from converter.report.page import html_from_facts
from converter.tensorflow_chain.conversions import ENGINE, SAVED_MODEL, SAVED_MODEL_FOLDER
from converter.tfjs.passes import passes_named

if TYPE_CHECKING:
    from converter.parity.verdict import ParityReport
    from converter.pipeline.compare_engines import EngineComparison
    from converter.pipeline.encode_choice import Trial
    from converter.pipeline.prover import Proof, Prover

WEIGHTS_NAME = f"model.onnx{DATA_SUFFIX}"
METRICS_HINT = "train the model to what the budget asks for (compat-export train), or change the budget"
TOOLCHAIN = ("numpy", "onnx", "onnxscript", "torch")


@dataclass(frozen=True)
class ConvertOutcome:
    """A published artifact: its folder, its manifest, the proof (None where none was asked for), and what was tried.

    `download` is what an app fetches of its TF.js graph.
    `engines` compares the graphs of two engines, where both were asked for.
    `trials` holds the encodings of weights that were measured, the last of which was chosen. `notes` are those of the
    source.
    """

    folder: Path
    manifest: Manifest
    download: Download
    report: "ParityReport | None"
    trials: "tuple[Trial, ...]" = ()
    engines: "EngineComparison | None" = None
    notes: tuple[str, ...] = ()


def convert(
    resolved: ResolvedConfig,
    *,
    prove_it: bool = True,
    runtimes: tuple[str, ...] | None = None,
    browser: Path | None = None,
    bind: Mapping[str, int] | None = None,
    source_date_epoch: int | None = None,
    on_facts: OnFacts | None = None,
    emit: Emit = silent,
) -> ConvertOutcome:
    """Compile the model of a config, prove it in every runtime, and publish it.

    A failed proof, or a budget of metrics or size that isn't met, publishes nothing.
    Raises: ConverterError of the kind that fits: see `converter.errors`.
    """
    resolved = with_weights_tolerance(with_learned_features(resolved))
    config = resolved.config
    root = resolved.path(config.artifacts)
    ensure_free(root, config.name, config.version)
    passes_named(config.without_passes)  # refuses a wrong name before long work
    source = in_layout(bound(open_source(resolved, emit=emit), bind or {}), config.input_layout)
    record = record_of(resolved, source.checkpoint.sha256 if source.checkpoint else None)
    metrics = record.evaluation.metrics if record else None
    raise_if_exceeded(exceeded_metrics(config.budgets, metrics), hint=METRICS_HINT)
    repository = repository_of(resolved.root)
    needs_prover = prove_it or config.weights.encoding == "auto" or SAVED_MODEL in formats_in(config)
    with (
        Draft(root, config.name, config.version) as draft,
        _proving(resolved, source, draft.folder, browser, emit) if needs_prover else nullcontext() as prover,
    ):
        tools = _tools(source) | (prover.chain_versions() if prover else {})
        stamp = _stamp(resolved, source, tools, repository)
        properties = {f"compat-export.{key}": text for key, text in stamp.items()}
        for file in save(source.onnx, draft.folder / "model.onnx", properties):
            draft.digests.begin(file)
        made = make(resolved, source, stamp, draft.folder, prover, on_file=draft.digests.begin, emit=emit)
        exceeded = exceeded_size(config.budgets, graph_bytes(draft.folder / "tfjs"))
        raise_if_exceeded(exceeded, hint="allow more, or make the model smaller")
        if config.features:
            write_types(draft.folder / CLIENT_FOLDER, config.name, config.version, config.features)
        proof = prover.prove(runtimes, made.chain) if prover and prove_it else None
        drop_chain(draft.folder)
        if proof:
            proof.save(draft.folder)
        facts = _facts(resolved, source, made, tools, proof, draft.folder)
        if on_facts:
            on_facts(facts)
        if proof:
            proof.raise_if_failed()
        (draft.folder / REPORT_NAME).write_text(html_from_facts(without_timings(facts)), encoding="utf-8")
        if record:
            from converter.pipeline.card import write_card

            write_card(draft.folder, config, record)
        emit(StepStarted("publish"))
        contents = _contents(resolved, source, made, tools, proof, metrics, source_date_epoch).model_copy(
            update={"engine": resolved.config.engine, "identity": stamp["identity"], "repository": repository}
        )
        entries = draft.digests.entries()
        statement = provenance(contents, entries, source.file.sha256 or "")
        (draft.folder / PROVENANCE_NAME).write_bytes(canonical_json(statement))
        artifact = draft.publish(contents, _formats(source, config, draft.folder), entries)
    emit(StepFinished("publish", str(artifact.folder)))
    report, engines = (proof.report, proof.engines) if proof else (None, None)
    download = download_of(artifact.folder / "tfjs")
    return ConvertOutcome(artifact.folder, artifact.manifest, download, report, made.trials, engines, source.notes)


@contextmanager
def _proving(
    resolved: ResolvedConfig, source: Source, folder: Path, browser: Path | None, emit: Emit
) -> Iterator["Prover"]:
    from converter.pipeline.prover import opened_prover

    with opened_prover(resolved, source, folder, browser=browser, emit=emit) as prover:
        yield prover


def _contents(
    resolved: ResolvedConfig,
    source: Source,
    made: Made,
    tools: Mapping[str, str],
    proof: "Proof | None",
    metrics: dict[str, float] | None,
    source_date_epoch: int | None,
) -> Contents:
    config, sources = portable_config(resolved)
    inputs, outputs = _tensors(source, made)
    return Contents(
        name=resolved.config.name,
        version=resolved.config.version,
        description=resolved.config.description,
        created=None if source_date_epoch is None else created_from_epoch(source_date_epoch),
        is_async=bool(made.metadata["async"]),
        inputs=inputs,
        outputs=outputs,
        features=resolved.config.features,
        config=config,
        config_sources=sources,
        toolchain=_toolchain(tools, proof),
        parity=proof.report.summary() if proof else ParitySummary(status="not-run"),
        metrics=metrics,
    )


def _facts(
    resolved: ResolvedConfig, source: Source, made: Made, tools: Mapping[str, str], proof: "Proof | None", folder: Path
) -> Facts:
    config = resolved.config
    inputs, outputs = ([one.model_dump(mode="json") for one in tensors] for tensors in _tensors(source, made))
    described = {
        "name": config.name,
        "version": config.version,
        "description": config.description,
        "inputs": inputs,
        "outputs": outputs,
        "toolchain": _toolchain(tools, proof),
    }
    report, spreads = (proof.report, proof.spreads) if proof else (None, None)
    facts = replace(proof_facts(described, folder, made.ops, report, spreads), encodings=made.trials)
    if proof is None or proof.engines is None:
        return facts
    compared = proof.engines
    return replace(facts, engines=compared.engines, distances=compared.distances, exceeded=compared.faults)


def _tensors(source: Source, made: Made) -> tuple[tuple[TensorInfo, ...], tuple[TensorInfo, ...]]:
    """The inputs and the outputs of the model."""
    declared = {spec.name: spec for spec in source.inputs}
    inputs = tuple(_tensor(one, declared[one["name"]]) for one in made.metadata["inputs"])
    return inputs, tuple(_tensor(one, None) for one in made.metadata["outputs"])


def _tensor(described: Mapping[str, object], spec: TensorSpec | None) -> TensorInfo:
    name, shape = str(described["name"]), described["shape"]
    found = enumerate(shape if isinstance(shape, list) else ())
    dims = tuple(unnamed_dim(name, axis) if dim is None else dim for axis, dim in found)
    bounds = {"low": spec.low, "high": spec.high, "unit": spec.unit} if spec else {}
    return TensorInfo.model_validate({"name": name, "dtype": described["dtype"], "shape": dims, **bounds})


def _stamp(
    resolved: ResolvedConfig, source: Source, tools: Mapping[str, str], repository: Repository | None
) -> dict[str, str]:
    """What the files of an artifact say of where they belong."""
    config, _ = portable_config(resolved)
    made_from = {
        "config": config,
        "source_sha256": source.file.sha256,
        "repository": repository and repository.model_dump(mode="json"),
        "toolchain": dict(tools),
    }
    return {"name": resolved.config.name, "version": resolved.config.version, "identity": identity_of(made_from)}


def _tools(source: Source) -> dict[str, str]:
    """The versions of everything of this package's own that decided a byte."""
    used = TOOLCHAIN if source.module is not None else ("numpy", "onnx")
    versions = {"compat-export": __version__, "python": platform.python_version()}
    return versions | {name: importlib.metadata.version(name) for name in used}


def _toolchain(tools: Mapping[str, str], proof: "Proof | None") -> dict[str, str]:
    """The versions of everything that decided a byte or a verdict."""
    versions = dict(tools)
    for verdict in proof.report.runtimes if proof else ():
        versions |= verdict.info.versions if verdict.info else {}
    return versions | (dict(proof.reference.info.versions) if proof else {})


def _formats(source: Source, config: Config, folder: Path) -> list[FormatPlan]:
    onnx = [FormatPlan("onnx", "model.onnx", parent=source.file.name)]
    if (folder / WEIGHTS_NAME).exists():
        onnx.append(FormatPlan("onnx-weights", WEIGHTS_NAME, parent="onnx"))
    types = [FormatPlan("types", CLIENT_FOLDER)] if config.features else []
    is_chain = config.engine == ENGINE
    parent = "onnx" if is_chain else source.file.name  # the chain reads another export than model.onnx
    saved = [FormatPlan(SAVED_MODEL, SAVED_MODEL_FOLDER, parent=parent)] if SAVED_MODEL in formats_in(config) else []
    graph = FormatPlan("tfjs", "tfjs", parent=SAVED_MODEL if is_chain else "onnx")
    also = [FormatPlan(one, one, parent="tfjs") for one in also_folders(config.also)]
    return [source.file, *onnx, *saved, graph, *also, *types]

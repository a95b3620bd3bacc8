"""From a config to a published artifact."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converter import __version__
from converter.artifact.files import entries_of
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
from converter.artifact.vectors import Vectors, save_vectors
from converter.config import Config, ResolvedConfig, TensorSpec
from converter.errors import ConfigError
from converter.fileio import canonical_json
from converter.layers import LAYERS_FOLDER
from converter.onnx_model import save
from converter.onnx_model.save import DATA_SUFFIX
from converter.parity.agreement import Agreement
from converter.parity.inputs import Sample
from converter.parity.run import Reference
from converter.parity.verdict import ParityReport
from converter.pipeline.bind import bound
from converter.pipeline.budgets import exceeded_metrics, exceeded_size, raise_if_exceeded
from converter.pipeline.card import write_card
from converter.pipeline.compare_engines import EngineComparison, Recorder, all_of, compare_engines, has_rival
from converter.pipeline.encode import with_weights_tolerance
from converter.pipeline.encode_search import Trial
from converter.pipeline.events import Emit, StepFinished, StepStarted, silent
from converter.pipeline.make import Made, chain_versions, drop_chain, formats_in, make
from converter.pipeline.prove import NODE_DEFAULT, RUNTIMES_OF, choose_runtimes, model_for, prove, reference_of
from converter.pipeline.reference import reference_runtime, samples_of
from converter.pipeline.report import REPORT_NAME, OnFacts, graph_bytes, proof_facts, spreads_of, without_timings
from converter.pipeline.repository import repository_of
from converter.pipeline.source import Source, open_source
from converter.pipeline.training_record import record_of, with_learned_features
from converter.pipeline.types import CLIENT_FOLDER, write_types
from converter.report.facts import Facts
from converter.report.page import html_from_facts
from converter.report.spread import SpreadCollector
from converter.runtimes import RuntimePool
from converter.runtimes.catalog import ENGINE, SAVED_MODEL
from converter.tensorflow_chain.conversions import SAVED_MODEL_FOLDER

WEIGHTS_NAME = f"model.onnx{DATA_SUFFIX}"
METRICS_HINT = "train the model to what the budget asks for (compat-export train), or change the budget"
TOOLCHAIN = ("numpy", "onnx", "onnxscript", "torch")


@dataclass(frozen=True)
class ConvertOutcome:
    """A published artifact: its folder, its manifest, the proof (None where none was asked for), and what was tried.

    `engines` compares the graphs of two engines, where both were asked for.
    `trials` holds the encodings of weights that were measured, the last of which was chosen.
    """

    folder: Path
    manifest: Manifest
    report: ParityReport | None
    trials: tuple[Trial, ...] = ()
    engines: EngineComparison | None = None


@dataclass(frozen=True)
class _Proof:
    report: ParityReport
    samples: Sequence[Sample]
    reference: Reference
    spreads: SpreadCollector
    engines: EngineComparison | None = None

    def raise_if_failed(self) -> None:
        self.report.raise_if_failed()
        if self.engines:
            self.engines.report.raise_if_failed()


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
    source = bound(open_source(resolved, emit=emit), bind or {})
    record = record_of(resolved, source.checkpoint.sha256 if source.checkpoint else None)
    metrics = record.evaluation.metrics if record else None
    raise_if_exceeded(exceeded_metrics(config.budgets, metrics), hint=METRICS_HINT)
    repository = repository_of(resolved.root)
    with RuntimePool(browser=browser) as pool, Draft(root, config.name, config.version) as draft:
        tools = _tools(source) | chain_versions(config, pool)
        stamp = _stamp(resolved, source, tools, repository)
        properties = {f"compat-export.{key}": text for key, text in stamp.items()}
        save(source.onnx, draft.folder / "model.onnx", properties)
        made = make(resolved, source, stamp, draft.folder, pool, emit=emit)
        exceeded = exceeded_size(config.budgets, graph_bytes(draft.folder / "tfjs"))
        raise_if_exceeded(exceeded, hint="allow more, or make the model smaller")
        if config.features:
            write_types(draft.folder / CLIENT_FOLDER, config.name, config.version, config.features)
        proof = _prove(resolved, source, made, draft.folder, runtimes, pool, emit) if prove_it else None
        drop_chain(draft.folder)
        if proof:
            inputs = {sample.label: sample.inputs for sample in proof.samples}
            save_vectors(draft.folder, Vectors(inputs, proof.reference.outputs))
            (draft.folder / "parity.json").write_bytes(canonical_json(_parity_json(proof)))
        facts = _facts(resolved, source, made, tools, proof, draft.folder)
        if on_facts:
            on_facts(facts)
        if proof:
            proof.raise_if_failed()
        (draft.folder / REPORT_NAME).write_text(html_from_facts(without_timings(facts)), encoding="utf-8")
        if record:
            write_card(draft.folder, config, record)
        emit(StepStarted("publish"))
        contents = _contents(resolved, source, made, tools, proof, metrics, source_date_epoch).model_copy(
            update={"engine": resolved.config.engine, "identity": stamp["identity"], "repository": repository}
        )
        entries = entries_of(draft.folder)
        statement = provenance(contents, entries, source.file.sha256 or "")
        (draft.folder / PROVENANCE_NAME).write_bytes(canonical_json(statement))
        artifact = draft.publish(contents, _formats(source, config, draft.folder), entries)
    emit(StepFinished("publish", str(artifact.folder)))
    report, engines = (proof.report, proof.engines) if proof else (None, None)
    return ConvertOutcome(artifact.folder, artifact.manifest, report, made.trials, engines)


def _prove(
    resolved: ResolvedConfig,
    source: Source,
    made: Made,
    folder: Path,
    asked: tuple[str, ...] | None,
    pool: RuntimePool,
    emit: Emit,
) -> _Proof:
    samples = samples_of(resolved, source)
    names, not_run = _runtimes(pool, resolved.config, asked)
    if source.module is None and "torch" in names:
        raise ConfigError("an ONNX source has no PyTorch module", where="runtimes", hint="drop torch from the list")
    reference = reference_of(reference_runtime(source, pool), folder / "model.onnx", samples, emit=emit)
    models = {name: model_for(name, folder) for name in names}
    agreement = Agreement.of(resolved.config.parity)
    spreads, recorder = spreads_of(reference, agreement, models), Recorder()
    listen = all_of(spreads, recorder.keep) if made.chain else spreads
    report = prove(pool, reference, models, samples, agreement, not_run=not_run, emit=emit, on_outputs=listen)
    proof = _Proof(report, samples, reference, spreads)
    if made.chain is None:
        return proof
    first = (folder / "tfjs", report)
    compared = compare_engines(pool, reference, first, made.chain, samples, agreement, recorder, emit=emit)
    return replace(proof, engines=compared)


def _runtimes(pool: RuntimePool, config: Config, asked: tuple[str, ...] | None) -> tuple[list[str], dict[str, str]]:
    """The runtimes of the proof; none of its formats goes unproved, whatever list was asked for."""
    formats = formats_in(config)
    names, not_run = choose_runtimes(pool, asked or config.parity.runtimes, always=("onnxruntime",), formats=formats)
    for runtimes in (RUNTIMES_OF[one] for one in formats):
        if not set(runtimes) & set(names):
            names.append(runtimes[0])
    if config.engine == "both" and not any(map(has_rival, names)):
        names.append(NODE_DEFAULT[0])
    return names, not_run


def _parity_json(proof: _Proof) -> dict[str, Any]:
    value = proof.report.as_json()
    return value | {"engines": proof.engines.as_json()} if proof.engines else value


def _contents(
    resolved: ResolvedConfig,
    source: Source,
    made: Made,
    tools: Mapping[str, str],
    proof: _Proof | None,
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
    resolved: ResolvedConfig, source: Source, made: Made, tools: Mapping[str, str], proof: _Proof | None, folder: Path
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
    shape = described["shape"]
    dims = tuple(f"dim_{i}" if dim is None else dim for i, dim in enumerate(shape if isinstance(shape, list) else ()))
    bounds = {"low": spec.low, "high": spec.high, "unit": spec.unit} if spec else {}
    return TensorInfo.model_validate({"name": described["name"], "dtype": described["dtype"], "shape": dims, **bounds})


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


def _toolchain(tools: Mapping[str, str], proof: _Proof | None) -> dict[str, str]:
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
    formats, is_chain = formats_in(config), config.engine == ENGINE
    parent = "onnx" if is_chain else source.file.name  # the chain reads another export than model.onnx
    saved = [FormatPlan(SAVED_MODEL, SAVED_MODEL_FOLDER, parent=parent)] if SAVED_MODEL in formats else []
    graph = FormatPlan("tfjs", "tfjs", parent=SAVED_MODEL if is_chain else "onnx")
    layers = [FormatPlan(LAYERS_FOLDER, LAYERS_FOLDER, parent="tfjs")] if LAYERS_FOLDER in formats else []
    return [source.file, *onnx, *saved, graph, *layers, *types]

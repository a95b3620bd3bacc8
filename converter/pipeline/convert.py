"""From a config to a published artifact."""

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from converter import __version__
from converter.artifact.manifest import (
    Contents,
    Manifest,
    ParitySummary,
    TensorInfo,
    created_from_epoch,
    portable_config,
)
from converter.artifact.store import Draft, FormatPlan, ensure_free
from converter.artifact.vectors import Vectors, save_vectors
from converter.config import ResolvedConfig, TensorSpec
from converter.errors import ConfigError
from converter.fileio import canonical_json
from converter.onnx_model import save
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample, make_samples
from converter.parity.run import Reference
from converter.parity.verdict import ParityReport
from converter.pipeline.compile import Compiled, compile_onnx, write_graph
from converter.pipeline.events import Emit, StepFinished, StepStarted, silent
from converter.pipeline.metrics import metrics_of
from converter.pipeline.prove import choose_runtimes, model_for, prove, reference_of
from converter.pipeline.source import Source, open_source
from converter.runtimes import RuntimePool
from converter.runtimes.base import Runtime

TOOLCHAIN = ("numpy", "onnx", "onnxscript", "torch")


@dataclass(frozen=True)
class ConvertOutcome:
    """A published artifact: its folder, its manifest, and the proof (None where none was asked for)."""

    folder: Path
    manifest: Manifest
    report: ParityReport | None


@dataclass(frozen=True)
class _Proof:
    report: ParityReport
    samples: Sequence[Sample]
    reference: Reference


def convert(
    resolved: ResolvedConfig,
    *,
    prove_it: bool = True,
    runtimes: tuple[str, ...] | None = None,
    browser: Path | None = None,
    bind: Mapping[str, int] | None = None,
    source_date_epoch: int | None = None,
    emit: Emit = silent,
) -> ConvertOutcome:
    """Compile the model of a config, prove it in every runtime, and publish it; a failed proof publishes nothing.

    Raises: ConverterError of the kind that fits: see `converter.errors`.
    """
    config = resolved.config
    root = resolved.path(config.artifacts)
    ensure_free(root, config.name, config.version)
    source = _bound(open_source(resolved, emit=emit), bind or {})
    emit(StepStarted("compile"))
    compiled = compile_onnx(source.onnx, shapes={spec.name: spec.shape for spec in source.inputs})
    emit(StepFinished("compile", f"{sum(compiled.graph.count_ops().values())} TF.js nodes"))
    with Draft(root, config.name, config.version) as draft:
        save(source.onnx, draft.folder / "model.onnx")
        write_graph(compiled, draft.folder / "tfjs")
        proof = _prove(resolved, source, draft.folder, runtimes, browser, emit) if prove_it else None
        if proof:
            proof.report.raise_if_failed()
            inputs = {sample.label: sample.inputs for sample in proof.samples}
            save_vectors(draft.folder, Vectors(inputs, proof.reference.outputs))
            (draft.folder / "parity.json").write_bytes(canonical_json(proof.report.as_json()))
        emit(StepStarted("publish"))
        contents = _contents(resolved, source, compiled, proof, source_date_epoch)
        artifact = draft.publish(contents, _formats(source))
    emit(StepFinished("publish", str(artifact.folder)))
    return ConvertOutcome(artifact.folder, artifact.manifest, proof.report if proof else None)


def _bound(source: Source, bind: Mapping[str, int]) -> Source:
    """The source with named dimensions of its inputs fixed."""
    named = {dim for spec in source.inputs for dim in spec.shape if isinstance(dim, str)}
    if unknown := sorted(bind.keys() - named):
        raise ConfigError(
            f"no input has a dimension named {', '.join(unknown)}",
            where="--bind",
            hint=f"named dimensions: {', '.join(sorted(named)) or 'none'}",
        )
    inputs = []
    for spec in source.inputs:
        shape = tuple(bind.get(dim, dim) if isinstance(dim, str) else dim for dim in spec.shape)
        inputs.append(spec.model_copy(update={"shape": shape}))
    return replace(source, inputs=tuple(inputs))


def _prove(
    resolved: ResolvedConfig,
    source: Source,
    folder: Path,
    asked: tuple[str, ...] | None,
    browser: Path | None,
    emit: Emit,
) -> _Proof:
    settings = resolved.config.parity
    samples = make_samples(source.inputs, seed=settings.seed, batches=settings.batches, sizes=settings.sizes)
    with RuntimePool(browser=browser) as pool:
        names, not_run = choose_runtimes(pool, asked or settings.runtimes, always=("onnxruntime",))
        if source.module is None and "torch" in names:
            raise ConfigError("an ONNX source has no PyTorch module", where="runtimes", hint="drop torch from the list")
        reference = reference_of(_reference_runtime(source, pool), folder / "model.onnx", samples, emit=emit)
        models = {name: model_for(name, folder) for name in names}
        tolerance = Tolerance(settings.atol, settings.rtol)
        report = prove(pool, reference, models, samples, tolerance, not_run=not_run, emit=emit)
    return _Proof(report, samples, reference)


def _reference_runtime(source: Source, pool: RuntimePool) -> Runtime:
    if source.module is None:
        return pool.get("onnxruntime")
    from converter.runtimes.torch_ import TorchRuntime

    return TorchRuntime(source.module, source.inputs, source.outputs)


def _contents(
    resolved: ResolvedConfig,
    source: Source,
    compiled: Compiled,
    proof: _Proof | None,
    source_date_epoch: int | None,
) -> Contents:
    config, sources = portable_config(resolved)
    declared = {spec.name: spec for spec in source.inputs}
    return Contents(
        name=resolved.config.name,
        version=resolved.config.version,
        description=resolved.config.description,
        created=None if source_date_epoch is None else created_from_epoch(source_date_epoch),
        is_async=bool(compiled.graph.metadata["async"]),
        inputs=tuple(_tensor(one, declared[one["name"]]) for one in compiled.graph.metadata["inputs"]),
        outputs=tuple(_tensor(one, None) for one in compiled.graph.metadata["outputs"]),
        features=resolved.config.features,
        config=config,
        config_sources=sources,
        toolchain=_toolchain(source, proof),
        parity=proof.report.summary() if proof else ParitySummary(status="not-run"),
        metrics=metrics_of(resolved, source.checkpoint.sha256 if source.checkpoint else None),
    )


def _tensor(described: Mapping[str, object], spec: TensorSpec | None) -> TensorInfo:
    shape = described["shape"]
    dims = tuple(f"dim_{i}" if dim is None else dim for i, dim in enumerate(shape if isinstance(shape, list) else ()))
    bounds = {"low": spec.low, "high": spec.high, "unit": spec.unit} if spec else {}
    return TensorInfo.model_validate({"name": described["name"], "dtype": described["dtype"], "shape": dims, **bounds})


def _toolchain(source: Source, proof: _Proof | None) -> dict[str, str]:
    """The versions of everything that decided a byte or a verdict."""
    used = TOOLCHAIN if source.module is not None else ("numpy", "onnx")
    versions = {"compat-export": __version__, "python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in used}
    for verdict in proof.report.runtimes if proof else ():
        versions |= verdict.info.versions if verdict.info else {}
    return versions | (dict(proof.reference.info.versions) if proof else {})


def _formats(source: Source) -> list[FormatPlan]:
    parents = [source.checkpoint] if source.checkpoint else []
    onnx_parent = source.checkpoint.name if source.checkpoint else None
    return [*parents, FormatPlan("onnx", "model.onnx", parent=onnx_parent), FormatPlan("tfjs", "tfjs", parent="onnx")]

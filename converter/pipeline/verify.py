"""Proves a published artifact again: every byte, then every runtime."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.artifact.manifest import Manifest
from converter.artifact.seen import Seen, load_seen, save_seen
from converter.artifact.store import Artifact, open_artifact, verify_files
from converter.artifact.vectors import VECTORS_FOLDER, load_vectors
from converter.config import ParitySection, TensorSpec
from converter.errors import ConfigError
from converter.parity.agreement import Agreement
from converter.parity.inputs import Sample
from converter.parity.run import Reference
from converter.parity.verdict import ParityReport
from converter.pipeline.events import Emit, StepFinished, StepStarted, silent
from converter.pipeline.index_search import IndexSearch
from converter.pipeline.locate import located
from converter.pipeline.prove import choose_runtimes, model_for, prove, reference_of, spreads_of
from converter.pipeline.report import OnFacts, facts_of_artifact
from converter.pipeline.samples import Wanted, beside, draw
from converter.runtimes import RuntimePool
from converter.runtimes.base import RuntimeInfo


@dataclass(frozen=True)
class VerifyOutcome:
    """An artifact that is as it was published, and the proof run again."""

    folder: Path
    manifest: Manifest
    report: ParityReport


def verify_reference(
    reference: str,
    *,
    store: str,
    public_key: Path | None = None,
    seen: Path | None = None,
    emit: Emit = silent,
    **how: Any,
) -> VerifyOutcome:
    """Verify a version of a store, or a published one, which is fetched first.

    With a public key it must be signed by the private half. `seen` is a file that remembers each index: one that is
    older than the one seen before, or says otherwise of a released version, is refused.
    """
    known = load_seen(seen) if seen else Seen()
    with located(reference, store, emit=emit) as place:
        if place.index is not None:
            known.check(place.index_url, place.index)
        if public_key is not None:
            from converter.signing import verify_signature

            verify_signature(place.folder, public_key)
        outcome = verify(place.folder, emit=emit, **how)
    if seen and place.index is not None:
        save_seen(seen, known.having(place.index_url, place.index))
    return outcome


def verify(
    folder: Path,
    *,
    runtimes: tuple[str, ...] | None = None,
    wanted: Wanted | None = None,
    browser: Path | None = None,
    on_facts: OnFacts | None = None,
    emit: Emit = silent,
) -> VerifyOutcome:
    """Check every digest of an artifact, then its test vectors in every runtime; needs no torch.

    An artifact without test vectors was never proved: then onnxruntime is the reference, on inputs drawn anew. It is
    for the inputs that are `wanted` beside the test vectors, too.

    Raises: ArtifactError if a file is not as published; ParityError or RuntimeMissing if the proof fails.
    """
    emit(StepStarted("check files"))
    artifact = open_artifact(folder)
    verify_files(artifact)
    emit(StepFinished("check files", f"{len(artifact.manifest.files)} files are as published"))
    settings = ParitySection.model_validate(artifact.manifest.config["parity"], extra="ignore")
    if runtimes and "torch" in runtimes:
        raise ConfigError(
            "an artifact holds no PyTorch module",
            where="runtimes",
            hint="drop torch; the test vectors hold its outputs",
        )
    with RuntimePool(browser=browser) as pool:
        names, not_run = choose_runtimes(pool, runtimes, always=("onnxruntime",), formats=formats_of(artifact.manifest))
        samples, reference = truth_of(artifact, wanted or Wanted(), settings, pool, emit)
        models: Mapping[str, Path] = {name: model_for(name, folder) for name in names}
        agreement = agreement_of(settings, folder)
        spreads = spreads_of(reference, agreement, models)
        report = prove(pool, reference, models, samples, agreement, not_run=not_run, emit=emit, on_outputs=spreads)
    if on_facts:
        on_facts(facts_of_artifact(artifact.manifest, folder, report, spreads))
    report.raise_if_failed()
    return VerifyOutcome(folder, artifact.manifest, report)


def agreement_of(settings: ParitySection, folder: Path) -> Agreement:
    """Return what agreement means for the outputs of an artifact's model."""
    from converter.onnx_model import load
    from converter.onnx_model.origins import float16_outputs

    return Agreement.of(settings, float16_outputs(load(folder / "model.onnx")))


def truth_of(
    artifact: Artifact, wanted: Wanted, settings: ParitySection, pool: RuntimePool, emit: Emit
) -> tuple[list[Sample], Reference]:
    """The inputs to compare on, and their outputs: from the test vectors, and of onnxruntime for the others."""
    manifest, folder, agreement = artifact.manifest, artifact.folder, Agreement.of(settings)
    specs, names = specs_of(manifest), [feature.name for feature in manifest.features]
    if not (folder / VECTORS_FOLDER).is_dir():
        drawn = draw(specs, wanted.settings(settings))
        read = beside(drawn, Wanted(samples=wanted.samples), settings, specs, names)
        samples = [*drawn, *read]
        return samples, reference_of(pool.get("onnxruntime"), folder / "model.onnx", samples, agreement, emit=emit)
    known, recorded = _from_vectors(manifest, folder)
    new = beside(known, wanted, settings, specs, names)
    if not new:
        return known, recorded
    computed = reference_of(pool.get("onnxruntime"), folder / "model.onnx", new, agreement, emit=emit)
    device = f"{recorded.info.device}; {len(new)} more samples computed by onnxruntime"
    info = RuntimeInfo(recorded.info.name, computed.info.versions, device)
    by = {computed.info.name: frozenset(sample.label for sample in new)}
    return [*known, *new], Reference(info, {**recorded.outputs, **computed.outputs}, by, computed.search)


def _from_vectors(manifest: Manifest, folder: Path) -> tuple[list[Sample], Reference]:
    vectors = load_vectors(folder)
    samples = [Sample(label, inputs) for label, inputs in vectors.inputs.items()]
    info = RuntimeInfo("test-vectors", {}, f"recorded from {manifest.parity.reference}")
    return samples, Reference(info, vectors.outputs, search=IndexSearch(folder / "model.onnx"))


def formats_of(manifest: Manifest) -> set[str]:
    """The formats that an artifact holds."""
    return {one.name for one in manifest.formats}


def specs_of(manifest: Manifest) -> list[TensorSpec]:
    """The inputs of an artifact, as inputs are drawn for them."""
    return [
        TensorSpec.model_validate(
            {
                "name": one.name,
                "dtype": one.dtype,
                "shape": one.shape,
                "low": one.low,
                "high": one.high,
                "unit": one.unit,
            }
        )
        for one in manifest.inputs
    ]

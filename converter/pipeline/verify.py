"""Proves a published artifact again: every byte, then every runtime."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from converter.artifact.manifest import Manifest
from converter.artifact.store import open_artifact, verify_files
from converter.artifact.vectors import VECTORS_FOLDER, load_vectors
from converter.config import ParitySection, TensorSpec
from converter.errors import ConfigError
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample, make_samples
from converter.parity.run import Reference
from converter.parity.verdict import ParityReport
from converter.pipeline.events import Emit, StepFinished, StepStarted, silent
from converter.pipeline.prove import choose_runtimes, model_for, prove, reference_of
from converter.runtimes import RuntimePool
from converter.runtimes.base import RuntimeInfo


@dataclass(frozen=True)
class VerifyOutcome:
    """An artifact that is as it was published, and the proof run again."""

    folder: Path
    manifest: Manifest
    report: ParityReport


def verify(
    folder: Path,
    *,
    runtimes: tuple[str, ...] | None = None,
    browser: Path | None = None,
    emit: Emit = silent,
) -> VerifyOutcome:
    """Check every digest of an artifact, then its test vectors in every runtime; needs no torch.

    An artifact without test vectors was never proved: then onnxruntime is the reference, on inputs drawn anew.

    Raises: ArtifactError if a file is not as published; ParityError or RuntimeMissing if the proof fails.
    """
    emit(StepStarted("check files"))
    artifact = open_artifact(folder)
    verify_files(artifact)
    emit(StepFinished("check files", f"{len(artifact.manifest.files)} files are as published"))
    settings = ParitySection.model_validate(artifact.manifest.config["parity"])
    if runtimes and "torch" in runtimes:
        raise ConfigError(
            "an artifact holds no PyTorch module",
            where="runtimes",
            hint="drop torch; the test vectors hold its outputs",
        )
    with RuntimePool(browser=browser) as pool:
        proved = (folder / VECTORS_FOLDER).is_dir()
        names, not_run = choose_runtimes(pool, runtimes, always=("onnxruntime",))
        if proved:
            samples, reference = _from_vectors(artifact.manifest, folder)
        else:
            samples = make_samples(_specs(artifact.manifest), seed=settings.seed, batches=settings.batches)
            reference = reference_of(pool.get("onnxruntime"), folder / "model.onnx", samples, emit=emit)
        models: Mapping[str, Path] = {name: model_for(name, folder) for name in names}
        tolerance = Tolerance(settings.atol, settings.rtol)
        report = prove(pool, reference, models, samples, tolerance, not_run=not_run, emit=emit)
    report.raise_if_failed()
    return VerifyOutcome(folder, artifact.manifest, report)


def _from_vectors(manifest: Manifest, folder: Path) -> tuple[list[Sample], Reference]:
    vectors = load_vectors(folder)
    samples = [Sample(label, inputs) for label, inputs in vectors.inputs.items()]
    info = RuntimeInfo("test-vectors", {}, f"recorded from {manifest.parity.reference}")
    return samples, Reference(info, vectors.outputs)


def _specs(manifest: Manifest) -> list[TensorSpec]:
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

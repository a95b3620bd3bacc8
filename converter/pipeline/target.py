"""A model to look into, and what it is run on: from an artifact, or from an ONNX file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.artifact.manifest import MANIFEST_NAME
from converter.artifact.store import open_artifact, verify_files
from converter.artifact.vectors import VECTORS_FOLDER, load_vectors
from converter.config import ParitySection, resolve
from converter.errors import ConfigError
from converter.fileio import load_safetensors
from converter.onnx_model import LoadedOnnx, load
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample, make_samples
from converter.pipeline.events import silent
from converter.pipeline.source import open_source
from converter.pipeline.verify import specs_of


@dataclass(frozen=True)
class Target:
    """A model to search, and what it is run on; `shapes` are those that its inputs were converted with."""

    onnx: LoadedOnnx
    shapes: Mapping[str, tuple[int | str, ...]]
    samples: Sequence[Sample]
    tolerance: Tolerance


def open_target(
    path: Path,
    *,
    flags: Mapping[str, Any] | None = None,
    inputs: Path | None = None,
    atol: float | None = None,
    rtol: float | None = None,
) -> Target:
    """The model of an artifact with its test vectors, or an ONNX file with inputs drawn for it.

    `flags` are settings as `resolve` takes them; `inputs` is a safetensors file with one set of inputs to use instead.
    Raises: ArtifactError, CheckpointError or ConfigError if the model or the inputs can't be used.
    """
    target = _from_artifact(path) if (path / MANIFEST_NAME).is_file() else _from_onnx(path, flags or {})
    samples = target.samples if inputs is None else [_sample_from(inputs)]
    given = target.tolerance
    tolerance = Tolerance(given.atol if atol is None else atol, given.rtol if rtol is None else rtol)
    return Target(target.onnx, target.shapes, samples, tolerance)


def _from_artifact(folder: Path) -> Target:
    artifact = open_artifact(folder)
    verify_files(artifact)
    manifest = artifact.manifest
    settings = ParitySection.model_validate(manifest.config["parity"], extra="ignore")
    if (folder / VECTORS_FOLDER).is_dir():
        samples = [Sample(label, inputs) for label, inputs in load_vectors(folder).inputs.items()]
    else:
        samples = make_samples(specs_of(manifest), seed=settings.seed, batches=settings.batches)
    shapes = {one.name: one.shape for one in manifest.inputs}
    return Target(load(folder / "model.onnx"), shapes, samples, Tolerance(settings.atol, settings.rtol))


def _from_onnx(path: Path, flags: Mapping[str, Any]) -> Target:
    resolved = resolve(None, {"name": "bisected", "model.checkpoint": path.absolute(), **flags})
    source, settings = open_source(resolved, emit=silent), resolved.config.parity
    samples = make_samples(source.inputs, seed=settings.seed, batches=settings.batches, sizes=settings.sizes)
    shapes = {spec.name: spec.shape for spec in source.inputs}
    return Target(source.onnx, shapes, samples, Tolerance(settings.atol, settings.rtol))


def _sample_from(file: Path) -> Sample:
    try:
        arrays = load_safetensors(file)
    except Exception as error:  # safetensors has errors of its own
        raise ConfigError(f"can't be read: {error}", where=str(file), hint="give a safetensors file") from error
    return Sample(file.stem, arrays)

"""A model to look into, and what it is run on: from an artifact, or from an ONNX file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converter.artifact.manifest import MANIFEST_NAME, left_out, unroll_limit_of
from converter.artifact.store import open_artifact, verify_files
from converter.artifact.vectors import VECTORS_FOLDER, load_vectors
from converter.config import ParitySection, resolve
from converter.errors import ConfigError
from converter.onnx_model import LoadedOnnx, load
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample, make_samples
from converter.parity.samples import read_samples
from converter.pipeline.events import silent
from converter.pipeline.samples import draw
from converter.pipeline.source import open_source
from converter.pipeline.verify import specs_of
from converter.tensorflow_chain.conversions import ENGINE
from converter.tfjs.passes import passes_named


@dataclass(frozen=True)
class Target:
    """A model to search, and what it is run on.

    `shapes` are those that its inputs were converted with, `without_passes` what it was converted without, and
    `unroll_limit` the most nodes that its recurrences were unrolled to.
    """

    onnx: LoadedOnnx
    shapes: Mapping[str, tuple[int | str, ...]]
    samples: Sequence[Sample]
    tolerance: Tolerance
    without_passes: frozenset[str] = frozenset()
    unroll_limit: int | None = None


def open_target(
    path: Path,
    *,
    flags: Mapping[str, Any] | None = None,
    inputs: Path | None = None,
    atol: float | None = None,
    rtol: float | None = None,
) -> Target:
    """The model of an artifact with its test vectors, or an ONNX file with inputs drawn for it.

    `flags` are settings as `resolve` takes them; `inputs` is a file of samples to use instead, as `read_samples` reads.
    Raises: ArtifactError, CheckpointError or ConfigError if the model or the inputs can't be used.
    """
    is_artifact = (path / MANIFEST_NAME).is_file()
    target = _from_artifact(path, inputs) if is_artifact else _from_onnx(path, flags or {}, inputs)
    given = target.tolerance
    return replace(
        target, tolerance=Tolerance(given.atol if atol is None else atol, given.rtol if rtol is None else rtol)
    )


def _from_artifact(folder: Path, inputs: Path | None) -> Target:
    artifact = open_artifact(folder)
    verify_files(artifact)
    manifest = artifact.manifest
    if manifest.engine == ENGINE:
        what = f"its graph is the work of the engine {ENGINE}, and only what this compiler makes can be looked into"
        raise ConfigError(what, where=str(folder), hint="give its model.onnx, to look into what direct makes of it")
    settings = ParitySection.model_validate(manifest.config["parity"], extra="ignore")
    if inputs is not None:
        samples = read_samples(inputs, specs_of(manifest), [feature.name for feature in manifest.features])
    elif (folder / VECTORS_FOLDER).is_dir():
        samples = [Sample(label, arrays) for label, arrays in load_vectors(folder).inputs.items()]
    else:
        samples = make_samples(specs_of(manifest), seed=settings.seed, batches=settings.batches)
    shapes = {one.name: one.shape for one in manifest.inputs}
    skip = passes_named(left_out(manifest))
    return Target(
        load(folder / "model.onnx"),
        shapes,
        samples,
        Tolerance(settings.atol, settings.rtol),
        skip,
        unroll_limit_of(manifest),
    )


def _from_onnx(path: Path, flags: Mapping[str, Any], inputs: Path | None) -> Target:
    resolved = resolve(None, {"name": "bisected", "model.checkpoint": path.absolute(), **flags})
    source, settings = open_source(resolved, emit=silent), resolved.config.parity
    samples = read_samples(inputs, source.inputs) if inputs else draw(source.inputs, settings)
    shapes = {spec.name: spec.shape for spec in source.inputs}
    return Target(source.onnx, shapes, samples, Tolerance(settings.atol, settings.rtol))

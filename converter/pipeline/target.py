"""A model to look into, and what it is run on: from an artifact, or from anything that is converted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converter.artifact.manifest import MANIFEST_NAME, left_out, unroll_limit_of
from converter.artifact.store import open_artifact, verify_files
from converter.artifact.vectors import VECTORS_FOLDER, load_vectors
from converter.config import ParitySection, ResolvedConfig, resolve
from converter.errors import ConfigError
from converter.onnx_model import LoadedOnnx, load
from converter.onnx_model.origins import float16_outputs
from converter.parity.agreement import FLOAT16_VALUES, Agreement
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample, make_samples
from converter.parity.samples import read_samples
from converter.pipeline.bind import bound
from converter.pipeline.events import silent
from converter.pipeline.layout import in_layout
from converter.pipeline.prove import computes_float16
from converter.pipeline.samples import draw
from converter.pipeline.source import open_source
from converter.pipeline.training_record import with_learned_features
from converter.pipeline.verify import specs_of
from converter.tensorflow_chain.conversions import ENGINE
from converter.tfjs.passes import passes_named


@dataclass(frozen=True)
class Target:
    """A model to search, and what it is run on.

    `shapes` are those that its inputs were converted with, `without_passes` what it was converted without, and
    `unroll_limit` the most nodes that its recurrences were unrolled to.
    `tolerances` has the tolerance of each class of runtimes.
    """

    onnx: LoadedOnnx
    shapes: Mapping[str, tuple[int | str, ...]]
    samples: Sequence[Sample]
    tolerances: Mapping[str, Tolerance]
    without_passes: frozenset[str] = frozenset()
    unroll_limit: int | None = None

    def tolerance_in(self, runtime: str) -> Tolerance:
        """Return the widest tolerance of the classes of a runtime that runs the model with float32 weights."""
        classes = ["float16-textures" if computes_float16(runtime) else "float32"]
        if float16_outputs(self.onnx):
            classes.append(FLOAT16_VALUES)
        found = [self.tolerances[name] for name in classes]
        return Tolerance(max(one.atol for one in found), max(one.rtol for one in found))


def open_target(
    path: Path,
    *,
    config: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    bind: Mapping[str, int] | None = None,
    inputs: Path | None = None,
    atol: float | None = None,
    rtol: float | None = None,
) -> Target:
    """The model of an artifact with its test vectors, or one that is converted first, with inputs drawn for it.

    `config` and `flags` are settings as `resolve` takes them, `bind` fixes dimensions as for `convert`; `inputs` is a
    file of samples to use instead, as `read_samples` reads. `atol` and `rtol` come before those of all classes.
    Raises: ArtifactError, CheckpointError or ConfigError if the model or the inputs can't be used.
    """
    is_artifact = (path / MANIFEST_NAME).is_file()
    if is_artifact:
        target = _from_artifact(path, inputs)
    else:
        named = {"name": "bisected", "model.checkpoint": path.absolute()} if config is None else {}
        target = _from_source(resolve(config, named | dict(flags or {})), bind or {}, inputs)
    given = {
        name: Tolerance(one.atol if atol is None else atol, one.rtol if rtol is None else rtol)
        for name, one in target.tolerances.items()
    }
    return replace(target, tolerances=given)


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
        Agreement.of(settings).tolerances,
        skip,
        unroll_limit_of(manifest),
    )


def _from_source(resolved: ResolvedConfig, bind: Mapping[str, int], inputs: Path | None) -> Target:
    resolved = with_learned_features(resolved)
    config, settings = resolved.config, resolved.config.parity
    source = in_layout(bound(open_source(resolved, emit=silent), bind), config.input_layout)
    inputs = inputs or (resolved.path(settings.samples) if settings.samples else None)
    features = [feature.name for feature in config.features]
    samples = read_samples(inputs, source.inputs, features) if inputs else draw(source.inputs, settings)
    shapes = {spec.name: spec.shape for spec in source.inputs}
    skip = passes_named(config.without_passes)
    return Target(source.onnx, shapes, samples, Agreement.of(settings).tolerances, skip, config.unroll_limit)

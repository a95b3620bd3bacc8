"""What the engines make of a source, in the folder of the artifact to be."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.config import Config, ResolvedConfig
from converter.errors import UnsupportedError
from converter.layers import LAYERS_FOLDER
from converter.lowering import REGISTRY, interface_of
from converter.onnx_model import prepare, save
from converter.onnx_model.bind import with_shapes
from converter.pipeline.compile import compile_onnx, write_also, write_graph
from converter.pipeline.encode import choose_encodings
from converter.pipeline.encode_search import Trial
from converter.pipeline.events import Emit, StepFinished, StepStarted
from converter.pipeline.source import Source, exported_for_chain
from converter.runtimes import RuntimePool
from converter.runtimes.catalog import SAVED_MODEL
from converter.tensorflow_chain.conversions import (
    SAVED_MODEL_FOLDER,
    Keys,
    graph_from_savedmodel,
    savedmodel_from_onnx,
)
from converter.tfjs.foreign import adopt, count_ops

CHAIN_PACKAGES = ("onnx-tf", "tensorflow-cpu", "tensorflowjs")
GRAPH = "tfjs"
CHAIN_FOLDER = "chain"
"""Of a draft, for what must not be published: `Made.chain` says what of it is still to be compared."""


@dataclass(frozen=True)
class Made:
    """The TF.js graph in the folder `tfjs`, as callers have to know it, and what was tried to make its weights smaller.

    `chain` is the folder of the graph that the chain made beside it, None where no second graph was asked for.
    """

    metadata: Mapping[str, Any]
    ops: Mapping[str, int]
    trials: tuple[Trial, ...] = ()
    chain: Path | None = None


def make(
    resolved: ResolvedConfig, source: Source, stamp: Mapping[str, str], folder: Path, pool: RuntimePool, *, emit: Emit
) -> Made:
    """What the config's engine makes of a source, all formats in their folders; `model.onnx` is there already.

    Raises: UnsupportedError naming what an engine can't convert; RuntimeMissing if onnx-tf isn't installed.
    """
    config = resolved.config
    if config.engine == "onnx-tf":
        return _chained(source, stamp, folder, folder / GRAPH, pool, emit)
    made = _compiled(resolved, source, stamp, folder, emit)
    if config.engine == "both":
        graph = folder / CHAIN_FOLDER / GRAPH
        _chained(_for_chain(source, emit), stamp, folder, graph, pool, emit)
        return Made(made.metadata, made.ops, made.trials, graph)
    if SAVED_MODEL in config.also:
        _save_model(_for_chain(source, emit), folder, pool, emit)
    return made


def formats_in(config: Config) -> set[str]:
    """The formats, of those that not every artifact has, that a config asks for."""
    layers = {LAYERS_FOLDER} if "layers" in config.also else set()
    return layers | ({SAVED_MODEL} if config.engine != "direct" or SAVED_MODEL in config.also else set())


def chain_versions(config: Config, pool: RuntimePool) -> dict[str, str]:
    """The versions of the chain's packages, none where a config doesn't need it.

    Raises: EngineMissing if it does, and the engine isn't installed.
    """
    if SAVED_MODEL not in formats_in(config):
        return {}
    versions = pool.engine().versions
    return {name: versions[name] for name in CHAIN_PACKAGES}


def drop_chain(folder: Path) -> None:
    """Remove from a draft what must not be published."""
    if (folder / CHAIN_FOLDER).exists():
        shutil.rmtree(folder / CHAIN_FOLDER)


def _compiled(resolved: ResolvedConfig, source: Source, stamp: Mapping[str, str], folder: Path, emit: Emit) -> Made:
    emit(StepStarted("compile"))
    compiled = compile_onnx(source.onnx, shapes=_shapes(source))
    emit(StepFinished("compile", f"{sum(compiled.graph.count_ops().values())} TF.js nodes"))
    compiled.graph.metadata["artifact"] = stamp
    choice = choose_encodings(resolved, source, compiled, folder / "model.onnx", emit=emit)
    write_graph(compiled, folder / GRAPH, choice.encodings)
    write_also(compiled, resolved.config.also, folder)
    return Made(compiled.graph.metadata, compiled.graph.count_ops(), choice.trials)


def _for_chain(source: Source, emit: Emit) -> Source:
    """The source as ONNX that the chain can read, where there is a network to export again."""
    if source.module is None:
        return source
    onnx = exported_for_chain(source.module, source.inputs, source.outputs, emit=emit)
    return Source(onnx, source.inputs, source.outputs, source.module, source.file)


def _chained(
    source: Source, stamp: Mapping[str, str], folder: Path, graph: Path, pool: RuntimePool, emit: Emit
) -> Made:
    """The SavedModel, and the TF.js graph that tensorflowjs makes of it."""
    keys = _save_model(source, folder, pool, emit)
    model = prepare(source.onnx, has_lowering=REGISTRY.has, shapes=_shapes(source))
    interface = interface_of(model.graph)
    _require_names(interface, keys)
    emit(StepStarted("tensorflowjs"))
    graph_from_savedmodel(pool.chain, folder / SAVED_MODEL_FOLDER, graph)
    metadata = adopt(graph, {**interface, "artifact": stamp}, inputs=keys.inputs, outputs=keys.outputs)
    ops = count_ops(graph)
    emit(StepFinished("tensorflowjs", f"{sum(ops.values())} TF.js nodes"))
    return Made(metadata, ops)


def _save_model(source: Source, folder: Path, pool: RuntimePool, emit: Emit) -> Keys:
    emit(StepStarted("onnx-tf"))
    own = folder / CHAIN_FOLDER
    own.mkdir()
    model = own / "model.onnx"
    save(with_shapes(source.onnx, _shapes(source)), model)
    keys = savedmodel_from_onnx(pool.chain, model, folder / SAVED_MODEL_FOLDER)
    emit(StepFinished("onnx-tf", "SavedModel"))
    return keys


def _shapes(source: Source) -> dict[str, Sequence[int | str]]:
    return {spec.name: spec.shape for spec in source.inputs}


def _require_names(interface: Mapping[str, Any], keys: Keys) -> None:
    for role, found in (("inputs", keys.inputs), ("outputs", keys.outputs)):
        names = [one["name"] for one in interface[role]]
        if names != list(found):
            what = f"the {role} are {', '.join(names)}, and onnx-tf has {', '.join(found)}"
            raise UnsupportedError(what, where="engine onnx-tf", hint="hand out tensors only; or --engine direct")

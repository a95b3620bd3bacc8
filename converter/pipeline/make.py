"""What the engines make of a source, in the folder of the artifact to be."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.config import Config, ResolvedConfig
from converter.errors import InternalError
from converter.pipeline.compile import also_folders, compile_onnx, write_also, write_graph
from converter.pipeline.encode import choose_encodings
from converter.pipeline.encode_choice import Trial
from converter.pipeline.events import Emit, StepFinished, StepStarted
from converter.pipeline.rejected_sizes import rejected_sizes_reported
from converter.pipeline.source import Source
from converter.tensorflow_chain.conversions import ENGINE, SAVED_MODEL
from converter.tfjs.passes import passes_named

if TYPE_CHECKING:
    from converter.pipeline.prover import Prover

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
    resolved: ResolvedConfig,
    source: Source,
    stamp: Mapping[str, str],
    folder: Path,
    prover: "Prover | None",
    *,
    on_file: Callable[[Path], None],
    emit: Emit,
) -> Made:
    """What the config's engine makes of a source, all formats in their folders; `model.onnx` is there already.

    `on_file` is told of large files as they are there.

    Raises: UnsupportedError naming what an engine can't convert; RuntimeMissing if onnx-tf can't run.
    """
    config = resolved.config
    if config.engine == ENGINE:
        return _chained(source, stamp, folder, GRAPH, prover, emit)
    made = _compiled(config, source, stamp, folder, prover, on_file, emit)
    if config.engine == "both":
        graph = f"{CHAIN_FOLDER}/{GRAPH}"
        _chained(_for_chain(source, emit), stamp, folder, graph, prover, emit)
        return replace(made, chain=folder / graph)
    if SAVED_MODEL in config.also:
        _chained(_for_chain(source, emit), stamp, folder, None, prover, emit)
    return made


def formats_in(config: Config) -> list[str]:
    """The formats, of those that not every artifact has, that a config asks for."""
    has_saved = config.engine != "direct" or SAVED_MODEL in config.also
    return [*([SAVED_MODEL] if has_saved else []), *also_folders(config.also)]


def drop_chain(folder: Path) -> None:
    """Remove from a draft what must not be published."""
    if (folder / CHAIN_FOLDER).exists():
        shutil.rmtree(folder / CHAIN_FOLDER)


def _compiled(
    config: Config,
    source: Source,
    stamp: Mapping[str, str],
    folder: Path,
    prover: "Prover | None",
    on_file: Callable[[Path], None],
    emit: Emit,
) -> Made:
    emit(StepStarted("compile"))
    shapes = {spec.name: spec.shape for spec in source.inputs}
    with rejected_sizes_reported(source, folder / "model.onnx", config.parity):
        skip = passes_named(config.without_passes)
        compiled = compile_onnx(source.onnx, shapes=shapes, skip_passes=skip, unroll_limit=config.unroll_limit)
    emit(StepFinished("compile", f"{sum(compiled.graph.count_ops().values())} TF.js nodes"))
    compiled.graph.metadata["artifact"] = stamp
    choice = choose_encodings(config.weights, compiled, prover, emit=emit)
    write_graph(compiled, folder / GRAPH, choice.encodings, on_file)
    write_also(compiled, config.also, folder)
    return Made(compiled.graph.metadata, compiled.graph.count_ops(), choice.trials)


def _for_chain(source: Source, emit: Emit) -> Source:
    """The source as ONNX that the chain can read, where there is a network to export again."""
    if source.module is None:
        return source
    from converter.pipeline.source import exported_for_chain

    return replace(source, onnx=exported_for_chain(source.module, source.inputs, source.outputs, emit=emit))


def _chained(
    source: Source, stamp: Mapping[str, str], folder: Path, graph: str | None, prover: "Prover | None", emit: Emit
) -> Made:
    """What the chain makes: a SavedModel in its folder, and a TF.js graph of it in the folder `graph`, if any."""
    from converter.pipeline.chain import graph_of_chain, saved_by_chain

    if prover is None:
        raise InternalError("the chain runs in the process of a prover")
    process = prover.pool.chain
    keys = saved_by_chain(process, source, folder, folder / CHAIN_FOLDER, emit=emit)
    if graph is None:
        return Made({}, {})
    return Made(*graph_of_chain(process, source, stamp, keys, folder, folder / graph, emit=emit))

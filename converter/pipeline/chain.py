"""What the chain of onnx-tf and tensorflowjs makes of a source."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from converter.errors import UnsupportedError
from converter.lowering import REGISTRY, interface_of
from converter.onnx_model import prepare, save
from converter.onnx_model.bind import with_shapes
from converter.pipeline.events import Emit, StepFinished, StepStarted
from converter.pipeline.source import Source
from converter.tensorflow_chain.conversions import (
    SAVED_MODEL_FOLDER,
    Keys,
    graph_from_savedmodel,
    savedmodel_from_onnx,
)
from converter.tensorflow_chain.process import WorkerProcess
from converter.tfjs.foreign import adopt, count_ops


def saved_by_chain(process: WorkerProcess, source: Source, folder: Path, scratch: Path, *, emit: Emit) -> Keys:
    """Have onnx-tf write the SavedModel of a draft; `scratch` is a new folder for what it reads.

    Raises: UnsupportedError in onnx-tf's words; RuntimeMissing if the engine can't run.
    """
    emit(StepStarted("onnx-tf"))
    scratch.mkdir()
    model = scratch / "model.onnx"
    save(with_shapes(source.onnx, _shapes(source)), model)
    keys = savedmodel_from_onnx(process, model, folder / SAVED_MODEL_FOLDER)
    emit(StepFinished("onnx-tf", "SavedModel"))
    return keys


def graph_of_chain(
    process: WorkerProcess,
    source: Source,
    stamp: Mapping[str, str],
    keys: Keys,
    folder: Path,
    graph: Path,
    *,
    emit: Emit,
) -> tuple[dict[str, Any], dict[str, int]]:
    """Have tensorflowjs make a TF.js graph of a draft's SavedModel; returns its metadata, and its nodes by op.

    Raises: UnsupportedError in tensorflowjs's words, or if the outputs aren't those of the ONNX model.
    """
    model = prepare(source.onnx, has_lowering=REGISTRY.has, shapes=_shapes(source))
    interface = interface_of(model.graph)
    _require_names(interface, keys)
    emit(StepStarted("tensorflowjs"))
    graph_from_savedmodel(process, folder / SAVED_MODEL_FOLDER, graph)
    metadata = adopt(graph, {**interface, "artifact": stamp}, inputs=keys.inputs, outputs=keys.outputs)
    ops = count_ops(graph)
    emit(StepFinished("tensorflowjs", f"{sum(ops.values())} TF.js nodes"))
    return metadata, ops


def _shapes(source: Source) -> dict[str, Sequence[int | str]]:
    return {spec.name: spec.shape for spec in source.inputs}


def _require_names(interface: Mapping[str, Any], keys: Keys) -> None:
    for role, found in (("inputs", keys.inputs), ("outputs", keys.outputs)):
        names = [one["name"] for one in interface[role]]
        if names != list(found):
            what = f"the {role} are {', '.join(names)}, and onnx-tf has {', '.join(found)}"
            raise UnsupportedError(what, where="engine onnx-tf", hint="hand out tensors only; or --engine direct")

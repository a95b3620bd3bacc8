"""What the engine converts: an ONNX model to a SavedModel, and that to a TF.js graph model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from converter.tensorflow_chain.process import WorkerProcess

ENGINE = "onnx-tf"

SAVED_MODEL = "saved-model"
"""What an artifact calls the format, and the name of the runtime that runs it."""

SAVED_MODEL_FOLDER = "saved_model"
"""What an artifact calls the folder of the SavedModel."""

OPSET = 12
"""The newest of ONNX's operator sets of which onnx-tf 1.10 reads the common operators: it lacks Squeeze of 13."""


@dataclass(frozen=True)
class Keys:
    """What the inputs and outputs of an ONNX model are called in the signature of a SavedModel, by their names."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]


def savedmodel_from_onnx(process: WorkerProcess, model: Path, folder: Path) -> Keys:
    """A SavedModel from an ONNX file; the keys are the names wherever TensorFlow takes these.

    Raises: UnsupportedError with onnx-tf's own words; RuntimeMissing if the engine can't run; OSError on a full disk.
    """
    reply = process.ask("savedmodel-from-onnx", onnx=str(model.resolve()), saved_model=str(folder.resolve()))
    return Keys(*({one["name"]: one["key"] for one in reply[role]} for role in ("inputs", "outputs")))


def graph_from_savedmodel(process: WorkerProcess, saved_model: Path, folder: Path) -> None:
    """A TF.js graph model from a SavedModel, as tensorflowjs writes it.

    Raises: UnsupportedError with tensorflowjs's own words, or if a constant has no place in TF.js's dtypes;
            RuntimeMissing if the engine can't run; OSError on a full disk.
    """
    process.ask("graph-from-savedmodel", saved_model=str(saved_model.resolve()), graph=str(folder.resolve()))

"""Test vectors: the inputs parity ran on and the reference's outputs, so that anyone can check again anywhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.errors import ArtifactError, InternalError, UnsupportedError
from converter.fileio import read_safetensors, save_safetensors

VECTORS_FOLDER = "test-vectors"
ORDER_KEY = "order"

Named = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Vectors:
    """For each sample's label, in order: its inputs, and the outputs that the reference gave."""

    inputs: Mapping[str, Named]
    outputs: Mapping[str, Named]


def save_vectors(folder: Path, vectors: Vectors) -> None:
    """Write `test-vectors/inputs.safetensors` and `outputs.safetensors` below an artifact's folder.

    Each array is stored under `<label>/<tensor name>`; equal vectors give equal bytes.
    Raises: UnsupportedError for strings and other arrays that safetensors can't hold.
    """
    if not vectors.inputs or list(vectors.inputs) != list(vectors.outputs):
        raise InternalError("test vectors need the same labels for inputs and outputs, and at least one")
    target = folder / VECTORS_FOLDER
    target.mkdir(exist_ok=True)
    for name, samples in (("inputs", vectors.inputs), ("outputs", vectors.outputs)):
        arrays = _flat(samples)
        order = json.dumps([key.split("/", 1) for key in arrays], ensure_ascii=False, separators=(",", ":"))
        save_safetensors(target / f"{name}.safetensors", arrays, {ORDER_KEY: order})


def load_vectors(folder: Path) -> Vectors:
    """The test vectors of an artifact's folder, samples and tensors in the order they were saved in.

    Raises: ArtifactError if a file is missing or damaged, or the two don't hold the same samples.
    """
    inputs, outputs = (_load(folder / VECTORS_FOLDER / f"{name}.safetensors") for name in ("inputs", "outputs"))
    if not inputs:  # a model without inputs has samples without arrays
        inputs = {label: {} for label in outputs}
    if list(inputs) != list(outputs):
        raise _damaged(folder / VECTORS_FOLDER, "inputs and outputs are of different samples")
    return Vectors(inputs, outputs)


def _flat(samples: Mapping[str, Named]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for label, tensors in samples.items():
        if "/" in label:
            raise InternalError(f"the label of a sample can't hold a slash: {label!r}")
        for name, array in tensors.items():
            if array.dtype.kind not in "biuf":
                raise UnsupportedError(
                    f"{array.dtype.name} can't be stored as a test vector",
                    where=f"{label}/{name}",
                    hint="safetensors holds numbers and booleans only",
                )
            arrays[f"{label}/{name}"] = array
    return arrays


def _load(path: Path) -> dict[str, dict[str, np.ndarray]]:
    samples: dict[str, dict[str, np.ndarray]] = {}
    try:
        arrays, metadata = read_safetensors(path)
        for label, name in json.loads(metadata[ORDER_KEY]):
            samples.setdefault(label, {})[name] = arrays.pop(f"{label}/{name}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"can't be read: {error}") from error
    if arrays:
        raise _damaged(path, f"{sorted(arrays)} are not in the order it gives")
    return samples


def _damaged(path: Path, what: str) -> ArtifactError:
    return ArtifactError(what, where=str(path), hint="don't use this artifact; convert or download it again")

"""Writes a chain of layers as `tf.loadLayersModel` reads it: the same bytes for the same layers."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from converter.fileio import write_atomically
from converter.layers.model import Layer
from converter.tfjs.weights import shard_names, shard_size, write_shards
from converter.tfjs.write import MODEL_FILE

FORMAT = "layers-model"
KERAS_VERSION = "tfjs-layers 4.22.0"


def write_layers(layers: Sequence[Layer], folder: Path, *, metadata: Mapping[str, Any], generator: str) -> list[Path]:
    """Write a model of that many layers, one behind the other; returns the files, `model.json` first.

    `model.json` is written last, so that a folder with one is whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = list(_named(layers))
    weights = {f"{name}/{key}": values for name, layer in named for key, values in layer.weights.items()}
    arrays = list(weights.values())
    size = shard_size(arrays)
    shards = [folder / name for name in shard_names(arrays, size)]
    specs = [{"name": name, "shape": list(values.shape), "dtype": "float32"} for name, values in weights.items()]
    document = {
        "format": FORMAT,
        "generatedBy": generator,
        "convertedBy": generator,
        "userDefinedMetadata": metadata,
        "modelTopology": {
            "class_name": "Sequential",
            "config": {"name": "sequential", "layers": [_layer(name, layer) for name, layer in named]},
            "keras_version": KERAS_VERSION,
            "backend": "tensor_flow.js",
        },
        "weightsManifest": [{"paths": [shard.name for shard in shards], "weights": specs}] if specs else [],
    }
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    write_shards(shards, arrays, size)
    write_atomically(folder / MODEL_FILE, text.encode())
    return [folder / MODEL_FILE, *shards]


def _named(layers: Sequence[Layer]) -> Iterator[tuple[str, Layer]]:
    """Each layer with a name as Keras gives them: dense, dense_1."""
    counts: dict[str, int] = {}
    for layer in layers:
        base = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", layer.kind).lower()
        number = counts.get(base, 0)
        counts[base] = number + 1
        yield (f"{base}_{number}" if number else base), layer


def _layer(name: str, layer: Layer) -> dict[str, Any]:
    return {"class_name": layer.kind, "config": {**layer.config, "name": name}}

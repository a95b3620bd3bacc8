"""Graph models that another converter wrote: what is known of them, and how they come to tell what ours tell."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ArtifactError, InternalError
from converter.fileio import canonical_json, write_atomically
from converter.tfjs.graph import NOT_COMPUTED
from converter.tfjs.optable import ASYNC_OPS
from converter.tfjs.weights import DAMAGED, Document, read_weights
from converter.tfjs.write import MODEL_FILE

CONTROL_FLOW = frozenset({"Enter", "Exit", "LoopCond", "Merge", "NextIteration", "Switch"})
METADATA = "userDefinedMetadata"


def count_ops(folder: Path) -> dict[str, int]:
    """How many nodes of each op a graph model has, functions included, constants and placeholders not.

    Raises: ArtifactError if there is no graph model, or it is damaged.
    """
    with _read(folder) as document:
        ops = Counter(_ops(document["modelTopology"]))
    return {op: n for op, n in sorted(ops.items()) if op not in NOT_COMPUTED}


def weights_of(folder: Path) -> dict[str, np.ndarray]:
    """The weights of a graph model by name, those of functions among them.

    Raises: ArtifactError if there is no graph model, or it is damaged.
    """
    with _read(folder) as document:
        return {
            name: values for name, (_, values) in read_weights(folder / MODEL_FILE, document["weightsManifest"]).items()
        }


def adopt(
    folder: Path, metadata: Mapping[str, Any], *, inputs: Mapping[str, str], outputs: Mapping[str, str]
) -> dict[str, Any]:
    """Have a graph model tell the names, the dtypes and the order of its inputs and outputs as ours do.

    `inputs` and `outputs` give the key that each has in its signature, by the name that it is to have. Returns the
    metadata, with whether the model needs `executeAsync`.
    """
    path = folder / MODEL_FILE
    document = json.loads(path.read_bytes())
    signature = document["signature"]
    for role, keys in (("inputs", inputs), ("outputs", outputs)):
        if set(keys.values()) != signature.get(role, {}).keys():
            raise InternalError(f"the {role} are {sorted(signature.get(role, {}))}, not {sorted(keys.values())}")
        signature[role] = {name: signature[role][key] for name, key in keys.items()}
    told = {**metadata, "async": any(op in ASYNC_OPS | CONTROL_FLOW for op in _ops(document["modelTopology"]))}
    document[METADATA] = told
    write_atomically(path, canonical_json(document))
    return told


@contextmanager
def _read(folder: Path) -> Iterator[Document]:
    """The document of a graph model; where it isn't of that form, that is an ArtifactError."""
    path = folder / MODEL_FILE
    try:
        yield json.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"can't be read: {error.strerror}", where=str(path), hint=DAMAGED) from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(f"is no graph model: {error}", where=str(path), hint=DAMAGED) from error


def _ops(topology: Document) -> Iterator[str]:
    yield from (node["op"] for node in topology["node"])
    for function in topology.get("library", {}).get("function", ()):
        yield from (node["op"] for node in function["nodeDef"])

"""Writes a graph as a TF.js graph model: `model.json` and shards of weights, the same bytes for the same graph."""

import base64
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import InternalError
from converter.fileio import write_atomically
from converter.tfjs.encodings import Encoding, encoded
from converter.tfjs.graph import Attr, DataType, FunctionName, Graph, Node, Ref, Shape, TensorType
from converter.tfjs.infer import TF_OF_STORAGE
from converter.tfjs.optable import COMPOSITES
from converter.tfjs.weights import shard_names, shard_size, weight_spec, write_shards

MODEL_FILE = "model.json"
FORMAT = "graph-model"
SHAPES_ATTR = "_output_shapes"
_GRAPH_DEF_VERSION = 1645  # of TensorFlow 2.15, whose op semantics TF.js 4.22 follows


def write(
    graph: Graph,
    folder: Path,
    *,
    generator: str,
    encodings: Mapping[str, Encoding] | None = None,
    shard_bytes: int | None = None,
    on_file: Callable[[Path], None] = lambda _: None,
) -> list[Path]:
    """Write a graph that `verify` accepts; returns the files, `model.json` first.

    `encodings` has those of constants by node; one that it doesn't name, or that doesn't fit, is stored as it is.

    Weights are streamed: beside the graph itself, memory holds no more than a piece of a shard. `model.json` is
    written last, so that a folder with one is whole; `on_file` is told of each shard as it is there. What it takes to
    survive a power failure is left to the caller.
    Units: shard_bytes is the largest size of a shard, in bytes; by default 4 MiB, or what it takes for six shards.
    Raises: InternalError if an attribute or a constant has no place in the format.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = [
        (one.nodes[name], encoded(values, (encodings or {}).get(name, "float32")) or values)
        for _, one in graph.walk()
        for name, values in _constants(one)
    ]
    arrays = [values for _, values in weights]
    shard_bytes = shard_bytes or shard_size(arrays)
    shards = [folder / name for name in shard_names(arrays, shard_bytes)]
    specs = [weight_spec(*one) for one in weights]
    manifest = [{"paths": [shard.name for shard in shards], "weights": specs}] if specs else []
    text = document_text(document_of(graph, generator), manifest)
    write_shards(shards, arrays, shard_bytes, on_file)
    write_atomically(folder / MODEL_FILE, text, is_synced=False)
    return [folder / MODEL_FILE, *shards]


def document_text(document: Mapping[str, Any], manifest: Sequence[Mapping[str, Any]]) -> bytes:
    """The text of `model.json` with the weights that a manifest tells."""
    whole = {**document, "weightsManifest": manifest}
    return json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _constants(graph: Graph) -> Iterator[tuple[str, np.ndarray]]:
    """The constants in the order of their nodes."""
    return ((name, graph.constants[name]) for name, node in graph.nodes.items() if node.op == "Const")


def document_of(graph: Graph, generator: str) -> dict[str, Any]:
    """What `model.json` says of a graph, but for its weights.

    Raises: InternalError if an attribute or a node has no place in the format.
    """
    functions = [_function(name, one) for name, one in graph.functions.items()]
    inputs = {key: _tensor_info(Ref(name), graph) for key, name in graph.inputs.items()}
    outputs = {key: _tensor_info(ref, graph) for key, ref in graph.outputs.items()}
    return {
        "format": FORMAT,
        "generatedBy": generator,
        "convertedBy": generator,
        "signature": {"inputs": inputs, "outputs": outputs},
        **({"userDefinedMetadata": graph.metadata} if graph.metadata else {}),
        "modelTopology": {
            "node": [_node(node) for node in graph.nodes.values()],
            **({"library": {"function": functions}} if functions else {}),
            "versions": {"producer": _GRAPH_DEF_VERSION},
        },
    }


def _tensor_info(ref: Ref, graph: Graph) -> dict[str, Any]:
    dtype, shape = graph.type_of(ref)
    return {"name": f"{ref.node}:{ref.output}", "dtype": TF_OF_STORAGE[dtype], "tensorShape": _shape(shape)}


def _shape(shape: Shape) -> dict[str, Any]:
    if shape is None:
        return {"unknownRank": True}
    return {"dim": [_dim(dim) for dim in shape]}


def _dim(dim: int | str | None) -> dict[str, str]:
    if isinstance(dim, str):
        return {"size": "-1", "name": dim}
    return {"size": "-1" if dim is None else str(dim)}


def _node(node: Node) -> dict[str, Any]:
    if node.op in COMPOSITES:
        raise InternalError(f"{node.name} ({node.op}) is not expanded")
    attrs = {name: _attr(node, name, value) for name, value in node.attrs.items()}
    if node.op in ("Const", "Placeholder"):
        dtype, shape = node.outputs[0]
        attrs = {"dtype": {"type": TF_OF_STORAGE[dtype]}}
        attrs |= {"shape": {"shape": _shape(shape)}} if node.op == "Placeholder" else {}
    return {
        "name": node.name,
        "op": node.op,
        **({"input": [str(ref) for ref in node.inputs]} if node.inputs else {}),
        **({"attr": attrs} if attrs else {}),
    }


def _attr(node: Node, name: str, value: Attr) -> dict[str, Any]:
    match value:
        case DataType():
            return {"type": value.tf}
        case FunctionName():
            return {"func": {"name": value.name}}
        case list():
            return {"list": _list(node, name, value)}
        case None | tuple():
            return {"shape": _shape(value)}
        case _:
            return dict([_scalar(node, name, value)])


def _list(node: Node, name: str, values: Iterable[bool | int | float | str]) -> dict[str, list[Any]]:
    pairs = [_scalar(node, name, value) for value in values]
    kinds = {kind for kind, _ in pairs}
    if kinds == {"i", "f"}:  # whole numbers among the floats
        return {"f": [float(value) for _, value in pairs]}
    return {kind: [value for _, value in pairs] for kind in kinds}


def _scalar(node: Node, name: str, value: bool | int | float | str) -> tuple[str, Any]:
    if isinstance(value, bool):
        return "b", value
    if isinstance(value, int):
        return "i", str(value)
    if isinstance(value, str):
        return "s", base64.b64encode(value.encode()).decode("ascii")
    if not math.isfinite(value):
        # JSON has no such number, and TF.js reads text with parseInt (operations/operation_mapper.js)
        raise InternalError(f"{node.name} ({node.op}): attribute {name}={value} can't be written")
    return "f", float(value)


def _function(name: str, graph: Graph) -> dict[str, Any]:
    parameters = {key: graph.nodes[node].outputs[0] for key, node in graph.inputs.items()}
    return {
        "signature": {
            "name": name,
            "inputArg": [_argument(key, type_) for key, type_ in parameters.items()],
            "outputArg": [_argument(key, graph.type_of(ref)) for key, ref in graph.outputs.items()],
        },
        "argAttr": {str(index): _shapes(type_) for index, type_ in enumerate(parameters.values())},
        "nodeDef": [_node(node) for node in graph.nodes.values() if node.op != "Placeholder"],
        "ret": {key: f"{ref.node}:{ref.output}" for key, ref in graph.outputs.items()},
    }


def _argument(name: str, type_: TensorType) -> dict[str, str]:
    return {"name": name, "type": TF_OF_STORAGE[type_.dtype]}


def _shapes(type_: TensorType) -> dict[str, Any]:
    return {"attr": {SHAPES_ATTR: {"list": {"shape": [_shape(type_.shape)]}}}}

"""Reads what `write` wrote: `model.json` and its shards, distrusting every byte."""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ArtifactError, InternalError
from converter.tfjs.graph import Attr, DataType, FunctionName, Graph, Node, Ref, Shape, TensorType
from converter.tfjs.infer import STORAGE_OF_TF, infer
from converter.tfjs.weights import DAMAGED, Document, read_weights
from converter.tfjs.write import FORMAT, MODEL_FILE, SHAPES_ATTR

_DAMAGE = (
    ArithmeticError,
    AttributeError,
    InternalError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)


def read(folder: Path) -> Graph:
    """The graph in a folder, with its functions, constants and metadata.

    Raises: ArtifactError naming the file that is missing, damaged, or asks for one outside the folder.
    """
    path = folder / MODEL_FILE
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(f"can't be read: {error.strerror}", where=str(path), hint=DAMAGED) from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"is no JSON: {error}", where=str(path), hint=DAMAGED) from error
    try:
        if document["format"] != FORMAT:
            raise ValueError(f"the format is {document['format']!r}, not {FORMAT!r}")
        constants = read_weights(path, document["weightsManifest"])
        return _Reader(document, constants).read_graph()
    except _DAMAGE as error:
        raise ArtifactError(
            f"is no graph model: {type(error).__name__}: {error}", where=str(path), hint=DAMAGED
        ) from error


class _Reader:
    """Rebuilds the nodes of one document; functions are read when a call or the end needs them."""

    def __init__(self, document: Document, constants: Mapping[str, tuple[TensorType, np.ndarray]]) -> None:
        self._document = document
        self._constants = constants
        topology = document["modelTopology"]
        listed = topology.get("library", {}).get("function", [])
        self._definitions: dict[str, Document] = {one["signature"]["name"]: one for one in listed}
        self._functions: dict[str, Graph] = {}
        self._open: list[str] = []

    def read_graph(self) -> Graph:
        """The whole graph."""
        signature = self._document["signature"]
        graph = Graph(metadata=dict(self._document.get("userDefinedMetadata", {})))
        self._add_nodes(graph, self._document["modelTopology"]["node"])
        graph.inputs = {key: _ref(info["name"]).node for key, info in signature["inputs"].items()}
        graph.outputs = {key: _ref(info["name"]) for key, info in signature["outputs"].items()}
        for ref in (*graph.outputs.values(), *map(Ref, graph.inputs.values())):
            graph.type_of(ref)
        graph.functions = {name: self._function(name) for name in self._definitions}
        return graph

    def _function(self, name: str) -> Graph:
        if name not in self._functions:
            if name in self._open:
                raise ValueError(f"function {name} calls itself")
            self._open.append(name)
            self._functions[name] = self._read_function(self._definitions[name])
            self._open.pop()
        return self._functions[name]

    def _read_function(self, definition: Document) -> Graph:
        graph = Graph()
        signature, shapes = definition["signature"], definition.get("argAttr", {})
        for index, argument in enumerate(signature["inputArg"]):
            name = argument["name"]
            attr = shapes.get(str(index), {}).get("attr", {}).get(SHAPES_ATTR)
            shape = _shape(attr["list"]["shape"][0]) if attr else None
            graph.add(_placeholder(name, TensorType(STORAGE_OF_TF[argument["type"]], shape)))
            graph.inputs[name] = name
        self._add_nodes(graph, definition["nodeDef"])
        for argument in signature["outputArg"]:
            graph.outputs[argument["name"]] = _ref(definition["ret"][argument["name"]])
            graph.type_of(graph.outputs[argument["name"]])
        return graph

    def _add_nodes(self, graph: Graph, rows: Sequence[Document]) -> None:
        for row in rows:
            graph.add(self._node(graph, row))
            if row["op"] == "Const":
                graph.constants[row["name"]] = self._constants[row["name"]][1]

    def _node(self, graph: Graph, row: Document) -> Node:
        name, op = row["name"], row["op"]
        attrs = {key: _attr(value) for key, value in row.get("attr", {}).items()}
        if op == "Const":
            return Node(name, op, (), attrs, (self._constants[name][0],))
        if op == "Placeholder":
            shape = row["attr"]["shape"]["shape"]
            return _placeholder(name, TensorType(STORAGE_OF_TF[row["attr"]["dtype"]["type"]], _shape(shape)))
        inputs = tuple(_ref(text) for text in row.get("input", ()))
        called = {value.name for value in attrs.values() if isinstance(value, FunctionName)}
        operands = [graph.type_of(ref) for ref in inputs]
        constants = [graph.constant(ref) for ref in inputs]
        types = infer(op, operands, attrs, constants, {one: self._function(one) for one in sorted(called)})
        return Node(name, op, inputs, attrs, types)


def _placeholder(name: str, type_: TensorType) -> Node:
    tf = next(tf for tf, storage in STORAGE_OF_TF.items() if storage == type_.dtype)
    return Node(name, "Placeholder", (), {"dtype": DataType(tf), "shape": type_.shape}, (type_,))


def _ref(text: str) -> Ref:
    node, _, output = text.partition(":")
    if output and not output.isdecimal():
        raise ValueError(f"{text!r} names no output of a node")
    return Ref(node, int(output or 0))


def _shape(row: Document) -> Shape:
    if row.get("unknownRank"):
        return None
    return tuple(_dim(dim) for dim in row.get("dim", ()))


def _dim(row: Document) -> int | str | None:
    size = int(row["size"])
    return size if size >= 0 else row.get("name")


def _attr(row: Document) -> Attr:
    ((kind, value),) = row.items()
    attr: Attr
    match kind:
        case "list":
            attr = [_scalar(one, element) for one, elements in value.items() for element in elements]
        case "shape":
            attr = _shape(value)
        case "type":
            attr = DataType(str(value))
        case "func":
            attr = FunctionName(str(value["name"]))
        case _:
            attr = _scalar(kind, value)
    return attr


def _scalar(kind: str, value: Any) -> Any:
    match kind:
        case "b":
            return bool(value)
        case "i":
            return int(value)
        case "f":
            return float(value)
        case "s":
            return base64.b64decode(value, validate=True).decode()
        case _:
            raise ValueError(f"attributes of kind {kind!r} are not known")

"""Writes a model back as one ONNX file that tells nothing about the machine it was exported on."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import onnx
from onnx import numpy_helper

from converter.errors import UnsupportedError
from converter.fileio import write_atomically
from converter.onnx_model.load import LoadedOnnx

LIMIT_BYTES = (1 << 31) - (1 << 20)  # a protobuf message stops at 2 GiB


def save(loaded: LoadedOnnx, path: Path, notes: Mapping[str, str] | None = None) -> None:
    """Write the model, weights included, and `notes` as its metadata.

    Names of files, stack traces and notes of the exporter are left out.

    Raises: UnsupportedError if the model is too large for one file.
    """
    size_bytes = sum(array.nbytes for array in loaded.constants.values())
    if size_bytes > LIMIT_BYTES:
        raise UnsupportedError(
            f"{size_bytes / 1e9:.1f} GB of weights don't fit one ONNX file", where=str(path), hint="split the model"
        )
    proto = whole(loaded)
    for key, value in sorted((notes or {}).items()):
        proto.metadata_props.add(key=key, value=value)
    write_atomically(path, proto.SerializeToString(deterministic=True))


def whole(loaded: LoadedOnnx) -> onnx.ModelProto:
    """The model with its weights inside and its notes gone."""
    proto = onnx.ModelProto()
    proto.CopyFrom(loaded.proto)
    inputs = [info for info in proto.graph.input if info.name not in loaded.constants]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in loaded.constants.items())
    proto.ClearField("metadata_props")
    proto.doc_string = ""
    _forget_notes(proto.graph)
    for function in proto.functions:
        function.doc_string = ""
        function.ClearField("metadata_props")
        _forget_node_notes(function.node)
    return proto


def _forget_notes(graph: onnx.GraphProto) -> None:
    graph.doc_string = ""
    graph.ClearField("metadata_props")
    for entry in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        entry.ClearField("doc_string")
        entry.ClearField("metadata_props")
    _forget_node_notes(graph.node)


def _forget_node_notes(nodes: Iterable[onnx.NodeProto]) -> None:
    for node in nodes:
        node.doc_string = ""
        node.ClearField("metadata_props")
        for attr in node.attribute:
            attr.doc_string = ""
            for graph in (attr.g, *attr.graphs) if attr.HasField("g") or attr.graphs else ():
                _forget_notes(graph)

"""Writes a model back as ONNX that tells nothing about the machine it was exported on."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from converter.fileio import CHUNK_BYTES, write_atomically
from converter.onnx_model.load import LoadedOnnx
from converter.onnx_model.wire import field_head

ONE_FILE_BYTES = 1 << 30  # of weights; a protobuf message stops at 2 GiB, and making one takes them twice in memory
DATA_SUFFIX = ".data"
ALIGNMENT = 4096  # so that a weight can be mapped into memory


def save(
    loaded: LoadedOnnx, path: Path, notes: Mapping[str, str] | None = None, *, one_file_bytes: int = ONE_FILE_BYTES
) -> list[Path]:
    """Write the model, weights included, and `notes` as its metadata; returns the files.

    Names of files, stack traces and notes of the exporter are left out. Weights are streamed; more than
    `one_file_bytes` of them go to a file beside the model. What it takes to survive a power failure is left to the
    caller.
    """
    size_bytes = sum(array.nbytes for array in loaded.constants.values())
    data = path.with_name(path.name + DATA_SUFFIX)
    large = {name: array for name, array in loaded.constants.items() if _can_be_apart(array)}
    apart = large if size_bytes > one_file_bytes else {}
    streamed = {name: array for name, array in large.items() if name not in apart}
    proto = whole(loaded, apart, data.name, without=streamed)
    for key, value in sorted((notes or {}).items()):
        proto.metadata_props.add(key=key, value=value)
    if apart:
        write_atomically(data, _aligned(apart), is_synced=False)
    write_atomically(path, _message(proto, streamed), is_synced=False)
    return [path, *([data] if apart else [])]


def _can_be_apart(array: np.ndarray) -> bool:
    """Whether its bytes in memory are those that ONNX stores, and they are worth a place of their own."""
    return array.dtype.kind in "biuf" and array.dtype.isnative and array.nbytes >= ALIGNMENT


def _aligned(arrays: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    for array in arrays.values():
        yield from _pieces(array)
        yield bytes(-array.nbytes % ALIGNMENT)


def _pieces(array: np.ndarray) -> Iterator[memoryview]:
    """The bytes of an array as ONNX stores them, some at a time."""
    flat = np.ascontiguousarray(array).reshape(-1)
    step = CHUNK_BYTES // flat.itemsize
    for start in range(0, flat.size, step):
        piece = flat[start : start + step]
        yield piece.astype(piece.dtype.newbyteorder("<"), copy=False).view(np.uint8).data


def _message(proto: onnx.ModelProto, arrays: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    """A model serialized, with these initializers after all else of its graph: a message's fields have no order.

    Source: https://protobuf.dev/programming-guides/encoding
    """
    graph = proto.graph.SerializeToString(deterministic=True)
    proto.ClearField("graph")
    heads = {name: _initializer_head(name, array) for name, array in arrays.items()}
    size_bytes = len(graph) + sum(len(heads[name]) + array.nbytes for name, array in arrays.items())
    yield proto.SerializeToString(deterministic=True)
    yield field_head(onnx.ModelProto.GRAPH_FIELD_NUMBER, size_bytes)
    yield graph
    for name, array in arrays.items():
        yield heads[name]
        yield from _pieces(array)


def _initializer_head(name: str, array: np.ndarray) -> bytes:
    """What comes before the bytes of an initializer."""
    tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(array.dtype), dims=array.shape)
    inner = tensor.SerializeToString(deterministic=True) + field_head(TensorProto.RAW_DATA_FIELD_NUMBER, array.nbytes)
    return field_head(onnx.GraphProto.INITIALIZER_FIELD_NUMBER, len(inner) + array.nbytes) + inner


def _apart(arrays: Mapping[str, np.ndarray], location: str) -> Iterator[TensorProto]:
    """The initializers of arrays that are in another file, one behind the other."""
    offset = 0
    for name, array in arrays.items():
        code = helper.np_dtype_to_tensor_dtype(array.dtype)
        tensor = TensorProto(name=name, data_type=code, dims=array.shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", location), ("offset", offset), ("length", array.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        yield tensor
        offset += array.nbytes + -array.nbytes % ALIGNMENT


def whole(
    loaded: LoadedOnnx,
    apart: Mapping[str, np.ndarray] | None = None,
    location: str = "",
    *,
    without: Collection[str] = (),
) -> onnx.ModelProto:
    """The model with its notes gone and its weights inside, but for those `apart`, which are in another file.

    Those that it is `without` are left to be added.
    """
    apart = apart or {}
    proto = onnx.ModelProto()
    proto.CopyFrom(loaded.proto)
    inputs = [info for info in proto.graph.input if info.name not in loaded.constants]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    inside = ((name, array) for name, array in loaded.constants.items() if name not in apart and name not in without)
    proto.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in inside)
    proto.graph.initializer.extend(_apart(apart, location))
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

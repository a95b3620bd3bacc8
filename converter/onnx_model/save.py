"""Writes a model back as ONNX that tells nothing about the machine it was exported on."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from converter.fileio import CHUNK_BYTES, write_atomically
from converter.onnx_model.load import LoadedOnnx

ONE_FILE_BYTES = 1 << 30  # of weights; a protobuf message stops at 2 GiB, and making one takes them twice in memory
DATA_SUFFIX = ".data"
ALIGNMENT = 4096  # so that a weight can be mapped into memory


def save(
    loaded: LoadedOnnx, path: Path, notes: Mapping[str, str] | None = None, *, one_file_bytes: int = ONE_FILE_BYTES
) -> list[Path]:
    """Write the model, weights included, and `notes` as its metadata; returns the files.

    Names of files, stack traces and notes of the exporter are left out. More than `one_file_bytes` of weights are
    streamed to a file beside the model.
    """
    size_bytes = sum(array.nbytes for array in loaded.constants.values())
    data = path.with_name(path.name + DATA_SUFFIX)
    apart = {name: array for name, array in loaded.constants.items() if _can_be_apart(array)}
    if size_bytes <= one_file_bytes:
        apart = {}
    proto = whole(loaded, apart, data.name)
    for key, value in sorted((notes or {}).items()):
        proto.metadata_props.add(key=key, value=value)
    if apart:
        write_atomically(data, _aligned(apart))
    write_atomically(path, proto.SerializeToString(deterministic=True))
    return [path, *([data] if apart else [])]


def _can_be_apart(array: np.ndarray) -> bool:
    """Whether its bytes in memory are those that ONNX stores, and they are worth a place of their own."""
    return array.dtype.kind in "biuf" and array.dtype.isnative and array.nbytes >= ALIGNMENT


def _aligned(arrays: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    for array in arrays.values():
        flat = np.ascontiguousarray(array).reshape(-1)
        step = CHUNK_BYTES // flat.itemsize
        for start in range(0, flat.size, step):
            piece = flat[start : start + step]
            yield piece.astype(piece.dtype.newbyteorder("<"), copy=False).tobytes()
        yield bytes(-array.nbytes % ALIGNMENT)


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


def whole(loaded: LoadedOnnx, apart: Mapping[str, np.ndarray] | None = None, location: str = "") -> onnx.ModelProto:
    """The model with its notes gone and its weights inside, but for those `apart`, which are in another file."""
    apart = apart or {}
    proto = onnx.ModelProto()
    proto.CopyFrom(loaded.proto)
    inputs = [info for info in proto.graph.input if info.name not in loaded.constants]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    inside = ((name, array) for name, array in loaded.constants.items() if name not in apart)
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

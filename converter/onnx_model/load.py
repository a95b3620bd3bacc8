"""Reads an ONNX file: digest first, weights apart from the graph, external data only from the model's own folder."""

import hashlib
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import checker, helper, numpy_helper

from converter.dtypes import BY_ONNX_CODE, DType, as_numpy
from converter.errors import CheckpointError
from converter.fileio import sha256_of
from converter.onnx_model.contributed import import_contributed
from converter.onnx_model.wire import without_weights

FIRST_IR_WITHOUT_DEFAULTS = 4  # before it, every initializer had to be an input as well
REDEFINED = {"GroupNormalization"}  # deprecated at the opset that first defined it, for its later definition
UNCHECKED_DOMAIN = "unchecked"
FIRST_DROPOUT_WITHOUT_MODE = 7  # before it, an attribute says whether the model is in test mode
WILDCARDS = {"?", "*", "-1", "None"}
BITS_OF_BYTE = 8
MAPPED_BYTES = 32 << 20  # a larger file is mapped: its weights stay where they are until they are written
SMALL_ELEMENTS = 1024  # initializers up to this size stay in the proto, where shape inference can read them

RawData = Mapping[int, np.ndarray]
"""The bytes of initializers that are not in their message, by index."""


@dataclass(frozen=True)
class LoadedOnnx:
    """A checked model: the proto without its large weights, and those weights as arrays."""

    proto: onnx.ModelProto
    constants: dict[str, np.ndarray]
    sha256: str


def load(path: Path, *, mapped_bytes: int = MAPPED_BYTES) -> LoadedOnnx:
    """Read and check an ONNX file; one of `mapped_bytes` and more is mapped, and must not change meanwhile.

    Raises: CheckpointError if it can't be read, isn't valid ONNX, or its external data is unsafe or damaged.
    """
    try:
        if path.stat().st_size < mapped_bytes:
            return load_bytes(path.read_bytes(), where=str(path), folder=path.parent)
        content = np.memmap(path, np.uint8, mode="r")
        slim, places = without_weights(content.data) or (content.tobytes(), {})
        sha256 = sha256_of(path)
    except OSError as error:
        raise CheckpointError(
            f"can't be read: {error.strerror}", where=str(path), hint="check the path and its permissions"
        ) from error
    raw = {index: content[place.offset : place.offset + place.length] for index, place in places.items()}
    return _checked(slim, sha256, raw, where=str(path), folder=path.parent)


def load_bytes(content: bytes, *, where: str, folder: Path | None = None) -> LoadedOnnx:
    """Check a serialized model; external data is looked for in `folder` only.

    Raises: CheckpointError if it isn't valid ONNX, or its external data is unsafe or damaged.
    """
    return _checked(content, hashlib.sha256(content).hexdigest(), {}, where=where, folder=folder)


def _checked(serialized: bytes, sha256: str, raw: RawData, *, where: str, folder: Path | None) -> LoadedOnnx:
    """The model of a message that lacks the raw data of some initializers."""
    try:
        proto = onnx.load_model_from_string(serialized)
    except DecodeError as error:
        _refuse("not an ONNX file, or a truncated one", where, "export the model again", error)
    if not proto.opset_import or not proto.graph.output:
        _refuse("an ONNX model needs an opset and at least one output", where, "export the model again")
    import_contributed(proto)
    _forget_wildcards(proto.graph)
    _replace_test_dropouts(proto)
    constants = _split_weights(proto.graph, raw, folder, where)
    proto = _copied(proto)
    proto.ir_version = max(proto.ir_version, FIRST_IR_WITHOUT_DEFAULTS)
    try:
        checker.check_model(_checkable(proto))
    except (checker.ValidationError, ValueError) as error:
        _refuse(f"not valid ONNX: {_first_line(error)}", where, "export the model again, or repair it", error)
    return LoadedOnnx(proto, constants, sha256)


def _copied(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model; what was removed from a message stays in memory for as long as the message itself."""
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    return copy


def _checkable(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model as the checker accepts it.

    The checker wants a shape for every input and output, which the standard does not, and refuses operators that are
    defined at the model's opset, and run by onnxruntime, because a later opset defines them differently.
    """
    copy = _copied(proto)
    for info in (*copy.graph.input, *copy.graph.output):
        if info.type.HasField("tensor_type"):
            info.type.tensor_type.shape.SetInParent()
    redefined = [node for node in _nodes(copy.graph) if node.op_type in REDEFINED and node.domain in ("", "ai.onnx")]
    for node in redefined:
        node.domain = UNCHECKED_DOMAIN
    if redefined:
        copy.opset_import.add(domain=UNCHECKED_DOMAIN, version=1)
    return copy


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of those inside it."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _forget_wildcards(graph: onnx.GraphProto) -> None:
    """Clear dimension names that some exporters give to every unknown size: equal names would mean equal sizes."""
    for info in (*graph.input, *graph.value_info, *graph.output):
        for dim in info.type.tensor_type.shape.dim if info.type.HasField("tensor_type") else ():
            if dim.dim_param in WILDCARDS:
                dim.ClearField("dim_param")


def _replace_test_dropouts(proto: onnx.ModelProto) -> None:
    """Replace Dropout in test mode by Identity, which it is; onnxruntime has no kernel for Dropout before opset 7.

    Source: https://onnx.ai/onnx/operators/onnx__Dropout.html
    """
    opset = next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), 0)
    if not 0 < opset < FIRST_DROPOUT_WITHOUT_MODE:
        return
    read = {name for node in _nodes(proto.graph) for name in node.input} | {info.name for info in proto.graph.output}
    for node in _nodes(proto.graph):
        is_test = any(attribute.name == "is_test" and attribute.i for attribute in node.attribute)
        if node.op_type == "Dropout" and is_test and read.isdisjoint(node.output[1:]):
            node.op_type = "Identity"
            node.ClearField("attribute")
            del node.output[1:]


def _split_weights(graph: onnx.GraphProto, raw: RawData, folder: Path | None, where: str) -> dict[str, np.ndarray]:
    """Move large initializers out of the proto; what stays behind is an input that has their type."""
    constants: dict[str, np.ndarray] = {}
    kept: list[onnx.TensorProto] = []
    for index, tensor in enumerate(graph.initializer):
        external = tensor.data_location == onnx.TensorProto.EXTERNAL
        if not external and int(np.prod(tensor.dims, dtype=np.int64)) <= SMALL_ELEMENTS:
            if index in raw:
                tensor.raw_data = raw[index].tobytes()
            kept.append(tensor)
            continue
        try:
            array = _external(tensor, folder, where) if external else _inside(tensor, raw.get(index))
        except (ValueError, TypeError) as error:
            _refuse(f"{_first_line(error)}", f"{where}, initializer {tensor.name!r}", "export the model again", error)
        constants[tensor.name] = array
    names = {*constants, *(tensor.name for tensor in kept)}
    weights = [
        helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in graph.initializer if t.name in constants
    ]
    inputs = [info for info in graph.input if info.name not in names]
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(kept)
    graph.input.extend([*inputs, *weights])
    return constants


def _inside(tensor: onnx.TensorProto, raw: np.ndarray | None) -> np.ndarray:
    """The array of an initializer, a view of its raw data where that is not in the tensor itself."""
    if raw is None:
        return numpy_helper.to_array(tensor)
    row = BY_ONNX_CODE.get(tensor.data_type)
    if row and _is_whole_bytes(row) and raw.nbytes * BITS_OF_BYTE == math.prod(tensor.dims) * (row.bits or 0):
        return raw.view(as_numpy(row)).reshape(tuple(tensor.dims))
    tensor.raw_data = raw.tobytes()
    return numpy_helper.to_array(tensor)


def _is_whole_bytes(row: DType) -> bool:
    """Whether any bytes are elements of that type, each in bytes of its own."""
    return row.bits is not None and row.bits >= BITS_OF_BYTE and row.name not in ("bool", "string")


def _external(tensor: onnx.TensorProto, folder: Path | None, where: str) -> np.ndarray:
    """The array of an initializer stored beside the model, mapped and not read where its elements are whole bytes."""
    info = {entry.key: entry.value for entry in tensor.external_data}
    where = f"{where}, initializer {tensor.name!r}"
    location = info.get("location", "")
    if folder is None:
        _refuse("refers to external data", where, "give the path of the ONNX file, beside its data")
    file = folder / location
    if not location or Path(location).is_absolute() or ".." in Path(location).parts or "\\" in location:
        _refuse(f"external data at {location!r} is outside the model's folder", where, "store it beside the model")
    try:
        status = os.lstat(file)
    except OSError as error:
        _refuse(f"external data {location!r}: {error.strerror}", where, "copy the data file beside the model", error)
    inside = file.resolve().is_relative_to(folder.resolve()) and file.resolve() == folder.resolve() / location
    if not inside or not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        _refuse(f"external data {location!r} is a link or no regular file", where, "replace it by a plain copy")
    return _mapped(tensor, file, info, where)


def _mapped(tensor: onnx.TensorProto, file: Path, info: Mapping[str, str], where: str) -> np.ndarray:
    row = BY_ONNX_CODE.get(tensor.data_type)
    if row is None or row.bits is None:  # mapped as text, the file's bytes would become addresses
        _refuse(f"external data {file.name!r} can't hold this type", where, "store its values in the model")
    size = -(-math.prod(tensor.dims) * row.bits // BITS_OF_BYTE)
    offset = int(info.get("offset", 0))
    length = int(info.get("length", size))
    if length != size or min(offset, length) < 0 or offset + length > file.stat().st_size:
        _refuse(f"external data {file.name!r} is shorter than the model says", where, "copy the whole data file")
    if size == 0:
        return np.zeros(tuple(tensor.dims), as_numpy(row))
    if row.bits < BITS_OF_BYTE:
        content = np.memmap(file, np.uint8, mode="r", offset=offset, shape=(size,)).tobytes()
        packed = onnx.TensorProto(dims=tensor.dims, data_type=tensor.data_type, raw_data=content)
        return numpy_helper.to_array(packed)
    return np.memmap(file, as_numpy(row), mode="r", offset=offset, shape=tuple(tensor.dims))


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _refuse(what: str, where: str, hint: str, cause: Exception | None = None) -> NoReturn:
    raise CheckpointError(what, where=where, hint=hint) from cause

"""Finds the weights in a serialized model without parsing them, so that they can stay where they are.

Source: https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator
from typing import NamedTuple

from onnx import GraphProto, ModelProto, TensorProto

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MIN_BYTES = 4096  # of a weight that is worth leaving where it is
MAX_VARINT_BYTES = 10


class Place(NamedTuple):
    """Where bytes are in a file."""

    offset: int
    length: int


class _Field(NamedTuple):
    """A field of a message: its number, where it begins, and where its content begins and ends."""

    number: int
    kind: int
    start: int
    inner: int
    end: int


def without_weights(content: memoryview) -> tuple[bytes, dict[int, Place]] | None:
    """A serialized model without the raw data of its large initializers, and where those are, by initializer.

    None if it isn't a model as any exporter writes it: then the parser shall say what it is.
    """
    try:
        model = list(_fields(content, 0, len(content)))
        graphs = [field for field in model if field.number == ModelProto.GRAPH_FIELD_NUMBER]
        if len(graphs) != 1 or graphs[0].kind != BYTES:
            return None
        graph, places = _slim_graph(content, graphs[0])
    except ValueError:
        return None
    rest = [bytes(content[field.start : field.end]) for field in model if field is not graphs[0]]
    return b"".join([*rest, field_head(ModelProto.GRAPH_FIELD_NUMBER, len(graph)), graph]), places


def field_head(number: int, size_bytes: int) -> bytes:
    """What comes before a field of that many bytes: its number with the wire type of bytes, and its length."""
    return _varint(number << 3 | BYTES) + _varint(size_bytes)


def _slim_graph(content: memoryview, graph: _Field) -> tuple[bytes, dict[int, Place]]:
    parts: list[bytes] = []
    places: dict[int, Place] = {}
    n_initializers = 0
    for field in _fields(content, graph.inner, graph.end):
        if field.number != GraphProto.INITIALIZER_FIELD_NUMBER:
            parts.append(bytes(content[field.start : field.end]))
            continue
        raw = _raw_data(content, field) if field.end - field.inner >= MIN_BYTES else None
        if raw is None:
            parts.append(bytes(content[field.start : field.end]))
        else:
            tensor = bytes(content[field.inner : raw.start]) + bytes(content[raw.end : field.end])
            parts += [field_head(GraphProto.INITIALIZER_FIELD_NUMBER, len(tensor)), tensor]
            places[n_initializers] = Place(raw.inner, raw.end - raw.inner)
        n_initializers += 1
    return b"".join(parts), places


def _raw_data(content: memoryview, tensor: _Field) -> _Field | None:
    if tensor.kind != BYTES:
        raise ValueError("an initializer is no message")
    fields = list(_fields(content, tensor.inner, tensor.end))
    found = [one for one in fields if one.number == TensorProto.RAW_DATA_FIELD_NUMBER]
    return found[0] if len(found) == 1 and found[0].kind == BYTES else None


def _fields(content: memoryview, start: int, end: int) -> Iterator[_Field]:
    while start < end:
        tag, inner = _read_varint(content, start, end)
        kind = tag & 7
        if kind == BYTES:
            length, inner = _read_varint(content, inner, end)
            after = inner + length
        elif kind == VARINT:
            _, after = _read_varint(content, inner, end)
        elif kind in (FIXED64, FIXED32):
            after = inner + (8 if kind == FIXED64 else 4)
        else:
            raise ValueError(f"wire type {kind} is in no ONNX file")
        if after > end:
            raise ValueError("a field is longer than its message")
        yield _Field(tag >> 3, kind, start, inner, after)
        start = after


def _read_varint(content: memoryview, start: int, end: int) -> tuple[int, int]:
    """The number that begins at `start`, and where it ends."""
    value = 0
    for index in range(start, min(start + MAX_VARINT_BYTES, end)):
        value |= (content[index] & 0x7F) << 7 * (index - start)
        if content[index] < 0x80:
            return value, index + 1
    raise ValueError("a number has no end")


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])

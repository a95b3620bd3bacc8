"""The frames that Python and the Node process exchange: a JSON header and a binary body.

u32 little-endian length of the header, the header as JSON with `body_bytes` in it, the body: tensors, each at a
multiple of 8 bytes. `converter/runtimes/js/src/protocol.ts` is the other side.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np

TENSOR_ALIGNMENT = 8
NUMBERS = ("float16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
DTYPES = {name: np.dtype(name).newbyteorder("<") for name in NUMBERS} | {"bool": np.dtype("u1")}


def encode(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Iterator[bytes]:
    """The chunks of one frame whose arrays hold numbers or booleans."""
    tensors, chunks, end = [], [], 0
    for name, array in arrays.items():
        data = array.astype(DTYPES[array.dtype.name], order="C", copy=False).tobytes()
        tensors.append(
            {
                "name": name,
                "dtype": array.dtype.name,
                "shape": list(array.shape),
                "offset": end,
                "size_bytes": len(data),
            }
        )
        padding = bytes(-len(data) % TENSOR_ALIGNMENT)
        chunks += [data, padding]
        end += len(data) + len(padding)
    text = json.dumps({**header, "tensors": tensors, "body_bytes": end}).encode()
    yield struct.pack("<I", len(text)) + text
    yield from chunks


def read(stream: IO[bytes]) -> tuple[dict[str, Any], bytes] | None:
    """The next frame's header and body, None where the stream ends."""
    size = stream.read(4)
    if len(size) < 4:
        return None
    (n_bytes,) = struct.unpack("<I", size)
    text = stream.read(n_bytes)
    if len(text) < n_bytes:
        return None
    header = json.loads(text)
    body = stream.read(header["body_bytes"])
    return None if len(body) < header["body_bytes"] else (header, body)


def arrays_of(header: Mapping[str, Any], body: bytes) -> dict[str, np.ndarray]:
    """The tensors of a frame by name."""
    arrays = {}
    for tensor in header.get("tensors", ()):
        dtype = DTYPES[tensor["dtype"]]
        count = tensor["size_bytes"] // dtype.itemsize
        values = np.frombuffer(body, dtype, count, tensor["offset"]).reshape(tensor["shape"])
        arrays[tensor["name"]] = np.asarray(values != 0) if tensor["dtype"] == "bool" else values
    return arrays

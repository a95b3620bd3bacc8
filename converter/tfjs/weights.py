"""The weights of a graph model: the manifest's rows, and the bytes of the shards in both directions."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from converter.errors import ArtifactError, InternalError
from converter.fileio import CHUNK_BYTES, write_atomically
from converter.tfjs.encodings import Encoded
from converter.tfjs.graph import Node, TensorType

SHARD_BYTES = 4 << 20  # of the smallest that are worth a request
MAX_SHARDS = 6  # TF.js reads none before all have an answer, and over HTTP/1.1 browsers ask for six files at a time
MIN_ROWS = 16  # that are gathered together: of a transposed float32 matrix, these share the lines of a cache
DAMAGED = "the file is damaged or was not written by this tool; restore it or convert the model again"

QUANTIZED: Mapping[str, Mapping[str, Any]] = {
    "float16": {"dtype": "float16"},
    "int8": {"dtype": "uint8", "min": -128, "scale": 1},
    "uint8": {"dtype": "uint8", "min": 0, "scale": 1},
    "int16": {"dtype": "uint16", "min": -32768, "scale": 1},
    "uint16": {"dtype": "uint16", "min": 0, "scale": 1},
}
"""How arrays narrower than their node are stored, without loss: TF.js widens them when it loads the model."""

_ARRAYS: Mapping[str, tuple[str, ...]] = {
    "float32": ("float32", "float16"),
    "int32": ("int32", "int8", "uint8", "int16", "uint16"),
    "bool": ("bool",),
    "complex64": ("complex64",),
}
"""The array dtypes that a constant of each dtype may be kept in; strings are arrays of objects or of text."""

_ARRAY_OF_STORED = {(row["dtype"], row.get("min"), row.get("scale")): name for name, row in QUANTIZED.items()}
_FLIP: Mapping[str, Any] = {"int8": (np.uint8, 0x80), "int16": (np.uint16, 0x8000)}

Document = Mapping[str, Any]


def can_store(values: np.ndarray, dtype: str) -> bool:
    """Whether an array may be the values of a constant of that dtype."""
    return values.dtype.kind in "OUS" if dtype == "string" else values.dtype.name in _ARRAYS.get(dtype, ())


def weight_spec(node: Node, stored: np.ndarray | Encoded) -> dict[str, Any]:
    """The manifest's row of a constant. Raises: InternalError if its values can't stand for the node's dtype."""
    dtype = node.outputs[0].dtype
    values = stored.values if isinstance(stored, Encoded) else stored
    if not can_store(values, dtype):
        raise InternalError(f"{node.name} (Const): {values.dtype} values can't stand for {dtype}")
    spec = {"name": node.name, "shape": list(values.shape), "dtype": dtype}
    if isinstance(stored, Encoded):
        return spec | {"quantization": stored.quantization}
    quantization = None if values.dtype.name == dtype else QUANTIZED.get(values.dtype.name)
    return {**spec, **({"quantization": dict(quantization)} if quantization else {})}


def stored_bytes(values: np.ndarray | Encoded) -> int:
    """How many bytes a constant takes in the shards."""
    if isinstance(values, Encoded):
        return values.size_bytes
    return len(_encode_strings(values)) if values.dtype.kind in "OUS" else values.nbytes


def _encode_strings(values: np.ndarray) -> bytes:
    encoded = [one if isinstance(one, bytes) else str(one).encode() for one in values.reshape(-1)]
    return b"".join(len(one).to_bytes(4, "little") + one for one in encoded)


def pieces_of(values: np.ndarray | Encoded) -> Iterator[bytes | memoryview]:
    """The bytes of a constant as stored, in row-major order, without a second copy of the whole."""
    if isinstance(values, Encoded):
        yield from values.pieces()
        return
    if values.dtype.kind in "OUS":
        yield _encode_strings(values)
        return
    step = CHUNK_BYTES // values.dtype.itemsize
    for flat in _flat_blocks(values):
        for start in range(0, flat.size, step):
            yield _stored(flat[start : start + step]).view(np.uint8).data


def _flat_blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """The elements in row-major order; those that lie otherwise in memory are gathered some rows at a time."""
    if values.flags.c_contiguous:
        yield values.reshape(-1)
        return
    if values.shape[0] == 1:
        yield from _flat_blocks(values[0])
        return
    n_rows = max(MIN_ROWS, CHUNK_BYTES // max(values[0].nbytes, 1))
    for start in range(0, values.shape[0], n_rows):
        yield np.ascontiguousarray(values[start : start + n_rows]).reshape(-1)


def _stored(piece: np.ndarray) -> np.ndarray:
    if piece.dtype.name in _FLIP:
        unsigned, sign_bit = _FLIP[piece.dtype.name]
        piece = piece.astype(piece.dtype.newbyteorder("="), copy=False).view(unsigned) ^ sign_bit
    return piece.astype(piece.dtype.newbyteorder("<"), copy=False)


class Pieces:
    """A stream of bytes that is taken in lengths of the taker's choice."""

    def __init__(self, pieces: Iterable[bytes | memoryview]) -> None:
        self._pieces = (memoryview(piece) for piece in pieces if piece)
        self._left = memoryview(b"")

    def take(self, n_bytes: int) -> Iterator[memoryview]:
        """The next `n_bytes`, or what there is left."""
        while n_bytes > 0:
            piece = self._left or next(self._pieces, memoryview(b""))
            if not piece:
                return
            self._left = piece[n_bytes:]
            n_bytes -= min(len(piece), n_bytes)
            yield piece[: len(piece) - len(self._left)]


def shard_size(arrays: Iterable[np.ndarray | Encoded]) -> int:
    """How large shards of these constants are: 4 MiB, or what it takes for six; units: bytes."""
    return max(SHARD_BYTES, math.ceil(sum(map(stored_bytes, arrays)) / MAX_SHARDS))


def shard_names(arrays: Iterable[np.ndarray | Encoded], shard_bytes: int) -> list[str]:
    """What the shards that hold these constants are called; units: shard_bytes is the largest size, in bytes."""
    n_shards = math.ceil(sum(map(stored_bytes, arrays)) / shard_bytes)
    return [f"group1-shard{index + 1}of{n_shards}.bin" for index in range(n_shards)]


def write_shards(
    shards: Iterable[Path],
    arrays: Iterable[np.ndarray | Encoded],
    shard_bytes: int,
    on_file: Callable[[Path], None] = lambda _: None,
) -> None:
    """Write the constants one behind the other; beside them, memory holds no more than a piece of a shard.

    `on_file` is told of each shard that is whole.
    """
    pieces = Pieces(piece for values in arrays for piece in pieces_of(values))
    for shard in shards:
        write_atomically(shard, pieces.take(shard_bytes), is_synced=False)
        on_file(shard)


def read_weights(model: Path, manifest: Sequence[Document]) -> dict[str, tuple[TensorType, np.ndarray]]:
    """The type and the values of each weight in a manifest; the shards lie beside `model`.

    Raises: ArtifactError naming a shard that is missing, too short, too long, or outside the folder.
    """
    paths = [_inside(model, path) for group in manifest for path in group["paths"]]
    specs = [spec for group in manifest for spec in group["weights"]]
    _check_sizes(paths, specs)
    weights: dict[str, tuple[TensorType, np.ndarray]] = {}
    with _Shards(paths) as shards:
        for spec in specs:
            if spec["name"] in weights:
                raise ValueError(f"two weights are called {spec['name']!r}")
            weights[spec["name"]] = TensorType(spec["dtype"], tuple(spec["shape"])), _read_weight(shards, spec)
        shards.check_end()
    return weights


def _inside(model: Path, path: str) -> Path:
    folder = model.parent
    target = folder / path
    if Path(path).is_absolute() or not target.resolve().is_relative_to(folder.resolve()):
        raise ArtifactError(f"shard path {path!r} leaves the folder", where=str(model), hint=DAMAGED)
    if not target.is_file():
        raise ArtifactError("the shard is missing", where=str(target), hint=DAMAGED)
    return target


def _stored_dtype(spec: Document) -> np.dtype:
    quantization = spec.get("quantization")
    if spec["dtype"] not in ("float32", "int32", "bool", "complex64"):
        raise ValueError(f"weights of dtype {spec['dtype']!r} are not known")
    stored = quantization["dtype"] if quantization else spec["dtype"]
    if quantization and stored not in ("float16", "uint8", "uint16"):
        raise ValueError(f"weights stored as {stored!r} are not known")
    dtype: np.dtype = np.dtype(stored).newbyteorder("<")
    return dtype


def _n_elements(spec: Document) -> int:
    if not all(type(dim) is int and dim >= 0 for dim in spec["shape"]):
        raise ValueError(f"{spec['shape']} is no shape")
    return math.prod(spec["shape"])


def _check_sizes(paths: Sequence[Path], specs: Sequence[Document]) -> None:
    """Name the shard that is too short or too long, so far as equal shards with a last one tell."""
    if any(spec["dtype"] == "string" for spec in specs):
        return
    needed = sum(_n_elements(spec) * _stored_dtype(spec).itemsize for spec in specs)
    sizes = [path.stat().st_size for path in paths]
    if sum(sizes) == needed:
        return
    if not paths:
        raise ValueError(f"the weights need {needed} bytes, but there are no shards")
    wrong = min((_misfits(sizes, full, needed) for full in {*sizes[:-1], needed}), key=len)[0]
    raise ArtifactError(
        f"the shard has {sizes[wrong]} bytes; all shards together have {sum(sizes)}, the weights need {needed}",
        where=str(paths[wrong]),
        hint=DAMAGED,
    )


def _misfits(sizes: Sequence[int], full: int, needed: int) -> list[int]:
    """Which shards are wrong if all but the last are to have `full` bytes."""
    expected = [full] * (len(sizes) - 1) + [needed - full * (len(sizes) - 1)]
    return [index for index, size in enumerate(sizes) if size != expected[index]]


class _Shards:
    """The bytes of all shards, one after another."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._left = sum(path.stat().st_size for path in paths)
        self._file: BinaryIO | None = None

    def __enter__(self) -> "_Shards":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def take(self, n_bytes: int) -> bytearray:
        """The next bytes. Raises: ArtifactError if there are not as many."""
        if n_bytes > self._left:
            raise self._error("the shards end before the weights do")
        self._left -= n_bytes
        taken = bytearray()
        while len(taken) < n_bytes:
            if self._file is None:
                self._file = self._paths[0].open("rb")
            piece = self._file.read(n_bytes - len(taken))
            taken += piece
            if not piece:
                self._file.close()
                self._file = None
                del self._paths[0]
        return taken

    def check_end(self) -> None:
        """Raises: ArtifactError if there is something left."""
        if self._left:
            raise self._error("the shards go on after the weights end")

    def _error(self, what: str) -> ArtifactError:
        return ArtifactError(what, where=str(self._paths[-1]) if self._paths else "", hint=DAMAGED)


def _read_weight(shards: _Shards, spec: Document) -> np.ndarray:
    count = _n_elements(spec)
    if spec["dtype"] == "string":
        strings = [shards.take(int.from_bytes(shards.take(4), "little")).decode() for _ in range(count)]
        return np.array(strings, dtype=object).reshape(spec["shape"])
    stored = _stored_dtype(spec)
    values: np.ndarray = np.frombuffer(shards.take(count * stored.itemsize), dtype=stored).reshape(spec["shape"])
    return _narrowed(values, spec.get("quantization"), spec["dtype"])


def _narrowed(values: np.ndarray, quantization: Document | None, dtype: str) -> np.ndarray:
    """The array that was written: narrow again where the stored numbers are shifted whole ones."""
    if quantization is None:
        return values
    minimum, scale = quantization.get("min"), quantization.get("scale")
    name = _ARRAY_OF_STORED.get((quantization["dtype"], minimum, scale))
    if name == "float16" or (name in ("uint8", "uint16") and dtype == "int32"):
        return values
    if name is not None and dtype == "int32":
        sign_bit = 1 << (8 * values.dtype.itemsize - 1)
        return (values ^ sign_bit).view(name)
    # in float64, as TF.js does: zero is exactly zero
    widened: np.ndarray = values.astype(np.float64) * float(scale or 0) + float(minimum or 0)
    return widened.astype(np.float32) if dtype == "float32" else np.rint(widened).astype(np.int32)

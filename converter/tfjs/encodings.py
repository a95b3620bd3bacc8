"""Weights in fewer bytes than float32: what TF.js widens again when it loads them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from converter.fileio import CHUNK_BYTES
from converter.tfjs.graph import Graph

Encoding = Literal["float32", "float16", "uint16", "uint8"]
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
ROUNDED = "roundedWeights"  # of a graph's metadata: how many weights were rounded, by encoding
MIN_ELEMENTS = 256  # of a weight that is worth rounding; the smaller ones are scales, biases and statistics

_LEVELS = {"uint8": 255, "uint16": 65535}


@dataclass(frozen=True)
class Encoded:
    """A float32 array as the shards hold it: halves, or the numbers of steps of `scale` above `minimum`.

    Shapes: those of `values`
    """

    values: np.ndarray
    dtype: Literal["float16", "uint16", "uint8"]
    minimum: float = 0.0
    scale: float = 1.0

    @property
    def size_bytes(self) -> int:
        """What it takes in the shards."""
        return self.values.size * np.dtype(self.dtype).itemsize

    @property
    def quantization(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {"dtype": self.dtype} | (
            {} if self.dtype == "float16" else {"min": self.minimum, "scale": self.scale, "original_dtype": "float32"}
        )

    def pieces(self) -> Iterator[bytes]:
        """The bytes, in row-major order, without a second copy of the whole."""
        flat: Any = self.values.reshape(-1) if self.values.flags.c_contiguous else self.values.flat
        step = CHUNK_BYTES // 4
        for start in range(0, self.values.size, step):
            yield self._rounded(flat[start : start + step]).astype(np.dtype(self.dtype).newbyteorder("<")).tobytes()

    def _rounded(self, piece: np.ndarray) -> np.ndarray:
        if self.dtype == "float16":
            return piece
        steps = np.rint((piece.astype(np.float64) - self.minimum) / self.scale)
        return np.clip(steps, 0, _LEVELS[self.dtype])


def encoded(values: np.ndarray, encoding: Encoding) -> Encoded | None:
    """The values in an encoding, None where they stay as they are: few, not float32, not finite, or too large for it.

    Zero stays zero in every encoding.
    """
    if encoding == "float32" or values.dtype != np.float32 or values.size < MIN_ELEMENTS:
        return None
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        return None
    if encoding == "float16":
        fits = max(-low, high) <= float(np.finfo(np.float16).max)
        return Encoded(values, encoding) if fits else None
    low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        return Encoded(values, encoding)
    scale = (high - low) / _LEVELS[encoding]
    return Encoded(values, encoding, minimum=round(low / scale) * scale, scale=scale)


def encodings_used(graph: Graph, encodings: Mapping[str, Encoding]) -> dict[str, int]:
    """How many constants of a graph are rounded by these encodings, by encoding."""
    counts: dict[str, int] = {}
    for _, one in graph.walk():
        for name, values in one.constants.items():
            stored = encoded(values, encodings.get(name, "float32"))
            if stored:
                counts[stored.dtype] = counts.get(stored.dtype, 0) + 1
    return dict(sorted(counts.items()))

"""The inputs that parity runs on: seeded random values and the ends of each input's declared range."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import Literal

import numpy as np

from converter.config import TensorSpec
from converter.dtypes import BY_NAME
from converter.errors import ConfigError

BATCH_NAMES = ("batch", "batch_size", "n", "N")
SIZE_STEP = 32

Fill = Literal["random", "zeros", "ones", "low", "high"]
FILLS: tuple[Fill, ...] = ("random", "zeros", "ones", "low", "high")


@dataclass(frozen=True)
class Sample:
    """One set of inputs, under a label that is unique in its run and holds no `/`."""

    label: str
    inputs: Mapping[str, np.ndarray]

    @property
    def sha256(self) -> str:
        """A digest of names, dtypes, shapes and values, independent of the order of the inputs."""
        digest = hashlib.sha256()
        for name, array in sorted(self.inputs.items()):
            digest.update(f"{name}\0{array.dtype.name}\0{array.shape}\0".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class _Range:
    """The values an input may take: bounds that broadcast to its shape."""

    low: np.ndarray
    high: np.ndarray

    def holds(self, value: float) -> bool:
        return bool(np.all(self.low <= value) and np.all(value <= self.high))


def make_samples(
    specs: Sequence[TensorSpec], *, seed: int, batches: Sequence[int], sizes: Mapping[str, int] | None = None
) -> list[Sample]:
    """For each batch size: random values, then zeros and ones where every range holds them, all-low and all-high.

    The batch dimension is the one called batch, batch_size, n or N, else the first dynamic one; without a dynamic
    dimension there is one set. Every other dynamic dimension has the size that `sizes` gives it, else 32, 64, 96 … in
    order of appearance, so that no two are mixed up unseen. A range is cut to what the dtype holds.
    A value depends on the seed, its input's name and the batch size only. An edge set equal to an earlier one is left
    out.

    Raises: ConfigError if there would be no sample, or a size or range doesn't fit.
    """
    if not specs:
        raise ConfigError("there are no inputs to compare runtimes on", where="inputs", hint="declare the inputs")
    ranges = {spec.name: _range_of(spec) for spec in specs}
    samples: dict[str, Sample] = {}
    for prefix, dims in _dimension_sizes(specs, batches, dict(sizes or {})):
        for fill in FILLS:
            sample = _sample(f"{prefix}{fill}", fill, specs, ranges, dims, seed)
            if sample:
                samples.setdefault(sample.sha256, sample)
    return list(samples.values())


def batch_dimension(specs: Sequence[TensorSpec]) -> str | None:
    """The name of the dimension that batch sizes apply to, None if every dimension is fixed."""
    dynamic = _dynamic_dims(specs)
    return next((name for name in dynamic if name in BATCH_NAMES), dynamic[0] if dynamic else None)


def _dynamic_dims(specs: Sequence[TensorSpec]) -> list[str]:
    return list(dict.fromkeys(dim for spec in specs for dim in spec.shape if isinstance(dim, str)))


def _dimension_sizes(
    specs: Sequence[TensorSpec], batches: Sequence[int], sizes: dict[str, int]
) -> list[tuple[str, dict[str, int]]]:
    dynamic, batch = _dynamic_dims(specs), batch_dimension(specs)
    unknown = sorted(sizes.keys() - set(dynamic))
    if unknown:
        raise ConfigError(
            f"no input has a dimension {', '.join(unknown)}", where="sizes", hint=f"dynamic dimensions: {dynamic}"
        )
    others = [name for name in dynamic if name != batch]
    fixed = {name: SIZE_STEP * (place + 1) for place, name in enumerate(others)} | sizes
    if batch is None:
        return [("", {})]
    counts = [sizes[batch]] if batch in sizes else list(dict.fromkeys(batches))
    if not counts:
        raise ConfigError("no batch size to compare", where="parity.batches", hint="give at least one, such as [1, 4]")
    for name, size in [(batch, count) for count in counts] + list(fixed.items()):
        if size < 1:
            raise ConfigError(f"dimension {name} can't be {size}", where="parity", hint="compare on sizes of 1 or more")
    return [(f"batch{count}-", fixed | {batch: count}) for count in counts]


def _sample(
    label: str,
    fill: Fill,
    specs: Sequence[TensorSpec],
    ranges: Mapping[str, _Range],
    dims: Mapping[str, int],
    seed: int,
) -> Sample | None:
    value = {"zeros": 0.0, "ones": 1.0}.get(fill)
    if value is not None and not all(bounds.holds(value) for bounds in ranges.values()):
        return None
    inputs: dict[str, np.ndarray] = {}
    for spec in specs:
        shape = tuple(dims[dim] if isinstance(dim, str) else dim for dim in spec.shape)
        inputs[spec.name] = _filled(fill, spec, ranges[spec.name], shape, f"{seed}/{label}/{spec.name}")
    return Sample(label, inputs)


def _filled(fill: Fill, spec: TensorSpec, bounds: _Range, shape: tuple[int, ...], key: str) -> np.ndarray:
    dtype = np.dtype(spec.dtype)
    if fill == "random":
        return _random(spec, bounds, shape, key).astype(dtype)
    edge = {"zeros": np.zeros(()), "ones": np.ones(()), "low": bounds.low, "high": bounds.high}[fill]
    return np.array(np.broadcast_to(edge, shape), dtype=dtype)


def _random(spec: TensorSpec, bounds: _Range, shape: tuple[int, ...], key: str) -> np.ndarray:
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()))
    if BY_NAME[spec.dtype].is_float:
        return rng.uniform(bounds.low, bounds.high, shape)
    return rng.integers(bounds.low, bounds.high, shape, dtype=np.int64, endpoint=True)


def _range_of(spec: TensorSpec) -> _Range:
    pairs = _bound_pairs(spec)
    lows, highs = zip(*(_cut(spec, low, high) for low, high in pairs), strict=True)
    dtype = np.float64 if BY_NAME[spec.dtype].is_float else np.int64
    is_scalar = not isinstance(spec.low, tuple) and not isinstance(spec.high, tuple)
    low, high = np.array(lows, dtype), np.array(highs, dtype)
    return _Range(low[0], high[0]) if is_scalar else _Range(low, high)


def _bound_pairs(spec: TensorSpec) -> list[tuple[float, float]]:
    """(low, high) for each entry of the last dimension, or the one pair that all share."""
    lengths = {len(bound) for bound in (spec.low, spec.high) if isinstance(bound, tuple)}
    last = spec.shape[-1] if spec.shape else None
    if lengths and lengths != {last}:
        raise ConfigError(
            f"low and high give {sorted(lengths)} bounds, the last dimension is {last}",
            where=f"input {spec.name}",
            hint="give one number, or one for each entry of a last dimension of fixed size",
        )
    n_pairs = lengths.pop() if lengths else 1
    lows = spec.low if isinstance(spec.low, tuple) else (spec.low,) * n_pairs
    highs = spec.high if isinstance(spec.high, tuple) else (spec.high,) * n_pairs
    return list(zip(lows, highs, strict=True)) or [(0.0, 0.0)]


def _cut(spec: TensorSpec, low: float, high: float) -> tuple[float, float]:
    """The part of [low, high] that the dtype holds."""
    row = BY_NAME[spec.dtype]
    first, last = (0, 1) if row.lowest is None or row.highest is None else (row.lowest, row.highest)
    if isfinite(high - low):
        whole = (low, high) if row.is_float else (ceil(low), floor(high))
        cut = max(whole[0], first), min(whole[1], last)
        if cut[0] <= cut[1]:
            return cut
    raise ConfigError(
        f"no {spec.dtype} can be drawn from [{low}, {high}]",
        where=f"input {spec.name}",
        hint=f"low must not be above high, both finite and less than 1.8e308 apart; {row.name} holds {first} to {last}",
    )

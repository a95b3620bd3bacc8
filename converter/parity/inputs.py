"""The inputs that parity runs on: seeded random values and the ends of each input's declared range."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite
from typing import Literal

import numpy as np

from converter.config import TensorSpec, unnamed_axis
from converter.dtypes import BY_NAME
from converter.errors import ConfigError

BATCH_NAMES = ("batch", "batch_size", "n", "N")
SIZE_STEP = 32

RANDOM_ROWS = 8

Fill = Literal["random", "zeros", "ones", "low", "high", "corners", "masked"]
EDGES: tuple[Fill, ...] = ("zeros", "ones", "low", "high", "corners")


@dataclass(frozen=True)
class Sample:
    """One set of inputs, under a label that is unique in its run and holds no `/`.

    `is_given` says that the values are a user's own, read from a file, not drawn.
    """

    label: str
    inputs: Mapping[str, np.ndarray]
    is_given: bool = False

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


@dataclass(frozen=True)
class _Size:
    """One way to fix every dynamic dimension; `rows` of it are one set's."""

    prefix: str
    dims: Mapping[str, int]
    rows: int


def make_samples(
    specs: Sequence[TensorSpec],
    *,
    seed: int,
    batches: Sequence[int],
    sizes: Mapping[str, Sequence[int]] | None = None,
    random_rows: int = RANDOM_ROWS,
    edges: bool = True,
) -> list[Sample]:
    """For each batch size: sets of random values until there are `random_rows`, and sets at the ends of the ranges.

    These are zeros and ones where every range holds them, all-low, all-high, and corners: each value low or high at
    random. Where there are masks (booleans, or integers from -1 or 0 to 1), there is also a set of random values with
    each row of a mask all 0 or all 1, the first all 0. Without `edges` there are random values only.
    The batch dimension is the one called batch, batch_size, n or N, else the first dynamic one; without a dynamic
    dimension there is one size. Every other dynamic dimension has the sizes that `sizes` gives it, else 32, 64, 96 … in
    order of appearance, so that no two are mixed up unseen. A dimension that the model gives no name has the size of
    the first dynamic dimension at its axis of another input, of a named one if there is one, unless `sizes` says
    otherwise: most models need the two to be equal, though they don't say so. Where several are given, each is tried
    at least once with random values, the first also at the ends of the ranges. A range is cut to what the dtype holds.
    A value depends on the seed, its input's name and its set's label only. A set equal to an earlier one is left out.
    A model without inputs has one sample, which is empty.

    Raises: ConfigError if there would be no sample, or a size or range doesn't fit.
    """
    if not specs:
        return [Sample("constant", {})]
    ranges = {spec.name: _range_of(spec) for spec in specs}
    has_masks = any(_is_mask(spec, ranges[spec.name]) for spec in specs)
    edge_fills: tuple[Fill, ...] = (*EDGES, "masked") if has_masks else EDGES
    samples: dict[str, Sample] = {}
    has_edges: set[int] = set()  # the batch sizes that have been at the ends
    for size in _sizes_of(specs, batches, sizes or {}):
        n_random = max(ceil(random_rows / size.rows), 1)
        fills: list[tuple[str, Fill]] = [(f"random{i + 1 if i else ''}", "random") for i in range(n_random)]
        if edges and size.rows not in has_edges:
            fills += [(fill, fill) for fill in edge_fills]
            has_edges.add(size.rows)
        for name, fill in fills:
            sample = _sample(f"{size.prefix}{name}", fill, specs, ranges, size.dims, seed)
            if sample:
                samples.setdefault(sample.sha256, sample)
    return list(samples.values())


def batch_dimension(specs: Sequence[TensorSpec]) -> str | None:
    """The name of the dimension that batch sizes apply to, None if every dimension is fixed."""
    leaders = _leaders(specs)
    return next((name for name in leaders if name in BATCH_NAMES), next(iter(leaders.values()), None))


def _leaders(specs: Sequence[TensorSpec]) -> dict[str, str]:
    """For each dynamic dimension the one whose size it gets by default: itself, unless it has no name of its own."""
    dims = [(spec.name, axis, dim) for spec in specs for axis, dim in enumerate(spec.shape) if isinstance(dim, str)]
    first: dict[int, str] = {}
    for tensor, axis, dim in dims:
        if unnamed_axis(tensor, dim) is None:
            first.setdefault(axis, dim)
    leaders: dict[str, str] = {}
    for tensor, _, dim in dims:
        own_axis = unnamed_axis(tensor, dim)
        leaders[dim] = dim if own_axis is None else first.setdefault(own_axis, dim)
    return leaders


def _sizes_of(specs: Sequence[TensorSpec], batches: Sequence[int], sizes: Mapping[str, Sequence[int]]) -> list[_Size]:
    leaders, batch = _leaders(specs), batch_dimension(specs)
    unknown = sorted(sizes.keys() - leaders.keys())
    if unknown:
        raise ConfigError(
            f"no input has a dimension {', '.join(unknown)}",
            where="parity.sizes",
            hint=f"dynamic dimensions: {', '.join(leaders) or 'none'}",
        )
    if batch is None:
        first = specs[0].shape[0] if specs[0].shape else 1
        return [_Size("", {}, first if isinstance(first, int) and first > 0 else 1)]
    followers = {name: leader for name, leader in leaders.items() if leader != name and name not in sizes}
    others = [name for name in leaders if name != batch and name not in followers]
    tried = {name: tuple(sizes.get(name, (SIZE_STEP * (place + 1),))) for place, name in enumerate(others)}
    counts = tuple(dict.fromkeys(sizes.get(batch, batches)))
    _require_positive({batch: counts} | tried)
    n_ways = max(map(len, tried.values()), default=1)
    ways = [{name: each[i % len(each)] for name, each in tried.items()} for i in range(n_ways)]
    return [
        _Size(f"batch{count}-{_marks(way, tried)}", _followed(way | {batch: count}, followers), count)
        for count in counts
        for way in ways
    ]


def _followed(sizes: Mapping[str, int], followers: Mapping[str, str]) -> dict[str, int]:
    """These sizes, and those of the dimensions that have another one's."""
    return {**sizes, **{name: sizes[leader] for name, leader in followers.items()}}


def _require_positive(tried: Mapping[str, Sequence[int]]) -> None:
    for name, each in tried.items():
        if not each:
            raise ConfigError(
                f"no size to compare dimension {name} on", where="parity.batches", hint="give one, such as [1, 4]"
            )
        for size in each:
            if size < 1:
                what = f"dimension {name} can't be {size}"
                raise ConfigError(what, where="parity", hint="compare on sizes of 1 or more")


def _marks(way: Mapping[str, int], tried: Mapping[str, Sequence[int]]) -> str:
    """What tells this way to fix the other dimensions from the others, for a label."""
    return "".join(f"{name}{size}-" for name, size in way.items() if len(tried[name]) > 1)


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
    if fill == "masked" and _is_mask(spec, bounds):
        return _whole_rows(shape, key).astype(dtype)
    if fill in ("random", "masked"):
        return _random(spec, bounds, shape, key).astype(dtype)
    if fill == "corners":
        return np.where(_rng(key).integers(2, size=shape, dtype=bool), bounds.high, bounds.low).astype(dtype)
    edge = {"zeros": np.zeros(()), "ones": np.ones(()), "low": bounds.low, "high": bounds.high}[fill]
    return np.array(np.broadcast_to(edge, shape), dtype=dtype)


def _random(spec: TensorSpec, bounds: _Range, shape: tuple[int, ...], key: str) -> np.ndarray:
    rng = _rng(key)
    if BY_NAME[spec.dtype].is_float:
        return rng.uniform(bounds.low, bounds.high, shape)
    return rng.integers(bounds.low, bounds.high, shape, dtype=np.int64, endpoint=True)


def _is_mask(spec: TensorSpec, bounds: _Range) -> bool:
    """Whether a boolean, or an integer that has no range of its own or one of 0 and 1."""
    is_narrow = bool(np.all(bounds.low >= -1) and np.all(bounds.high <= 1))
    return not BY_NAME[spec.dtype].is_float and is_narrow and bounds.holds(0) and bounds.holds(1)


def _whole_rows(shape: tuple[int, ...], key: str) -> np.ndarray:
    """Rows of zeros and rows of ones, at least one of each where there are two."""
    rows = _rng(key).integers(2, size=(*shape[:-1], 1) if shape else (), dtype=np.int64)
    rows.ravel()[:2] = [0, 1][: rows.size]
    return np.broadcast_to(rows, shape)


def _rng(key: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()))


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

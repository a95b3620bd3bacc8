"""Where each element of a resized axis comes from, as ONNX and as TF.js have it.

Source: https://onnx.ai/onnx/operators/onnx__Resize.html; the float32 arithmetic is ONNX Runtime's (upsamplebase.h,
upsample_antialias.cc), TF.js's is that of its Resize kernels (ResizeBilinear.js, ResizeNearestNeighbor.js).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Scaling:
    """One axis: `scale` is what the model says, not always n_out / n_in; roi is a fraction of the axis."""

    n_in: int
    n_out: int
    scale: float
    roi: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Sampling:
    """How elements are looked up: the attributes of Resize; nearest "simple" is what it did before opset 11."""

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic_a: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False


_Positions = Callable[[np.ndarray, Scaling], np.ndarray]


def _half_pixel(places: np.ndarray, axis: Scaling) -> np.ndarray:
    return (places + np.float32(0.5)) / np.float32(axis.scale) - np.float32(0.5)


def _half_pixel_symmetric(places: np.ndarray, axis: Scaling) -> np.ndarray:
    scale = np.float32(axis.scale)
    adjustment = np.float32(axis.n_out) / (scale * np.float32(axis.n_in))
    offset = np.float32(axis.n_in / 2) * (np.float32(1) - adjustment)
    wide = np.float64(offset) + (places + np.float32(0.5)).astype(np.float64) / np.float64(scale) - 0.5
    return np.asarray(wide, dtype=np.float32)


def _pytorch_half_pixel(places: np.ndarray, axis: Scaling) -> np.ndarray:
    return _half_pixel(places, axis) if axis.n_out > 1 else np.zeros_like(places)


def _align_corners(places: np.ndarray, axis: Scaling) -> np.ndarray:
    if axis.n_out == 1:
        return np.zeros_like(places)
    return places * np.float32(axis.n_in - 1) / np.float32(axis.n_out - 1)


def _crop_and_resize(places: np.ndarray, axis: Scaling) -> np.ndarray:
    start, end = (np.float32(edge) for edge in axis.roi)
    last = np.float32(axis.n_in - 1)
    if axis.n_out == 1:
        return np.full_like(places, 0.5 * (start + end) * last)
    return start * last + places * (end - start) * last / np.float32(axis.n_out - 1)


COORDINATES: dict[str, _Positions] = {
    "align_corners": _align_corners,
    "asymmetric": lambda places, axis: places / np.float32(axis.scale),
    "half_pixel": _half_pixel,
    "half_pixel_symmetric": _half_pixel_symmetric,
    "pytorch_half_pixel": _pytorch_half_pixel,
    "tf_crop_and_resize": _crop_and_resize,
    "tf_half_pixel_for_nn": lambda places, axis: (places + np.float32(0.5)) / np.float32(axis.scale),
}


def _rounded(places: np.ndarray, *, up: bool) -> np.ndarray:
    """The nearest integers; what is within 1e-6 of a half counts as one, as ONNX Runtime has it."""
    wide, low = places.astype(np.float64), np.floor(places.astype(np.float64))
    is_half = np.abs(wide - low - 0.5) < 1e-6
    return np.where(is_half, low + up, np.floor(wide + 0.5))


NEAREST: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ceil": np.ceil,
    "floor": np.floor,
    "round_prefer_ceil": lambda x: _rounded(x, up=True),
    "round_prefer_floor": lambda x: _rounded(x, up=False),
}


def positions(sampling: Sampling, axis: Scaling) -> np.ndarray:
    """The place on the original axis that each output element looks at. Shapes: (n_out,) float32."""
    places = np.arange(axis.n_out, dtype=np.float32)
    if axis.scale == 1 and axis.n_in == axis.n_out and sampling.coordinates != "tf_crop_and_resize":
        return places
    return np.asarray(COORDINATES[sampling.coordinates](places, axis), dtype=np.float32)


def outside(sampling: Sampling, axis: Scaling) -> np.ndarray:
    """Which output elements look past the axis and get the extrapolation value. Shapes: (n_out,) bool."""
    if sampling.coordinates != "tf_crop_and_resize":
        return np.zeros(axis.n_out, dtype=bool)
    places = positions(sampling, axis)
    return np.asarray((places < 0) | (places > axis.n_in - 1))


def nearest_indices(sampling: Sampling, axis: Scaling) -> np.ndarray:
    """The element that each output element is, in mode nearest. Shapes: (n_out,) int32."""
    rule = ("ceil" if axis.scale < 1 else "floor") if sampling.nearest == "simple" else sampling.nearest
    indices = NEAREST[rule](positions(sampling, axis))
    return np.asarray(np.clip(indices, 0, axis.n_in - 1), dtype=np.int32)


def matrix(sampling: Sampling, axis: Scaling) -> np.ndarray:
    """The weight of each element in each output element. Shapes: (n_out, n_in) float64; rows sum to 1."""
    if sampling.mode == "nearest":
        indices = nearest_indices(sampling, axis)
        return _gathered(axis.n_in, indices[:, None], np.ones((axis.n_out, 1)))
    if sampling.antialias and axis.scale < 1:
        return _antialiased(sampling, axis)
    places = positions(sampling, axis).astype(np.float64)
    if sampling.mode == "linear":
        places = np.clip(places, 0, axis.n_in - 1)
        first = np.floor(places).astype(np.int64)
        return _gathered(axis.n_in, first[:, None] + [0, 1], 1 - np.abs(places[:, None] - first[:, None] - [0, 1]))
    first = np.floor(places).astype(np.int64) - 1
    taps = first[:, None] + np.arange(4)
    weights = cubic(places[:, None] - taps, sampling.cubic_a)
    if sampling.exclude_outside:
        weights = np.where((taps >= 0) & (taps < axis.n_in), weights, 0)
        weights = weights / weights.sum(axis=1, keepdims=True)
    return _gathered(axis.n_in, taps, weights)


def _antialiased(sampling: Sampling, axis: Scaling) -> np.ndarray:
    """The filter as wide as the distance between output elements."""
    wide = 1 / np.float32(axis.scale).astype(np.float64)
    reach = wide * (1 if sampling.mode == "linear" else 2)
    centres = positions(sampling, axis).astype(np.float64) + 0.5
    first, last = np.floor(centres - reach + 0.5).astype(np.int64), np.floor(centres + reach + 0.5).astype(np.int64)
    taps = first[:, None] + np.arange(int((last - first).max()))
    gaps = (taps + 0.5 - centres[:, None]) / wide
    weights = np.maximum(1 - np.abs(gaps), 0) if sampling.mode == "linear" else cubic(gaps, sampling.cubic_a)
    weights = np.where(taps < last[:, None], weights, 0)
    if sampling.exclude_outside:
        weights = np.where((taps >= 0) & (taps < axis.n_in), weights, 0)
    return _gathered(axis.n_in, taps, weights / weights.sum(axis=1, keepdims=True))


def cubic(gaps: np.ndarray, a: float) -> np.ndarray:
    """Keys's cubic convolution kernel at these distances."""
    x = np.abs(gaps)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _gathered(n_in: int, taps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The matrix of `weights` at columns `taps`, those past an edge added to it."""
    table = np.zeros((len(taps), n_in))
    rows = np.broadcast_to(np.arange(len(taps))[:, None], taps.shape)
    np.add.at(table, (rows, np.clip(taps, 0, n_in - 1)), weights)
    return table


@dataclass(frozen=True)
class Flags:
    """The two attributes of TF.js's Resize ops."""

    align_corners: bool
    half_pixel_centers: bool


ALL_FLAGS = (Flags(False, True), Flags(False, False), Flags(True, False))


def tfjs_positions(flags: Flags, axis: Scaling) -> np.ndarray:
    """The place on the original axis that each output of ResizeBilinear looks at. Shapes: (n_out,) float32."""
    name = "align_corners" if flags.align_corners else "half_pixel" if flags.half_pixel_centers else "asymmetric"
    return positions(Sampling("linear", name), replace(axis, scale=axis.n_out / axis.n_in))


def tfjs_nearest_indices(flags: Flags, axis: Scaling) -> np.ndarray | None:
    """The elements that ResizeNearestNeighbor takes, None where its arithmetic decides. Shapes: (n_out,) int32."""
    corners = flags.align_corners and axis.n_out > 1
    ratio = (axis.n_in - corners) / (axis.n_out - corners)
    narrow = _tfjs_nearest(flags, axis, ratio, "float32")  # on GPUs and wasm
    wide = _tfjs_nearest(flags, axis, ratio, "float64")  # in JavaScript
    return narrow if np.array_equal(narrow, wide) else None


def _tfjs_nearest(flags: Flags, axis: Scaling, ratio: float, kind: str) -> np.ndarray:
    half = np.asarray(0.5, dtype=kind)
    places = np.arange(axis.n_out, dtype=kind)
    places = (places + half if flags.half_pixel_centers else places) * np.asarray(ratio, dtype=kind)
    indices = np.floor(places + half if flags.align_corners else places)
    return np.asarray(np.clip(indices, 0, axis.n_in - 1), dtype=np.int32)


def tfjs_flags(sampling: Sampling, axes: list[Scaling]) -> Flags | None:
    """The attributes with which TF.js's kernel does the same to every one of these axes, None if there are none."""
    if sampling.mode == "cubic" or any(outside(sampling, axis).any() for axis in axes):
        return None
    for flags in ALL_FLAGS:
        if all(_agrees(sampling, flags, axis) for axis in axes):
            return flags
    return None


def _agrees(sampling: Sampling, flags: Flags, axis: Scaling) -> bool:
    if sampling.mode == "nearest":
        indices = tfjs_nearest_indices(flags, axis)
        return indices is not None and np.array_equal(indices, nearest_indices(sampling, axis))
    if sampling.antialias and axis.scale < 1:
        return False
    last = np.float32(axis.n_in - 1)
    gap = np.clip(positions(sampling, axis), 0, last) - np.clip(tfjs_positions(flags, axis), 0, last)
    return bool(np.max(np.abs(gap), initial=0) <= 1e-6 + 2e-7 * axis.n_in)

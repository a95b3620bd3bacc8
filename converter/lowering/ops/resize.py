"""Values resampled along some of their axes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.interpolation import (
    COORDINATES,
    NEAREST,
    Sampling,
    Scaling,
    matrix,
    nearest_indices,
    outside,
    tfjs_flags,
)
from converter.lowering.legal import cast
from converter.lowering.movement import fold, take, unfold
from converter.lowering.registry import lowers
from converter.lowering.spatial import to_channels_first, to_channels_last
from converter.lowering.window import BIND
from converter.tfjs.graph import Dim, Ref

SAMPLE_SIZES = (1, 2, 3, 5, 8, 13, 32)  # what a dynamic axis is tried with to see whether TF.js's kernel does the same


@dataclass(frozen=True)
class _Axis:
    """An axis to resize; `n_out` and `scale` are None where only the running graph knows them, `target` always is."""

    index: int
    n_in: Dim
    n_out: int | None
    scale: float | None
    roi: tuple[float, float]
    target: Size | Ref

    @property
    def scaling(self) -> Scaling | None:
        """The axis where all of it is known."""
        if not isinstance(self.n_in, int) or self.n_out is None or self.scale is None:
            return None
        return Scaling(self.n_in, self.n_out, self.scale, self.roi)

    def samples(self) -> list[Scaling]:
        """The axis as it is, or as it would be for some sizes."""
        if (scaling := self.scaling) is not None:
            return [scaling]
        if self.scale is not None:
            return [Scaling(n, int(n * self.scale), self.scale, self.roi) for n in SAMPLE_SIZES]
        targets = SAMPLE_SIZES if self.n_out is None else (self.n_out,)
        sizes = SAMPLE_SIZES if not isinstance(self.n_in, int) else (self.n_in,)
        return [Scaling(n, target, target / n, self.roi) for n in sizes for target in targets]


@lowers("Resize", since=(11, 13, 18, 19))
def lower_resize(ctx: LoweringContext) -> None:
    """Y = X looked up, or interpolated, at evenly spaced places along its axes.

    Shapes: X and Y of one rank; scales or sizes one number for each of `axes`.
    Emits:  ResizeBilinear or ResizeNearestNeighbor between two Transposes where they do exactly the same, for dynamic
            sizes too; else GatherV2 (nearest) or a product with a constant matrix (linear, cubic), axis by axis.
            Sizes that only the running graph knows are those of the last axes: batch and channel stay as they are.
    Source: https://onnx.ai/onnx/operators/onnx__Resize.html
    """
    sampling = Sampling(
        mode=ctx.attr("mode", "nearest"),
        coordinates=ctx.attr("coordinate_transformation_mode", "half_pixel"),
        nearest=ctx.attr("nearest_mode", "round_prefer_floor"),
        cubic_a=ctx.attr("cubic_coeff_a", -0.75),
        exclude_outside=bool(ctx.attr("exclude_outside", 0)),
        antialias=bool(ctx.attr("antialias", 0)),
    )
    filler = float(ctx.attr("extrapolation_value", 0.0))
    policy = ctx.attr("keep_aspect_ratio_policy", "stretch")
    if sampling.coordinates not in COORDINATES or sampling.nearest not in NEAREST:
        ctx.refuse(f"coordinates {sampling.coordinates!r} or rounding {sampling.nearest!r} are no words of ONNX")
    x = ctx.operand(0)
    indices = [ctx.axis(axis, ctx.rank(x)) for axis in ctx.attr("axes", list(range(ctx.rank(x))))]
    rois = _rois(ctx, indices) if sampling.coordinates == "tf_crop_and_resize" else [(0.0, 1.0)] * len(indices)
    if _is_given(ctx, 3):
        axes = _axes_by_sizes(ctx, x, indices, rois, policy)
    else:
        axes = _axes_by_scales(ctx, x, indices, rois, ctx.known(2))
    ctx.result(_resize(ctx, x, sampling, axes, filler))


@lowers("Resize", since=(10,))
@lowers("Upsample", since=(7, 9))
def lower_resize_before_11(ctx: LoweringContext) -> None:
    """Y = X looked up, or interpolated, at evenly spaced places along its axes, the first of them at the first element.

    Source: https://onnx.ai/onnx/operators/onnx__Upsample.html
    """
    x, mode = ctx.operand(0), ctx.attr("mode", "nearest")
    scales = np.asarray(ctx.attr("scales"), dtype=np.float32) if ctx.since == 7 else ctx.known(1)
    indices = list(range(ctx.rank(x)))
    axes = _axes_by_scales(ctx, x, indices, [(0.0, 1.0)] * len(indices), scales)
    ctx.result(_resize(ctx, x, Sampling("linear" if mode == "bilinear" else mode, "asymmetric", "simple"), axes, 0.0))


def _is_given(ctx: LoweringContext, index: int) -> bool:
    """Whether the node has an operand that is more than an empty placeholder."""
    known = ctx.known(index)
    return ctx.has(index) and (known is None or known.size > 0)


def _rois(ctx: LoweringContext, indices: Sequence[int]) -> list[tuple[float, float]]:
    roi = ctx.known(1)
    if roi is None:
        ctx.refuse("the region of interest must be known before the graph runs", "make it a constant of the model")
    edges = [float(edge) for edge in roi]
    return list(zip(edges[: len(indices)], edges[len(indices) :], strict=True))


def _axes_by_scales(
    ctx: LoweringContext,
    x: Ref,
    indices: Sequence[int],
    rois: Sequence[tuple[float, float]],
    scales: np.ndarray | None,
) -> list[_Axis]:
    if scales is None:
        ctx.refuse("the scales must be known before the graph runs", "make them a constant of the model, or use sizes")
    axes = []
    for index, roi, scale in zip(indices, rois, map(np.float32, scales), strict=True):
        n_in = ctx.dims(x)[index]
        if isinstance(n_in, int):
            n_out = int(np.floor(np.float32(n_in) * scale))
            axes.append(_Axis(index, n_in, n_out, float(scale), roi, Size(n_out)))
        elif scale == int(scale):
            axes.append(_Axis(index, n_in, None, float(scale), roi, host.sizes(ctx, x)[index] * Size(int(scale))))
        else:
            ctx.refuse(f"axis {index} has a dynamic size and is scaled by {scale}, which is no whole number", BIND)
    return axes


def _axes_by_sizes(
    ctx: LoweringContext, x: Ref, indices: Sequence[int], rois: Sequence[tuple[float, float]], policy: str
) -> list[_Axis]:
    if policy == "stretch":
        return _stretched(ctx, x, indices, rois)
    sizes, dims = ctx.ints(3), ctx.dims(x)
    if sizes is None:
        ctx.refuse(f"keep_aspect_ratio_policy {policy!r} needs sizes that are known before the graph runs", BIND)
    sizes_in = [_known_size(ctx, dims[index]) for index in indices]
    ratios = [np.float32(size) / np.float32(n) for size, n in zip(sizes, sizes_in, strict=True)]
    common = max(ratios) if policy == "not_smaller" else min(ratios)
    sizes = [int(np.floor(common * n + np.float32(0.5))) for n in sizes_in]
    return [
        _Axis(index, dims[index], size, float(common), roi, Size(size))
        for index, size, roi in zip(indices, sizes, rois, strict=True)
    ]


def _stretched(
    ctx: LoweringContext, x: Ref, indices: Sequence[int], rois: Sequence[tuple[float, float]]
) -> list[_Axis]:
    """The axes to resize to sizes of which some may be known only at run time."""
    sizes, axes = ctx.elements(3) or [None] * len(indices), []
    for place, (index, size, roi) in enumerate(zip(indices, sizes, rois, strict=True)):
        dim = ctx.dims(x)[index]
        if isinstance(size, int):
            scale = size / dim if isinstance(dim, int) else None
            axes.append(_Axis(index, dim, size, scale, roi, Size(size)))
        elif ctx.is_size_of(size, 0, index):
            continue
        elif index < 2 and size is not None:
            ctx.refuse(f"axis {index} gets the size {size}, which is only known at run time", BIND)
        elif index >= 2:
            vector = host.argument(ctx, 3, "the target size")
            axes.append(_Axis(index, dim, None, None, roi, host.element(ctx, vector, place)))
    return axes


def _known_size(ctx: LoweringContext, dim: Dim) -> int:
    if not isinstance(dim, int):
        ctx.refuse("keep_aspect_ratio_policy needs sizes that are known before the graph runs", BIND)
    return dim


def _resize(ctx: LoweringContext, x: Ref, sampling: Sampling, axes: Sequence[_Axis], filler: float) -> Ref:
    crops = sampling.coordinates == "tf_crop_and_resize"
    changed = [
        axis for axis in axes if crops or axis.scale != 1 or (axis.n_in != axis.n_out and axis.n_out is not None)
    ]
    if sampling.mode not in ("nearest", "linear", "cubic"):
        ctx.refuse(f"mode is {sampling.mode!r}; ONNX knows nearest, linear and cubic")
    storage = ctx.type(x).dtype
    spatial = ctx.rank(x) in (3, 4) and all(axis.index >= 2 for axis in changed)
    if sampling.coordinates == "pytorch_half_pixel" and any(axis.n_out is None for axis in changed):
        x, sampling = _first_where_one(ctx, x, changed), replace(sampling, coordinates="half_pixel")
    flags = tfjs_flags(sampling, [sample for axis in changed for sample in axis.samples()]) if spatial else None
    if not changed:
        return x
    if flags is not None and storage == "float32":
        attrs = {"align_corners": flags.align_corners, "half_pixel_centers": flags.half_pixel_centers}
        op = "ResizeNearestNeighbor" if sampling.mode == "nearest" else "ResizeBilinear"
        return _by_kernel(ctx, x, changed, op, attrs)
    known = [(axis.index, axis.scaling) for axis in changed if axis.scaling is not None]
    if len(known) < len(changed):
        ctx.refuse("TF.js has no such kernel for sizes that only the running graph knows", BIND)
    return _by_constants(ctx, x, sampling, known, filler)


def _first_where_one(ctx: LoweringContext, x: Ref, axes: Sequence[_Axis]) -> Ref:
    """`x` with the first element only along each axis that is resized to one element, which PyTorch looks there for.

    All that is left to do then is what half_pixel does.
    """
    one = host.number(ctx, 1)
    shape: list[Size | Ref] = list(host.sizes(ctx, x))
    for axis in axes:
        size, target = host.as_vector(ctx, host.sizes(ctx, x)[axis.index]), axis.target
        if isinstance(target, Ref):
            more = ctx.emit("Minimum", ctx.emit("Sub", target, one), one)
            shape[axis.index] = ctx.emit("AddV2", ctx.emit("Mul", ctx.emit("Sub", size, one), more), one)
    return ctx.emit("Slice", x, ctx.param([0] * len(shape)), host.shape_vector(ctx, shape))


def _by_kernel(ctx: LoweringContext, x: Ref, axes: Sequence[_Axis], op: str, attrs: dict[str, bool]) -> Ref:
    target: list[Size | Ref] = list(host.sizes(ctx, x)[2:])
    for axis in axes:
        target[axis.index - 2] = axis.target
    size = host.shape_vector(ctx, [Size(1), *target] if len(target) == 1 else target)
    y = ctx.emit(op, to_channels_last(ctx, x), size, **attrs)
    return to_channels_first(ctx, y, len(target))


def _by_constants(
    ctx: LoweringContext, x: Ref, sampling: Sampling, axes: Sequence[tuple[int, Scaling]], filler: float
) -> Ref:
    storage = ctx.type(x).dtype
    gaps = {index: outside(sampling, scaling) for index, scaling in axes}
    is_filled = any(gap.any() for gap in gaps.values())
    if sampling.mode == "nearest" and not is_filled:
        for index, scaling in axes:
            x = take(ctx, x, index, ctx.data(nearest_indices(sampling, scaling)))
        return x
    y = cast(ctx, x, "float32")
    for index, scaling in sorted(axes, key=lambda axis: axis[1].n_out / axis[1].n_in):
        weights = np.where(gaps[index][:, None], 0, matrix(sampling, scaling)).astype(np.float32)
        y = _product(ctx, y, index, weights)
    if is_filled and filler:
        inside = np.ones([1] * ctx.rank(x), dtype=np.float32)
        for index, gap in gaps.items():
            inside = inside * (~gap).reshape([-1 if axis == index else 1 for axis in range(inside.ndim)])
        y = ctx.emit("AddV2", y, ctx.data((filler * (1 - inside)).astype(np.float32)))
    return cast(ctx, y, storage)


def _product(ctx: LoweringContext, x: Ref, axis: int, weights: np.ndarray) -> Ref:
    """`x` with an axis multiplied by a matrix (out, in)."""
    shape = host.sizes(ctx, x)
    if axis == len(shape) - 1:
        rows = host.resize(ctx, x, [host.product(shape[:-1]), shape[-1]])
        y = ctx.emit("MatMul", rows, ctx.data(weights.T.copy()), transpose_a=False, transpose_b=False)
        return host.resize(ctx, y, [*shape[:-1], Size(len(weights))])
    folded = fold(ctx, x, axis)
    y = ctx.emit("BatchMatMulV2", ctx.data(weights[np.newaxis]), folded, adj_x=False, adj_y=False)
    return unfold(ctx, y, shape, axis)

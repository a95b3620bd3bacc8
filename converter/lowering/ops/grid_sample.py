"""Sampling of images at the points of a grid, and the grids of affine maps."""

from collections.abc import Sequence

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.host import Size
from converter.lowering.legal import cast, transpose
from converter.lowering.movement import count_to
from converter.lowering.registry import lowers
from converter.lowering.sampling import Tap, blend, limited, linear_weights, read_pixels, real, within
from converter.tfjs.graph import Ref

MODES = {"bilinear": "linear", "bicubic": "cubic"}  # what opset 16 calls them
CUBIC = -0.75  # the coefficient of the cubic kernel


@lowers("GridSample", since=(16, 20, 22))
def lower_grid_sample(ctx: LoweringContext) -> None:
    """X at the points of a grid, whose coordinates run from -1 to 1 across it, the last axis of X first.

    Shapes: X (batch, channel, *spatial), grid (batch, *points, n spatial) -> (batch, channel, *points)
    Emits:  for each pixel that counts (1, 2 or 4 along each axis) GatherV2 of its channels, times its weight.
    Source: https://onnx.ai/onnx/operators/onnx__GridSample.html
    """
    mode = MODES.get(str(ctx.attr("mode", "linear")), str(ctx.attr("mode", "linear")))
    padding = str(ctx.attr("padding_mode", "zeros"))
    x, grid = ctx.operand(0), cast(ctx, ctx.operand(1), "float32")
    if mode != "nearest" and not ctx.dtype(0).is_float:
        ctx.refuse(f"interpolation between values of {ctx.dtype(0).name}", hint="sample with mode 'nearest'")
    aligned = bool(ctx.attr("align_corners", 0))
    shape, image = host.sizes(ctx, grid), host.sizes(ctx, x)
    points = host.resize(ctx, grid, [shape[0], host.product(shape[1:-1]), shape[-1]])
    coordinates = list(reversed(ctx.emit_all("Unpack", points, axis=2)))
    pixels = read_pixels(ctx, x, 1)
    axes = [_Axis(ctx, size, aligned, padding) for size in pixels.sizes]
    taps = [_taps(axis, place, mode) for axis, place in zip(axes, coordinates, strict=True)]
    y = transpose(ctx, blend(ctx, pixels, taps), [0, 2, 1])
    ctx.result(cast(ctx, host.resize(ctx, y, [shape[0], image[1], *shape[1:-1]]), ctx.type(x).dtype))


class _Axis:
    """One axis of the image: its size, and what lies beyond its borders."""

    def __init__(self, ctx: LoweringContext, size: Size, aligned: bool, padding: str) -> None:
        self.ctx = ctx
        self.size = size
        self.padding = padding
        self.low = 0.0 if aligned else -0.5
        self.high = real(ctx, size, 1.0, -1.0 if aligned else -0.5)
        self.span = real(ctx, size, 1.0, -1.0 if aligned else 0.0)

    def place(self, coordinate: Ref) -> Ref:
        """Where a coordinate from -1 to 1 lies, in pixels."""
        ctx = self.ctx
        half = ctx.emit("Mul", ctx.emit("AddV2", coordinate, ctx.data(1.0)), ctx.data(0.5))
        place = ctx.emit("Mul", half, self.span)
        return place if self.low == 0.0 else ctx.emit("AddV2", place, ctx.data(self.low))

    def reflected(self, place: Ref) -> Ref:
        """A place reflected at the borders until it is inside: a zigzag."""
        ctx = self.ctx
        period = ctx.emit("Mul", self.span, ctx.data(2.0))
        from_low = ctx.emit("Sub", place, ctx.data(self.low)) if self.low else place
        rounds = ctx.emit("Floor", ctx.emit("RealDiv", from_low, period))
        rest = ctx.emit("Sub", from_low, ctx.emit("Mul", rounds, period))
        back = ctx.emit("Sub", self.span, ctx.emit("Abs", ctx.emit("Sub", rest, self.span)))
        return ctx.emit("AddV2", back, ctx.data(self.low)) if self.low else back

    def tap(self, place: Ref, weight: Ref | None) -> Tap:
        """A whole place as a pixel; outside the image that is one of the border, or nothing."""
        ctx = self.ctx
        if self.padding == "zeros":
            inside = within(ctx, place, ctx.data(0.0), real(ctx, self.size, 1.0, -1.0))
            weight = inside if weight is None else ctx.emit("Mul", weight, inside)
        elif self.padding == "reflection":
            place = self.reflected(place)
        return Tap(limited(ctx, place, self.size), weight)


def _taps(axis: _Axis, coordinate: Ref, mode: str) -> Sequence[Tap]:
    ctx, place = axis.ctx, axis.place(coordinate)
    if mode == "nearest":
        return [axis.tap(ctx.emit("Round", place), None)]
    low, before, after = linear_weights(ctx, place)
    if mode == "linear":
        return [axis.tap(low, before), axis.tap(ctx.emit("AddV2", low, ctx.data(1.0)), after)]
    if mode != "cubic":
        ctx.refuse(f"mode {mode!r} is unknown")
    weights = [_far(ctx, after), _near(ctx, after), _near(ctx, before), _far(ctx, before)]
    return [
        axis.tap(low if step == 0 else ctx.emit("AddV2", low, ctx.data(float(step))), weight)
        for step, weight in zip((-1, 0, 1, 2), weights, strict=True)
    ]


def _near(ctx: LoweringContext, t: Ref) -> Ref:
    """((a + 2) t - (a + 3)) t² + 1: the weight of a pixel at a distance t of at most 1."""
    slope = ctx.emit("Sub", ctx.emit("Mul", t, ctx.data(CUBIC + 2)), ctx.data(CUBIC + 3))
    return ctx.emit("AddV2", ctx.emit("Mul", slope, ctx.emit("Mul", t, t)), ctx.data(1.0))


def _far(ctx: LoweringContext, t: Ref) -> Ref:
    """A (t³ - 2 t² + t): the weight of a pixel at a distance 1 + t."""
    rest = ctx.emit("Sub", t, ctx.data(1.0))
    return ctx.emit("Mul", ctx.emit("Mul", t, ctx.data(CUBIC)), ctx.emit("Mul", rest, rest))


@lowers("AffineGrid", since=(20,))
def lower_affine_grid(ctx: LoweringContext) -> None:
    """The points of a regular grid from -1 to 1, moved by an affine map, for GridSample.

    Shapes: theta (batch, n, n + 1), size (batch, channel, *points) -> (batch, *points, n)
    Emits:  for each axis its coordinates times a column of theta, and AddV2; Range for a size on the host.
    """
    theta, aligned = cast(ctx, ctx.operand(0), "float32"), bool(ctx.attr("align_corners", 0))
    steps = _steps(ctx, aligned)
    batch, n = host.sizes(ctx, theta)[0], len(steps)
    columns = [
        host.resize(ctx, part, [batch, *[Size(1)] * n, Size(n)])
        for part in ctx.emit_all("SplitV", theta, ctx.param([1] * (n + 1)), ctx.param(2))
    ]
    y = columns[n]
    for axis, places in enumerate(steps):
        along = host.resize(ctx, places, [None, *[Size(1)] * (n - axis)])
        y = ctx.emit("AddV2", ctx.emit("Mul", along, columns[n - 1 - axis]), y)
    ctx.result(y)


def _steps(ctx: LoweringContext, aligned: bool) -> list[Ref]:
    """The coordinates along each axis of the grid: of its corners from -1 to 1, or of the middles of its cells."""
    known = ctx.ints(1)
    if known is not None:
        numbers = [np.arange(size) for size in known[2:]]
        spans = [max(size - 1, 1) if aligned else size for size in known[2:]]
        steps = [2 * n / span - 1 + (0 if aligned else 1 / span) for n, span in zip(numbers, spans, strict=True)]
        return [ctx.data(step.astype(np.float32)) for step in steps]
    size = host.argument(ctx, 1, "the size")
    count = host.length(ctx, size, "the size")
    return [_steps_at_run_time(ctx, host.element(ctx, size, at), aligned) for at in range(2, count)]


def _steps_at_run_time(ctx: LoweringContext, size: Ref, aligned: bool) -> Ref:
    places = cast(ctx, count_to(ctx, host.scalar(ctx, size)), "float32")
    span = cast(ctx, size, "float32")
    span = ctx.emit("Sub", span, ctx.data(1.0)) if aligned else span
    places = places if aligned else ctx.emit("AddV2", places, ctx.data(0.5))
    return ctx.emit("Sub", ctx.emit("RealDiv", ctx.emit("Mul", places, ctx.data(2.0)), span), ctx.data(1.0))

"""The arithmetic of sliding windows: which elements of an axis each output of a convolution or a pool looks at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from converter.lowering.context import LoweringContext
from converter.tfjs.graph import Dim

Pads = tuple[int, int]
BIND = "fix the size with `--bind name=size`"


@dataclass(frozen=True)
class Axis:
    """A window along one axis of `size` elements (no number: known only when the graph runs).

    `pads` is None where auto_pad asks for a padding that depends on a size that isn't known. `margin` is more padding
    after the axis, for a dynamic size that may be smaller than the window: the windows it adds are dropped again.
    """

    size: Dim
    kernel: int
    stride: int
    dilation: int
    pads: Pads | None
    ceil: bool
    margin: int = 0

    @property
    def extent(self) -> int:
        """How many elements the window spans."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def room(self) -> int | None:
        """By how much the padded axis is longer than the window, None where the size is dynamic."""
        if not isinstance(self.size, int) or self.pads is None:
            return None
        return self.size + sum(self.pads) - self.extent

    @property
    def n_windows(self) -> int | None:
        """The number of windows, None where the size is dynamic.

        There is one on an axis that the window outgrows by less than a stride, as in onnxruntime, whose division
        rounds toward 0.
        """
        room = self.room
        if room is None or not isinstance(self.size, int) or self.pads is None:
            return None
        if not self.ceil:
            return 1 if -self.stride < room < 0 else room // self.stride + 1
        count = -(-room // self.stride) + 1
        return count - 1 if (count - 1) * self.stride >= self.size + self.pads[0] else count

    @property
    def tail(self) -> int | None:
        """How far past the end padding the last window reaches; None where only the running graph knows.

        For a dynamic size the largest reach is as good: windows that start there are not begun.
        """
        if self.n_windows is not None and self.room is not None:
            return max(0, (self.n_windows - 1) * self.stride - self.room)
        if not self.ceil or self.pads is None:
            return self.margin
        return self.stride - 1 if self.pads[1] + self.stride <= self.extent else None

    @property
    def is_tf_same(self) -> bool:
        """Whether TF.js's SAME padding covers the axis in exactly this way."""
        if self.pads is None:
            return True  # SAME_UPPER, see `read_window`
        if isinstance(self.size, int):
            return self.n_windows == -(-self.size // self.stride) and self.all_pads == same_pads(self, self.size)
        return self.stride == 1 and self.pads == same_pads(self, 1)

    @property
    def all_pads(self) -> Pads:
        """Padding before, and after with the reach of the last window."""
        before, after = self.pads or (0, 0)
        return before, after + (self.tail or 0)

    @property
    def clipped(self) -> "Axis":
        """The same with its only window no longer than the axis, where it reaches past the end."""
        if not isinstance(self.size, int) or self.n_windows != 1 or self.pads != (0, 0) or self.dilation != 1:
            return self
        return replace(self, kernel=min(self.kernel, self.size))

    @property
    def with_margin(self) -> "Axis":
        """The same, padded so that the window fits even on one element, where the size may be too small for it."""
        if isinstance(self.size, int) or self.pads is None or self.ceil or self.stride == 1:
            return self
        return replace(self, margin=max(0, self.extent - sum(self.pads) - 1))

    def counts(self, include_pads: bool) -> np.ndarray:
        """How many elements each window sees: those of the axis, or with `include_pads` of its padding too.

        Shapes: (n_windows,) int64
        """
        before, after = self.pads or (0, 0)
        size = self.size if isinstance(self.size, int) else 0
        low, high = (-before, size + after) if include_pads else (0, size)
        taps = np.arange(self.n_windows or 0)[:, None] * self.stride - before + np.arange(self.kernel) * self.dilation
        return np.asarray(((taps >= low) & (taps < high)).sum(axis=1))


@dataclass(frozen=True)
class Window:
    """A window over the spatial axes of a value."""

    axes: tuple[Axis, ...]

    @property
    def kernel(self) -> tuple[int, ...]:
        """Its size along each axis."""
        return tuple(axis.kernel for axis in self.axes)

    @property
    def strides(self) -> tuple[int, ...]:
        """Its step along each axis."""
        return tuple(axis.stride for axis in self.axes)

    @property
    def dilations(self) -> tuple[int, ...]:
        """The distance between neighbours in it, along each axis."""
        return tuple(axis.dilation for axis in self.axes)

    @property
    def n_taps(self) -> int:
        """How many elements it has."""
        return prod(self.kernel)

    @property
    def is_dilated(self) -> bool:
        """Whether it has holes."""
        return any(axis.dilation > 1 and axis.kernel > 1 for axis in self.axes)

    @property
    def is_tf_same(self) -> bool:
        """Whether it has a padding, which is exactly TF.js's SAME (wrong in 3-D where a stride outgrows the window)."""
        wide = len(self.axes) == 3 and any(axis.stride > axis.kernel for axis in self.axes)
        padded = self.has_pads or any(axis.pads is None for axis in self.axes)
        return padded and not wide and all(axis.is_tf_same for axis in self.axes)

    @property
    def pads(self) -> list[Pads]:
        """Padding before and after each axis, the reach of the last window included."""
        return [axis.all_pads for axis in self.axes]

    @property
    def has_margin(self) -> bool:
        """Whether an axis has a margin, so that there are windows to be dropped."""
        return any(axis.margin for axis in self.axes)

    @property
    def has_pads(self) -> bool:
        """Whether it leaves its value anywhere."""
        return any(pad != (0, 0) for pad in self.pads)


def same_pads(axis: Axis, size: int, *, lower: bool = False) -> Pads:
    """The padding that makes the windows as many as size / stride, rounded up; `lower` puts the odd one before."""
    total = max(0, (-(-size // axis.stride) - 1) * axis.stride + axis.extent - size)
    return (total - total // 2, total // 2) if lower else (total // 2, total - total // 2)


def read_window(
    ctx: LoweringContext, sizes: Sequence[Dim], kernel: Sequence[int] | None = None, *, ceil: bool = False
) -> Window:
    """The window that the node's attributes describe, over axes of these sizes.

    `kernel` is what the filter's shape says, where there is a filter.

    Raises: UnsupportedError if the attributes contradict each other, or the padding can't be known.
    """
    rank = len(sizes)
    shape = [int(size) for size in (ctx.attr("kernel_shape") if kernel is None else ctx.attr("kernel_shape", kernel))]
    if kernel is not None and shape != list(kernel):
        ctx.refuse(f"kernel_shape {shape} is not the filter's shape {list(kernel)}")
    strides, dilations = ctx.attr("strides", [1] * rank), ctx.attr("dilations", [1] * rank)
    pads, auto_pad = read_pads(ctx, rank)
    if {len(shape), len(strides), len(dilations)} != {rank}:
        ctx.refuse(f"kernel_shape, strides or dilations don't have one entry for each of the {rank} spatial axes")
    bare = [Axis(*entry, None, ceil) for entry in zip(sizes, shape, strides, dilations, strict=True)]
    axes = [replace(axis, pads=_pads_of(axis, pad, auto_pad)) for axis, pad in zip(bare, pads, strict=True)]
    if any(axis.pads is None for axis in axes) and (auto_pad == "SAME_LOWER" or rank == 3):
        ctx.refuse(f"auto_pad {auto_pad} over a dynamic size has a padding that only the running graph knows", BIND)
    if any(axis.tail is None for axis in axes):
        ctx.refuse("how many windows ceil_mode adds depends on a dynamic size", BIND)
    is_filter = kernel is not None  # onnxruntime refuses to let a filter outgrow its operand
    if any((axis.n_windows or 0) < 1 or (is_filter and (axis.room or 0) < 0) for axis in axes if axis.room is not None):
        ctx.refuse("the window is larger than the padded operand")
    return Window(tuple(axes))


def read_pads(ctx: LoweringContext, rank: int) -> tuple[list[Pads], str]:
    """The node's explicit padding of each axis and its auto_pad, which overrides them unless it is NOTSET.

    Raises: UnsupportedError if a padding is missing or negative, or auto_pad is no known word.
    """
    flat, auto_pad = list(ctx.attr("pads", [0] * (2 * rank))), ctx.attr("auto_pad", "NOTSET") or "NOTSET"
    if auto_pad not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        ctx.refuse(f"auto_pad is {auto_pad!r}")
    if len(flat) != 2 * rank or min(flat, default=0) < 0:
        ctx.refuse(f"pads {flat} are not {rank} sizes before and {rank} after, none negative")
    return list(zip(flat[:rank], flat[rank:], strict=True)), auto_pad


def _pads_of(axis: Axis, explicit: Pads, auto_pad: str) -> Pads | None:
    if auto_pad == "NOTSET":
        return explicit
    if auto_pad == "VALID":
        return 0, 0
    if isinstance(axis.size, int) or axis.stride == 1:
        return same_pads(axis, axis.size if isinstance(axis.size, int) else 1, lower=auto_pad == "SAME_LOWER")
    return None

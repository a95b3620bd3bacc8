"""Folds the frames of a signal before long filters that are their own mirror images.

The cosines and the sines of a Fourier transform, weighted by a window, are even and odd around the middle of a frame:
they see the sum, and the difference, of a frame and its mirror image only. Half the multiplications and half the
weights are left.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from converter.tfjs.graph import Attr, Graph, Node, Ref
from converter.tfjs.passes.frames import Frames, Line, cut_frames, explicit_pads, numbers
from converter.tfjs.rewrite import Rewrite, rewrite

LEAST_WORK = 1 << 24  # multiplications for a signal: a GPU is handed twelve kernels in place of one
_TOLERANCE = 2.0**-22  # of a filter's largest number, by which halves may differ: two roundings
_NOTHING = 2.0**-36  # of the largest number of all: what the sine of whole turns leaves
_FEWEST_MIRRORED, _MOST_MIRRORED = 16, 48  # places at a time


@dataclass(frozen=True)
class _Mirrored:
    """Filters of a frame that are even, and then others that are odd, or the other way round.

    Places `first` to `first + half` of a frame are the mirror images of `last`, `last - 1` and so on; others aren't
    seen. `blocks` are the filters of each kind, (half, out), and whether they are odd.
    """

    frames: Frames
    first: int
    last: int
    blocks: tuple[tuple[np.ndarray, bool], ...]

    @property
    def group(self) -> int:
        """How many places are mirrored at a time."""
        stride = self.frames.places
        return max((n for n in range(_FEWEST_MIRRORED, _MOST_MIRRORED + 1) if stride % n == 0), default=stride)

    @property
    def half(self) -> int:
        """How many places have a mirror image, the middle included."""
        return (self.last - self.first) // 2 + 1


def fold_mirrored_filters(graph: Graph) -> Graph:
    """The graph with two products of half frames for each Conv2D of a signal whose filters are even or odd.

    Sums are rounded in another order.
    Source: medians of runs in turn, this over the one Conv2D, in taps x filters / stride, and by frames. 400x402 / 160:
            100 frames 0.59 on wasm and 1.04 on webgl, 300 0.55 and 0.84, 3001 0.40 and 0.5; 1024x1026 / 256: 40 frames
            0.50 and 0.76, 200 0.44 and 0.67; 2048x2050 / 512: 40 frames 0.39 and 0.61; 256x258 / 128: 64 frames 0.86
            and 1.06.
    """
    return rewrite(graph, lambda rw: lambda node: node.op == "Conv2D" and _fold(rw, node), only=("Conv2D",))


def _fold(rw: Rewrite, node: Node) -> bool:
    plan = _plan(rw, node)
    if plan is None:
        return False
    rows = cut_frames(rw, node, plan.frames, 1, 1)
    turned = _mirror(rw, node, rows, plan)
    n_frames = plan.frames.line.n_outputs
    halves = _joined(rw, rows, _pieces(plan), n_frames, f"{node.name}/halves")
    images = _joined(rw, turned, _mirrored_pieces(plan), n_frames, f"{node.name}/images")
    made = []
    for filters, is_odd in plan.blocks:
        path = f"{node.name}/{'odd' if is_odd else 'even'}"
        folded = rw.emit("Sub" if is_odd else "AddV2", halves, images, name=f"{path}/folded")
        kernel = rw.data(filters.reshape(1, 1, *filters.shape), f"{path}/filter")
        made.append(rw.emit("Conv2D", folded, kernel, name=path, **_by_places(node)))
    y = made[0] if len(made) == 1 else rw.emit("ConcatV2", *made, rw.param(3), name=f"{node.name}/joined", N=len(made))
    dims = [dim if isinstance(dim, int) else -1 for dim in node.outputs[0].shape or ()]
    return rw.put(node, "Reshape", y, rw.param(dims))


def _plan(rw: Rewrite, node: Node) -> _Mirrored | None:
    filters, shape = rw.known(node.inputs[1]), rw.old_type(node.inputs[0]).shape
    if filters is None or filters.dtype != np.float32 or shape is None or filters.shape[2] != 1:
        return None
    axis = 0 if filters.shape[0] > 1 else 1
    size = shape[1 + axis]
    if shape[2 - axis] != 1 or filters.shape[1 - axis] != 1 or not isinstance(size, int):
        return None
    if any(any(pads) for pads in explicit_pads(node) or [(1, 1)]) or set(numbers(node, "dilations")) != {1}:
        return None
    line = Line(size, filters.shape[axis], numbers(node, "strides")[1 + axis], 0, 0)
    if filters.size * line.n_outputs < LEAST_WORK:
        return None
    return _mirrored(Frames(line, 1), filters.reshape(line.kernel, -1))


def _mirrored(frames: Frames, filters: np.ndarray) -> _Mirrored | None:
    """How filters (place, out) can be folded around their middle, if they can.

    Those of a transform begin with a place that has no mirror image; a window that is 0 there leaves it out.
    """
    first = 0 if filters[0].any() else 1
    seen = filters[first:].astype(np.float64)
    if len(seen) < 2:
        return None
    size = np.abs(seen).max(axis=0)
    bound = np.maximum(_TOLERANCE * size, _NOTHING * size.max())
    is_even, is_odd = (np.all(np.abs(seen - sign * seen[::-1]) <= bound, axis=0) for sign in (1, -1))
    for begins_odd in (False, True):
        begin, end = (is_odd, is_even) if begins_odd else (is_even, is_odd)
        n_begin = len(begin) if begin.all() else int(np.argmin(begin))
        if end[n_begin:].all():
            kinds = (seen[:, :n_begin], begins_odd), (seen[:, n_begin:], not begins_odd)
            blocks = tuple((_half(bank, odd), odd) for bank, odd in kinds if bank.shape[1])
            return _Mirrored(frames, first, len(filters) - 1, blocks)
    return None


def _half(seen: np.ndarray, is_odd: bool) -> np.ndarray:
    """The first half of filters; the middle, which is its own mirror image, is added to itself or taken from it."""
    mirrored = seen[::-1]
    means = (seen - mirrored if is_odd else seen + mirrored)[: (len(seen) + 1) // 2] / 2
    if len(seen) % 2:
        means[-1] /= 2
    return np.asarray(means, dtype=np.float32)


def _pieces(plan: _Mirrored) -> Iterator[tuple[int, int, int]]:
    """The first half of a frame, as (row after the frame's first, place there, number of places)."""
    stride = plan.frames.places
    place, end = plan.first, plan.first + plan.half
    while place < end:
        row, within = divmod(place, stride)
        n_places = min(stride - within, end - place)
        yield row, within, n_places
        place += n_places


def _mirrored_pieces(plan: _Mirrored) -> Iterator[tuple[int, int, int]]:
    """What `_pieces` gives, of the mirror image of the second half, in rows whose groups are mirrored."""
    place, end = plan.last, plan.last - plan.half
    while place > end:
        row, within = divmod(place, plan.frames.places)
        begin, rest = within - within % plan.group, within % plan.group
        n_places = min(rest + 1, place - end)
        yield row, begin + plan.group - 1 - rest, n_places
        place -= n_places


def _mirror(rw: Rewrite, node: Node, rows: Ref, plan: _Mirrored) -> Ref:
    """Rows whose groups are their own mirror images, by a product: wasm takes 9 times as long for ReverseV2.

    What isn't finite spreads over its group.

    Shapes: (batch, 1, row, place) -> (batch, 1, row, place)
    """
    path, group, n_rows = f"{node.name}/mirrored", plan.group, plan.frames.n_given
    turn = rw.data(np.eye(group, dtype=np.float32)[::-1].reshape(1, 1, group, group), f"{path}/turn")
    x = rw.emit("Reshape", rows, rw.param([-1, 1, n_rows * plan.frames.places // group, group]), name=f"{path}/groups")
    x = rw.emit("Conv2D", x, turn, name=path, **_by_places(node))
    return rw.emit("Reshape", x, rw.param([-1, 1, n_rows, plan.frames.places]), name=f"{path}/rows")


def _joined(rw: Rewrite, rows: Ref, pieces: Iterable[tuple[int, int, int]], n_frames: int, name: str) -> Ref:
    """The pieces of every frame, side by side.

    Shapes: (batch, 1, row, place) -> (batch, 1, frame, place)
    """
    cut = [
        rw.emit("Slice", rows, rw.param([0, 0, row, place]), rw.param([-1, 1, n_frames, n_places]), name=f"{name}/cut")
        for row, place, n_places in pieces
    ]
    return cut[0] if len(cut) == 1 else rw.emit("ConcatV2", *cut, rw.param(3), name=name, N=len(cut))


def _by_places(node: Node) -> dict[str, Attr]:
    return {**node.attrs, "strides": [1, 1, 1, 1]}

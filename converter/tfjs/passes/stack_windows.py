"""Stacks windows of one value as planes, which a Transpose then makes the channels of.

Harmonic stacking shifts a spectrogram by several intervals, fills what comes in with zeros, and joins the results as
channels. Slices, pads and joins whose last axis is 1 copy a number at a time on wasm.
"""

from typing import NamedTuple

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_FEWEST = 3  # windows; two are joined about as quickly where they are
_MOST_MOVERS = 4  # that make a window; a long chain of them takes linear time


class _Growth(NamedTuple):
    """The places that a PadV2 or a Slice adds to an axis; below 0, takes away."""

    axis: int
    before: int
    behind: int


class _Window(NamedTuple):
    """`size` places of an axis of a value from `start` on; places that lie before or behind it hold zeros."""

    source: Ref
    axis: int
    start: int
    size: int


def stack_windows(graph: Graph) -> Graph:
    """The graph with PadV2, a Slice for each, Pack and Transpose for each ConcatV2 of windows as channels.

    A Slice that cuts them all alike is part of theirs.
    Source: medians of runs in turn with a convolution behind it, 8 windows of 172x309: 0.07 on wasm and 0.81 on webgl;
            cut without the axis of size 1 and then joined as channels: 0.59 and 0.84.
    """
    return rewrite(graph, lambda rw: _Stacking(rw).visit, only=("ConcatV2",))


class _Stacking:
    """Knows for each ConcatV2 of windows, or the Slice that cuts them alike, which they are."""

    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw
        self.ends: dict[str, list[_Window]] = {}
        for node in rw.live:
            windows = _windows(rw, node) if node.op == "ConcatV2" else None
            if windows is not None:
                self._follow(node, windows)

    def visit(self, node: Node) -> bool:
        windows = self.ends.get(node.name)
        return windows is not None and self._emit(node, windows)

    def _follow(self, joined: Node, windows: list[_Window]) -> None:
        readers = self.rw.readers(Ref(joined.name))
        growth = _growth(self.rw, readers[0]) if len(readers) == 1 and readers[0].op == "Slice" else None
        if growth is None or growth.axis != windows[0].axis:
            self.ends[joined.name] = windows
        else:
            self.ends[readers[0].name] = [_grown(one, growth) for one in windows]

    def _emit(self, node: Node, windows: list[_Window]) -> bool:
        rw, source, axis = self.rw, windows[0].source, windows[0].axis
        x, (_, shape) = rw.value(source), rw.old_type(source)
        dims = [dim if isinstance(dim, int) else -1 for dim in shape or ()][: (node.outputs[0].rank or 0) - 1]
        if len(dims) < len(shape or ()):
            x = rw.emit("Reshape", x, rw.param(dims), name=f"{node.name}/plane")
        before = max(0, -min(one.start for one in windows))
        behind = max(0, max(one.start + one.size for one in windows) - dims[axis])
        if before or behind:
            pads = np.zeros((len(dims), 2), np.int32)
            pads[axis] = before, behind
            zero = rw.data(np.zeros((), np.float32), f"{node.name}/zero")
            x = rw.emit("PadV2", x, rw.param(pads), zero, name=f"{node.name}/padded")
        planes = []
        for one in windows:
            starts = [one.start + before if at == axis else 0 for at in range(len(dims))]
            sizes = [one.size if at == axis else dim for at, dim in enumerate(dims)]
            planes.append(rw.emit("Slice", x, rw.param(starts), rw.param(sizes), name=f"{node.name}/window"))
        stacked = rw.emit("Pack", *planes, name=f"{node.name}/planes", axis=0)
        return rw.put(node, "Transpose", stacked, rw.param([*range(1, len(dims) + 1), 0]))


def _windows(rw: Rewrite, node: Node) -> list[_Window] | None:
    """What a ConcatV2 joins as channels, if it is windows of the same size and along the same axis of one value."""
    last, (dtype, shape) = rw.known(node.inputs[-1]), node.outputs[0]
    parts = node.inputs[:-1]
    is_joined = last is not None and shape is not None and int(last) in (-1, len(shape) - 1) and shape[-1] == len(parts)
    if not is_joined or dtype != "float32" or len(parts) < _FEWEST:
        return None
    growths = [_growth(rw, rw.source.nodes[part.node]) for part in parts]
    axis = next((growth.axis for growth in growths if growth is not None), None)
    found = [] if axis is None else [_window(rw, part, axis) for part in parts]
    windows = [one for one in found if one is not None]
    is_alike = len(windows) == len(parts) and len({(one.source, one.size) for one in windows}) == 1
    return windows if is_alike else None


def _window(rw: Rewrite, old: Ref, axis: int) -> _Window | None:
    """How a value whose last axis is 1 is cut from another; None if it has zeros where that has something."""
    growths: list[_Growth] = []
    while len(growths) < _MOST_MOVERS and (growth := _growth(rw, rw.source.nodes[old.node])) is not None:
        growths.insert(0, growth)
        old = rw.source.nodes[old.node].inputs[0]
    shape = rw.old_type(old).shape
    size = None if shape is None else shape[axis]
    n_unknown = sum(not isinstance(dim, int) for dim in shape or ())
    if not isinstance(size, int) or n_unknown > 1 or any(growth.axis != axis for growth in growths):
        return None
    whole = _Window(_without_channel(rw, old), axis, 0, size)
    window, first, end = whole, 0, size
    for growth in growths:
        window = _grown(window, growth)
        first, end = max(first, window.start), min(end, window.start + window.size)
    is_seen = (first, end) == (max(0, window.start), min(size, window.start + window.size))
    return window if is_seen else None


def _without_channel(rw: Rewrite, old: Ref) -> Ref:
    node = rw.source.nodes[old.node]
    if node.op != "Reshape" or (*(rw.old_type(node.inputs[0]).shape or ()), 1) != node.outputs[0].shape:
        return old
    return node.inputs[0]


def _grown(window: _Window, growth: _Growth) -> _Window:
    size = window.size + growth.before + growth.behind
    return window._replace(start=window.start - growth.before, size=size)


def _growth(rw: Rewrite, node: Node) -> _Growth | None:
    """What a node adds to one axis, not the last; None if it does anything else."""
    made, given = node.outputs[0].shape, rw.old_type(node.inputs[0]).shape if node.inputs else None
    argument = rw.known(node.inputs[1]) if node.op in ("PadV2", "Slice") else None
    if argument is None or made is None or given is None:
        return None
    pairs: list[tuple[int, int]] = [(int(before), int(behind)) for before, behind in _pairs(rw, node, argument)]
    grown = [axis for axis, pair in enumerate(pairs) if any(pair)]
    is_single = len(grown) == 1 and grown[0] < len(made) - 1
    return _Growth(grown[0], *pairs[grown[0]]) if is_single else None


def _pairs(rw: Rewrite, node: Node, argument: np.ndarray) -> list[tuple[int, int]]:
    """What a node adds before and behind each axis; nothing is known of a PadV2 of something else than zeros."""
    if node.op == "PadV2":
        value = rw.known(node.inputs[2])
        return [(pair[0], pair[1]) for pair in argument] if value is not None and not value.any() else []
    shapes = zip(node.outputs[0].shape or (), rw.old_type(node.inputs[0]).shape or (), strict=True)
    pairs = []
    for start, (size, whole) in zip(argument, shapes, strict=True):
        if isinstance(size, int) and isinstance(whole, int):
            pairs.append((-int(start), size + int(start) - whole))
        elif start or size != whole:
            return []
        else:
            pairs.append((0, 0))
    return pairs

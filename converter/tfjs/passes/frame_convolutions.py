"""Runs convolutions of few channels on frames of their image, whose elements are channels.

A frame holds as many places of a row as a few strides: a filter of 256 taps that steps by 2 over one channel and makes
one is a filter of 17 taps of 16 channels that makes 8. Kernels make channels by the eight, needed or not (XNNPACK on
wasm), and add up channels quicker than taps.
"""

from math import ceil
from typing import NamedTuple

import numpy as np

from converter.tfjs.graph import Attr, Graph, Node, Ref
from converter.tfjs.passes.frames import Frames, Line, cut_frames, explicit_pads, numbers
from converter.tfjs.rewrite import Rewrite, rewrite

_OPS = ("Conv2D", "_FusedConv2D")
_LANES = 8  # channels that are made at a time
_STEPS = (2, 4, 8)
_MOST_COST = 0.7  # times what the convolution as it was takes: copies and frames that are cut off come on top
LEAST_WORK = 1 << 17  # multiplications for an image: the copies of a smaller one take as long as what they save
_MOST_NUMBERS = 1 << 16  # of a filter for several steps, which holds as many copies


def frame_convolutions(graph: Graph) -> Graph:
    """The graph with Reshape, Conv2D and Reshape for each Conv2D of few channels that is quicker so.

    Sums are rounded in another order.
    Source: medians of runs in turn, this over the one Conv2D, in x taps x out / stride. 8 steps of one channel, 1x256x1
            / 2: 0.09 to 0.16 on wasm, 0.20 to 0.38 on webgl; 4 steps of 8x5x5x1: 0.60, 0.64. One step gains less than
            its copies cost, or than copies of a filter that several convolutions share: 1x512x128 / 4: 0.76, 1.03;
            1x256x36 / 4: 0.84, 1.01; 1x400x402 / 160: 0.85, 1.16. By multiplications, 3x3x3x4 and
            5x5x8x1: 7,000 1.25, 1.03; 29,000 0.90, 1.01; 97,000 1.03, 1.02; 157,000 0.59, 0.54; 415,000 0.84, 1.01.
    """
    return rewrite(graph, lambda rw: lambda node: node.op in _OPS and _frame(rw, node), only=_OPS)


def _frame(rw: Rewrite, node: Node) -> bool:
    plan = _plan(rw, node)
    if plan is None:
        return False
    frames, filters, across = plan
    x = cut_frames(rw, node, frames, across.size, filters.shape[2])
    y = _convolve(rw, node, x, plan)
    n_numbers, n_made = (n * filters.shape[3] for n in (frames.line.n_outputs, frames.n_results * frames.n_steps))
    if n_numbers < n_made:
        y = rw.emit("Reshape", y, rw.param([-1, n_made]), name=f"{node.name}/results")
        y = rw.emit("Slice", y, rw.param([0, 0]), rw.param([-1, n_numbers]), name=f"{node.name}/outputs")
    made = [dim if isinstance(dim, int) else -1 for dim in node.outputs[0].shape or ()]
    return rw.put(node, "Reshape", y, rw.param(made))


class _Plan(NamedTuple):
    """How a convolution is computed on frames; filters (across, tap, in, out)."""

    frames: Frames
    filters: np.ndarray
    across: Line


def _plan(rw: Rewrite, node: Node) -> _Plan | None:
    filters, shape, pads = rw.known(node.inputs[1]), rw.old_type(node.inputs[0]).shape, explicit_pads(node)
    is_biased = all(rw.known(ref) is not None for ref in node.inputs[2:]) and len(node.inputs) <= 3
    if filters is None or shape is None or pads is None or not is_biased or set(numbers(node, "dilations")) != {1}:
        return None
    lines = []
    for axis in (0, 1):
        size, stride = shape[1 + axis], numbers(node, "strides")[1 + axis]
        if not isinstance(size, int):
            return None
        lines.append(Line(size, filters.shape[axis], stride, *pads[axis]))
    if lines[1].size == lines[1].kernel == 1:  # what is one column might as well be a row
        lines, filters = lines[::-1], filters.transpose(1, 0, 2, 3)
    n_steps = _steps(lines[1], lines[0].kernel, *filters.shape[2:])
    work = filters.size * lines[0].n_outputs * lines[1].n_outputs
    return None if n_steps is None or work < LEAST_WORK else _Plan(Frames(lines[1], n_steps), filters, lines[0])


def _steps(line: Line, height: int, n_in: int, n_out: int) -> int | None:
    """How many outputs a frame had best make, None if the convolution had better stay as it is."""

    def cost(frames: Frames) -> float:
        """How many lanes each output takes."""
        return frames.n_taps * frames.places * ceil(frames.n_steps * n_out / _LANES) / frames.n_steps

    several = [Frames(line, n_steps) for n_steps in _STEPS if n_steps <= line.n_outputs]
    small = [one for one in several if height * one.n_taps * one.places * n_in * one.n_steps * n_out <= _MOST_NUMBERS]
    best = min(small, key=cost, default=None)
    is_quicker = best is not None and cost(best) <= _MOST_COST * line.kernel * ceil(n_out / _LANES)
    return best.n_steps if best is not None and is_quicker else None


def _convolve(rw: Rewrite, node: Node, x: Ref, plan: _Plan) -> Ref:
    frames, filters, across = plan
    pads = [0, 0, across.before, across.behind, frames.before, frames.n_read - frames.n_given, 0, 0]
    attrs: dict[str, Attr] = {
        **node.attrs,
        "strides": [1, across.stride, 1, 1],
        "padding": "EXPLICIT" if any(pads) else "VALID",
        "explicit_paddings": [*pads] if any(pads) else [],
    }
    operands = [x, rw.data(frames.filters(filters), f"{node.name}/filter")]
    for ref in node.inputs[2:]:
        bias = np.broadcast_to(np.asarray(rw.known(ref)).ravel(), filters.shape[3:])
        operands.append(rw.data(np.tile(bias, frames.n_steps), f"{node.name}/bias"))
    return rw.emit(node.op, *operands, name=f"{node.name}/framed", **attrs)

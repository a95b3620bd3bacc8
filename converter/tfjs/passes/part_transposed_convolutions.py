"""Computes transposed convolutions by plain ones: outputs that lie a stride apart are channels of one place.

Each row of outputs within a stride is a convolution of stride 1, whose channels are the outputs of that row; laid side
by side and reshaped, the rows are the image.
"""

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.passes.frames import numbers
from converter.tfjs.rewrite import Rewrite, rewrite

_MOST_ZEROS = 3  # times as many taps as the filter has, zeros included
_ACTIVATIONS = ("Elu", "LeakyRelu", "Relu", "Relu6", "Sigmoid")


class _Axis(NamedTuple):
    """One axis: the first output lies `before` where the operand begins to reach; `growth` is in strides."""

    size: int
    kernel: int
    stride: int
    before: int
    growth: int

    @property
    def behind(self) -> int:
        """How many elements of the operand behind its own place an output looks at."""
        return (self.kernel - 1 - self.before) // self.stride

    @property
    def ahead(self) -> int:
        """How many elements of the operand ahead of its own place an output looks at."""
        return (self.before + self.stride - 1) // self.stride

    @property
    def n_taps(self) -> int:
        """How many elements an output looks at."""
        return self.behind + 1 + self.ahead

    @property
    def pads(self) -> tuple[int, int]:
        """The padding of the plain convolution."""
        return self.behind, self.growth + self.ahead


@dataclass(frozen=True)
class _Part:
    """A transposed convolution, and what reads it alone and can be computed before its rows are joined."""

    node: Node
    axes: tuple[_Axis, _Axis]
    filters: np.ndarray
    bias: np.ndarray | None = None
    activation: Node | None = None


def part_transposed_convolutions(graph: Graph) -> Graph:
    """The graph with Conv2D, ConcatV2 and Reshape for Conv2DBackpropInput of known sizes, with its bias and activation.

    Sums are rounded in another order.
    Source: medians of runs in turn, this over Conv2DBackpropInput, stride 2 on maps of 28x28x32, 16x16x128 and 64x64x8
            (kernel 2), 16x16x64 (3 and 4) and 20x20x64 (5): 0.15, 0.17, 0.28, 0.41, 0.26, 0.18 on wasm; 0.63, 0.47,
            0.58, 0.61, 0.59, 0.53 on webgl. DepthToSpace in the place of rows: 0.4 to 1.8 on wasm.
    """
    return rewrite(graph, lambda rw: _Parting(rw).visit, only=("Conv2DBackpropInput",))


class _Parting:
    """Knows for each node that ends a chain of such a convolution, its bias and its activation, what it ends."""

    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw
        self.ends: dict[str, _Part] = {}
        for node in rw.live:
            if node.op == "Conv2DBackpropInput" and (part := _plan(rw, node)) is not None:
                self._follow(part)

    def visit(self, node: Node) -> bool:
        part = self.ends.get(node.name)
        return part is not None and self._emit(part, node)

    def _follow(self, part: _Part) -> None:
        last = part.node
        if (reader := self._only_reader(last)) is not None and reader.op in ("AddV2", "BiasAdd"):
            bias = self._bias(reader, last)
            if bias is not None:
                part, last = _Part(part.node, part.axes, part.filters, bias), reader
        if (reader := self._only_reader(last)) is not None and reader.op in _ACTIVATIONS:
            part, last = _Part(part.node, part.axes, part.filters, part.bias, reader), reader
        self.ends[last.name] = part

    def _only_reader(self, node: Node) -> Node | None:
        readers = self.rw.readers(Ref(node.name))
        is_output = any(ref.node == node.name for ref in self.rw.source.outputs.values())
        return readers[0] if len(readers) == 1 and not is_output else None

    def _bias(self, reader: Node, product: Node) -> np.ndarray | None:
        """What a node adds to each channel."""
        depth = product.outputs[0].shape[-1] if product.outputs[0].shape else None
        for ref in reader.inputs:
            array = self.rw.known(ref)
            if array is not None and array.ndim <= 4 and array.shape[-1:] == (depth,) and array.size == depth:
                return array.ravel()
        return None

    def _emit(self, part: _Part, end: Node) -> bool:
        down, across = part.axes
        n_out = part.filters.shape[2]
        x = self.rw.value(part.node.inputs[2])
        rows = [self._row(x, part, kernel, f"{end.name}/row{row}") for row, kernel in enumerate(_rows(part))]
        y = rows[0]
        if len(rows) > 1:
            y = self.rw.emit("ConcatV2", *rows, self.rw.param(2), name=f"{end.name}/rows", N=len(rows))
        height, width = ((axis.size + axis.growth) * axis.stride for axis in (down, across))
        return self.rw.put(end, "Reshape", y, self.rw.param([-1, height, width, n_out]))

    def _row(self, x: Ref, part: _Part, kernel: np.ndarray, name: str) -> Ref:
        pads = [0, 0, *part.axes[0].pads, *part.axes[1].pads, 0, 0]
        padding = {"padding": "EXPLICIT"} if any(pads) else {"padding": "VALID"}
        filters = self.rw.data(np.ascontiguousarray(kernel), f"{name}/filter")
        explicit = pads if any(pads) else []
        steps = {"strides": [1, 1, 1, 1], "dilations": [1, 1, 1, 1], "explicit_paddings": explicit}
        y = self.rw.emit("Conv2D", x, filters, name=name, data_format="NHWC", **padding, **steps)
        if part.bias is not None:
            bias = self.rw.data(np.tile(part.bias, part.axes[1].stride), f"{name}/bias")
            y = self.rw.emit("AddV2", y, bias, name=f"{name}/add")
        if part.activation is not None:
            y = self.rw.emit(part.activation.op, y, name=f"{name}/activation", **part.activation.attrs)
        return y


def _plan(rw: Rewrite, node: Node) -> _Part | None:
    """How to part a transposed convolution, None where its sizes aren't known, or it would be mostly zeros."""
    filters, given, made = rw.known(node.inputs[1]), rw.old_type(node.inputs[2]).shape, node.outputs[0].shape
    if filters is None or given is None or made is None:
        return None
    axes = []
    for index in (1, 2):
        size, stride, before = given[index], numbers(node, "strides")[index], _before(node, index)
        total = made[index]
        if not isinstance(size, int) or not isinstance(total, int) or total % stride or before is None:
            return None
        axes.append(_Axis(size, filters.shape[index - 1], stride, before, total // stride - size))
    n_dense = prod(axis.n_taps * axis.stride for axis in axes)
    is_worth_it = max(axis.stride for axis in axes) > 1 and n_dense <= _MOST_ZEROS * prod(filters.shape[:2])
    if not is_worth_it or min(pad for axis in axes for pad in axis.pads) < 0:
        return None
    return _Part(node, (axes[0], axes[1]), filters)


def _before(node: Node, index: int) -> int | None:
    if node.attrs.get("padding") == "VALID":
        return 0
    return numbers(node, "explicit_paddings")[2 * index] if node.attrs.get("padding") == "EXPLICIT" else None


def _rows(part: _Part) -> list[np.ndarray]:
    """The kernel of each row of outputs within a stride.

    Shapes: (tap, tap, in, phase * out)
    """
    w = part.filters.transpose(3, 2, 0, 1)  # (in, out, *kernel)
    for position, axis in zip((2, 4), part.axes, strict=True):
        w = _split(w, position, axis)
    kernel = w.transpose(3, 2, 4, 0, 5, 1)  # (row, tap, tap, in, phase, out)
    return list(kernel.reshape(*kernel.shape[:4], -1))


def _split(w: np.ndarray, position: int, axis: _Axis) -> np.ndarray:
    """An axis of the filter as (tap, phase): what each phase takes of the operand, from the farthest behind it on."""
    index = np.arange(axis.stride) + axis.before + axis.stride * (axis.behind - np.arange(axis.n_taps))[:, None]
    is_inside = (index >= 0) & (index < axis.kernel)
    parts = np.take(w, np.where(is_inside, index, 0), axis=position)
    mask = is_inside.reshape((1,) * position + is_inside.shape + (1,) * (w.ndim - position - 1))
    return np.where(mask, parts, w.dtype.type(0))

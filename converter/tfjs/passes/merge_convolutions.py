"""Computes convolutions of one image by one convolution, where their channels are joined or interleaved.

The real and the imaginary part of a spectrum are two convolutions of a signal, one of them often negated, that are
stacked for each frequency; joins whose last axis is 1 copy a number at a time on wasm.
"""

from typing import NamedTuple

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref, Shape
from converter.tfjs.rewrite import Rewrite, rewrite


class _Part(NamedTuple):
    """A convolution that is joined with others, its filters as they would be without what follows it."""

    node: Node
    filters: np.ndarray
    is_stacked: bool


def merge_convolutions(graph: Graph) -> Graph:
    """The graph with one Conv2D, and a Reshape, for each ConcatV2 of those of one image by filters of one size.

    Source: medians of runs in turn. Two stacked, one of them negated, taps x out / stride: 256x36 / 256 and 4, 0.35 and
            0.31 on wasm, 0.70 and 0.82 on webgl; 400x201 / 160, 0.38 and 0.54. Two of 28x28x32 by 3x3x32, joined: 0.93
            and 0.75.
    """
    return rewrite(graph, lambda rw: lambda node: node.op == "ConcatV2" and _merge(rw, node), only=("ConcatV2",))


def _merge(rw: Rewrite, node: Node) -> bool:
    parts = _parts(rw, node)
    if parts is None:
        return False
    stacked = np.stack([part.filters for part in parts], axis=-1 if parts[0].is_stacked else 3)
    filters = rw.data(stacked.reshape(*stacked.shape[:3], -1), f"{node.name}/filter")
    first = parts[0].node
    merged = rw.emit("Conv2D", rw.value(first.inputs[0]), filters, name=f"{node.name}/merged", **first.attrs)
    if not parts[0].is_stacked:
        return rw.forward(node, merged)
    dims = [dim if isinstance(dim, int) else -1 for dim in node.outputs[0].shape or ()]
    return rw.put(node, "Reshape", merged, rw.param(dims))


def _parts(rw: Rewrite, node: Node) -> list[_Part] | None:
    axis, shape = rw.known(node.inputs[-1]), node.outputs[0].shape
    n_unknown = sum(not isinstance(dim, int) for dim in shape or ())
    if axis is None or shape is None or int(axis) not in (-1, len(shape) - 1) or n_unknown > 1:
        return None
    found = [_part(rw, ref) for ref in node.inputs[:-1]]
    parts = [part for part in found if part is not None]
    kinds = {(_image(rw, part.node), _settings(part.node), part.filters.shape, part.is_stacked) for part in parts}
    return parts if len(parts) == len(found) > 1 and len(kinds) == 1 else None


def _part(rw: Rewrite, old: Ref) -> _Part | None:
    """The convolution that a value is made by, if for this alone."""
    node, sign, is_stacked = rw.source.nodes[old.node], 1.0, False
    if node.op == "Reshape" and len(rw.readers(old)) == 1:
        made, given = node.outputs[0].shape, rw.old_type(node.inputs[0]).shape
        if not made or not given or made[-1] != 1 or made[-2:-1] != given[-1:]:
            return None
        old, is_stacked = node.inputs[0], True
        node = rw.source.nodes[old.node]
    if node.op == "Neg" and len(rw.readers(old)) == 1:
        old, sign = node.inputs[0], -1.0
        node = rw.source.nodes[old.node]
    filters = rw.known(node.inputs[1]) if node.op == "Conv2D" else None
    if filters is None or len(rw.readers(old)) != 1:
        return None
    return _Part(node, filters * np.float32(sign), is_stacked)


def _image(rw: Rewrite, node: Node) -> tuple[Ref, Shape]:
    """What a convolution is of, and in which shape: each may have been given a Reshape of its own."""
    old = node.inputs[0]
    shape = rw.old_type(old).shape
    while rw.source.nodes[old.node].op == "Reshape" and shape is not None and None not in shape:
        old = rw.source.nodes[old.node].inputs[0]
    return old, shape


def _settings(node: Node) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, repr(value)) for name, value in node.attrs.items()))

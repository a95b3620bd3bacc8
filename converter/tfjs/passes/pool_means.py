"""Computes means over axes before the last by average pools.

Mean reduces the last axes only, and transposes for any other (kernels/Mean.js of every backend); AvgPool reads
channels-last images as they are.
"""

from collections.abc import Sequence
from math import isqrt, prod
from typing import NamedTuple

from converter.tfjs.graph import Dim, Graph, Node, Ref
from converter.tfjs.passes.split_long_sums import is_short
from converter.tfjs.permute import reshape_operand
from converter.tfjs.rewrite import Rewrite, rewrite

_SMALL_WINDOW = 64  # elements; the backends add up a larger one less exactly than onnxruntime
_LARGEST_WINDOW = 256  # elements; WebGL adds up a window in one thread
_FEWEST_CHANNELS = 4

Window = tuple[int, int]


class _Mean(NamedTuple):
    """What to reduce: an image (batch, height, width, channel), and axes behind that are reduced as well."""

    image: list[int]
    is_image: bool
    windows: list[Window]
    pooled: list[int]
    behind: list[int]


def pool_means(graph: Graph) -> Graph:
    """The graph with AvgPool for Mean, where the axes are neither the last ones nor of unknown size."""
    return rewrite(
        graph,
        lambda rw: lambda node: node.op == "Mean" and not rw.must_stay_exact(node) and _pool(rw, node),
        only=("Mean",),
    )


def _pool(rw: Rewrite, node: Node) -> bool:
    shape, axes = rw.old_type(node.inputs[0]).shape, rw.known(node.inputs[1])
    if shape is None or axes is None:
        return False
    mean = _plan(shape, sorted({int(axis) % len(shape) for axis in axes.ravel()}))
    last = None if node.outputs[0].shape is None else reshape_operand(node.outputs[0].shape)
    if mean is None or last is None:
        return False
    y = rw.value(node.inputs[0])
    if not mean.is_image:
        y = rw.emit("Reshape", y, rw.param(mean.image), name=f"{node.name}/image")
    for window in mean.windows:
        y = _emit_pool(rw, y, window, f"{node.name}/pool")
    if mean.behind:
        y = rw.emit("Reshape", y, rw.param(mean.pooled), name=f"{node.name}/pooled")
        y = rw.emit("Mean", y, rw.param(mean.behind), name=f"{node.name}/behind", keep_dims=True)
    is_done = rw.type_of(y).shape == node.outputs[0].shape
    return rw.forward(node, y) if is_done else rw.put(node, "Reshape", y, rw.param(last))


def _emit_pool(rw: Rewrite, x: Ref, window: Window, name: str) -> Ref:
    sizes = [1, *window, 1]
    return rw.emit("AvgPool", x, name=name, ksize=sizes, strides=sizes, padding="VALID", data_format="NHWC")


def _plan(shape: Sequence[Dim], axes: Sequence[int]) -> _Mean | None:
    """How to pool, None if that is no better or sizes aren't known."""
    behind = [axis for axis in axes if all(later in axes for later in range(axis, len(shape)))]
    block = [axis for axis in axes if axis not in behind]
    if not block or block != list(range(block[0], block[-1] + 1)):
        return None
    sizes = [shape[axis] for axis in block]
    depth = [dim for dim in shape[block[-1] + 1 :] if isinstance(dim, int)]
    known = [size for size in sizes if isinstance(size, int)]
    if len(known) < len(sizes) or len(depth) < len(shape) - block[-1] - 1 or prod(depth) < _FEWEST_CHANNELS:
        return None
    is_image = len(shape) == 4 and block == [1, 2]
    height, width = (known[0], known[1]) if is_image else (1, prod(known))
    windows = _windows(height, width)
    pooled = reshape_operand([1 if axis in block else dim for axis, dim in enumerate(shape)])
    image = [-1, height, width, prod(depth)]
    if pooled is None or not windows or height * width == 1:
        return None
    return _Mean(image, is_image, windows, pooled, behind)


def _windows(height: int, width: int) -> list[Window]:
    """Windows that pool an image to one place, one after the other; none if a window would be too large."""
    count, first = height * width, (_divisor(height), _divisor(width))
    then = (height // first[0], width // first[1])
    n_additions = prod(first) + prod(then)
    if count > _SMALL_WINDOW and max(prod(first), prod(then)) <= _LARGEST_WINDOW and is_short(n_additions, count):
        return [first, then]
    return [(height, width)] if count <= _LARGEST_WINDOW else []


def _divisor(size: int) -> int:
    """The largest divisor up to the square root."""
    return next(one for one in range(isqrt(size), 0, -1) if size % one == 0)

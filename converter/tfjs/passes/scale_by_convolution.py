"""Scales and shifts the channels of an image by one kernel, which also takes the activation behind them.

A batch normalisation that folds into no convolution is a Mul, an AddV2 and often an activation: three kernels, where a
depthwise convolution of one place takes its bias and its activation along.
"""

import numpy as np

from converter.tfjs.graph import Attr, Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_SHIFTS = ("AddV2", "BiasAdd")
_LIMITS = ("Relu", "Relu6")
_BY_PLACES: dict[str, Attr] = {
    "strides": [1, 1, 1, 1],
    "dilations": [1, 1, 1, 1],
    "padding": "VALID",
    "explicit_paddings": [],
    "data_format": "NHWC",
}


def scale_by_convolution(graph: Graph) -> Graph:
    """The graph with DepthwiseConv2dNative for Mul by one constant a channel that an AddV2 of such a one follows.

    A number that is added to a value which others read as well, and limited, is the shift of such a convolution.
    """
    return rewrite(graph, lambda rw: lambda node: _convolve(rw, node), only=("AddV2", "Mul"))


def _convolve(rw: Rewrite, node: Node) -> bool:
    return _scale(rw, node) if node.op == "Mul" else node.op == "AddV2" and _shift(rw, node)


def _shift(rw: Rewrite, node: Node) -> bool:
    readers = rw.readers(Ref(node.name))
    if len(readers) != 1 or readers[0].op not in _LIMITS:
        return False
    depth = (node.outputs[0].shape or (None,))[-1]
    for side in (0, 1):
        number, image = rw.known(node.inputs[side]), node.inputs[1 - side]
        if number is None or number.size != 1 or not isinstance(depth, int) or node.outputs[0].rank != 4:
            continue
        if rw.old_type(image) != node.outputs[0] or node.outputs[0].dtype != "float32" or len(rw.readers(image)) < 2:
            continue
        ones = rw.data(np.ones((1, 1, depth, 1), np.float32), name=f"{node.name}/ones")
        same = rw.emit("DepthwiseConv2dNative", rw.value(image), ones, name=f"{node.name}/image", **_BY_PLACES)
        return rw.put(node, "AddV2", same, rw.data(np.full(depth, number.item(), np.float32), f"{node.name}/shift"))
    return False


def _scale(rw: Rewrite, node: Node) -> bool:
    for side in (0, 1):
        factors, image = rw.known(node.inputs[side]), node.inputs[1 - side]
        if factors is None or not _is_vector_for(factors, node) or rw.old_type(image) != node.outputs[0]:
            continue
        readers = rw.readers(Ref(node.name))
        if len(readers) != 1 or not _is_shift(rw, readers[0], node):
            return False
        filters = rw.data(factors.reshape(1, 1, -1, 1), name=f"{node.inputs[side].node}/filter")
        return rw.put(node, "DepthwiseConv2dNative", rw.value(image), filters, **_BY_PLACES)
    return False


def _is_vector_for(array: np.ndarray, node: Node) -> bool:
    """Whether a constant has one number for each channel of the image that a node gives."""
    dtype, shape = node.outputs[0]
    depth = shape[-1] if shape is not None and len(shape) == 4 else None
    is_vector = array.ndim <= 4 and array.shape[-1:] == (depth,) and array.size == depth
    return is_vector and dtype == "float32" and array.dtype == np.float32


def _is_shift(rw: Rewrite, node: Node, scaled: Node) -> bool:
    if node.op not in _SHIFTS or node.outputs[0] != scaled.outputs[0]:
        return False
    return any(array is not None and _is_vector_for(array, node) for array in map(rw.known, node.inputs))

"""Scales and shifts the channels of an image by one kernel, which also takes the activation behind them.

A batch normalisation that folds into no convolution is a Mul, an AddV2 and often an activation: three kernels, where a
depthwise convolution of one place takes its bias and its activation along.
"""

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_SHIFTS = ("AddV2", "BiasAdd")


def scale_by_convolution(graph: Graph) -> Graph:
    """The graph with DepthwiseConv2dNative for Mul by one constant a channel that an AddV2 of such a one follows."""
    return rewrite(graph, lambda rw: lambda node: node.op == "Mul" and _scale(rw, node), only=("Mul",))


def _scale(rw: Rewrite, node: Node) -> bool:
    for side in (0, 1):
        factors, image = rw.known(node.inputs[side]), node.inputs[1 - side]
        if factors is None or not _is_vector_for(factors, node) or rw.old_type(image) != node.outputs[0]:
            continue
        readers = rw.readers(Ref(node.name))
        if len(readers) != 1 or not _is_shift(rw, readers[0], node):
            return False
        filters = rw.data(factors.reshape(1, 1, -1, 1), name=f"{node.inputs[side].node}/filter")
        return rw.put(
            node,
            "DepthwiseConv2dNative",
            rw.value(image),
            filters,
            strides=[1, 1, 1, 1],
            dilations=[1, 1, 1, 1],
            padding="VALID",
            explicit_paddings=[],
            data_format="NHWC",
        )
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

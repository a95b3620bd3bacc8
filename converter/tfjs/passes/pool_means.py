"""Takes the mean of each channel by the kernel for pooling.

Source: medians of kernels in turn, AvgPool over Mean, on maps of 7x7x576, 32x32x96, 56x56x24 and 64x64x64: 0.52, 0.30,
0.25 and 0.21 on wasm, which transposes before it reduces axes that are not the last; 0.68 to 0.95 on webgl.
"""

from converter.tfjs.graph import Attr, Graph, Node
from converter.tfjs.permute import reshape_operand
from converter.tfjs.rewrite import Rewrite, rewrite

LARGEST_WINDOW = 64 * 64  # elements; a GPU adds up a window in one thread


def pool_means(graph: Graph) -> Graph:
    """The graph with AvgPool for each Mean over the height and width of a map; sums are rounded in another order."""
    return rewrite(graph, lambda rw: lambda node: node.op == "Mean" and _pool(rw, node))


def _pool(rw: Rewrite, node: Node) -> bool:
    type_, axes = rw.old_type(node.inputs[0]), rw.known(node.inputs[1])
    if type_.rank != 4 or type_.shape is None or type_.dtype != "float32" or axes is None:
        return False
    _, height, width, _ = type_.shape
    if sorted(int(axis) % 4 for axis in axes.ravel()) != [1, 2] or not isinstance(height, int):
        return False
    if not isinstance(width, int) or not 1 < height * width <= LARGEST_WINDOW:
        return False
    operand = reshape_operand(node.outputs[0].shape or (None, None))
    if not node.attrs.get("keep_dims") and operand is None:
        return False
    window: dict[str, Attr] = {"ksize": [1, height, width, 1], "strides": [1, 1, 1, 1], "padding": "VALID"}
    if node.attrs.get("keep_dims"):
        return rw.put(node, "AvgPool", rw.value(node.inputs[0]), **window)
    pooled = rw.emit("AvgPool", rw.value(node.inputs[0]), name=f"{node.name}/pooled", **window)
    return rw.put(node, "Reshape", pooled, rw.param(operand or []))

"""Takes the mean of each channel by the kernel for pooling.

Source: medians of kernels in turn, AvgPool over Mean, on maps of 7x7x576, 32x32x96, 56x56x24 and 64x64x64: 0.52, 0.30,
0.25 and 0.21 on wasm, which transposes before it reduces axes that are not the last; 0.68 to 0.95 on webgl. In two
steps, on 112x112x32: 0.10 on wasm, 0.61 on webgl.
"""

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.permute import reshape_operand
from converter.tfjs.rewrite import Rewrite, rewrite

LARGEST_WINDOW = 64 * 64  # elements; a GPU adds up a window in one thread


def pool_means(graph: Graph) -> Graph:
    """The graph with AvgPool for each Mean over the height and width of a map; sums are rounded in another order.

    A large map is pooled along its rows first, and then along its columns.
    """
    return rewrite(graph, lambda rw: lambda node: node.op == "Mean" and _pool(rw, node))


def _pool(rw: Rewrite, node: Node) -> bool:
    steps = _steps(rw, node)
    operand = reshape_operand(node.outputs[0].shape or (None, None))
    keeps = bool(node.attrs.get("keep_dims"))
    if not steps or (operand is None and not keeps):
        return False
    pooled = rw.value(node.inputs[0])
    for step in steps[:-1]:
        pooled = _pooled(rw, pooled, step, f"{node.name}/rows")
    if keeps:
        return rw.forward(node, _pooled(rw, pooled, steps[-1], node))
    pooled = _pooled(rw, pooled, steps[-1], f"{node.name}/pooled")
    return rw.put(node, "Reshape", pooled, rw.param(operand or []))


def _pooled(rw: Rewrite, value: Ref, window: tuple[int, int], name: str | Node) -> Ref:
    ksize = [1, *window, 1]
    return rw.emit("AvgPool", value, name=name, ksize=ksize, strides=[1, 1, 1, 1], padding="VALID")


def _steps(rw: Rewrite, node: Node) -> list[tuple[int, int]]:
    """The windows, one after the other, over which a Mean is taken; none if it is not over a map of known size."""
    (dtype, shape), axes = rw.old_type(node.inputs[0]), rw.known(node.inputs[1])
    if shape is None or len(shape) != 4 or dtype != "float32" or axes is None:
        return []
    _, height, width, _ = shape
    if sorted(int(axis) % 4 for axis in axes.ravel()) != [1, 2]:
        return []
    if not isinstance(height, int) or not isinstance(width, int) or height * width < 2:
        return []
    if height * width <= LARGEST_WINDOW:
        return [(height, width)]
    return [(1, width), (height, 1)] if max(height, width) <= LARGEST_WINDOW else []

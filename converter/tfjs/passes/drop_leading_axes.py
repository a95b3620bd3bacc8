"""Takes away the leading axes of size 1 of what is broadcast, where wasm then repeats it by a plain loop.

wasm looks up every element by its coordinates wherever an axis of size 1 is repeated, and walks over the rest otherwise
(tfjs-backend-wasm, binary.h); arithmetic that XNNPACK has is not concerned. On webgl such a Reshape is free.
"""

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_LOOPED = (
    "Atan2", "Equal", "FloorDiv", "FloorMod", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd",
    "LogicalOr", "Maximum", "Minimum", "Mod", "NotEqual", "Pow",
)  # fmt: skip
_LARGEST_RANK = 4  # a vector that is broadcast to more gets its axes back


def drop_leading_axes(graph: Graph) -> Graph:
    """The graph with a reshape of each operand whose only repeated axes lead its shape.

    Source: medians of runs in turn, a number of shape [] over one of [1, 1, 1] beside 3000x80 elements: Maximum 0.06,
            Minimum 0.11, Pow 0.20, FloorMod 0.06, Greater 0.08 on wasm; Sub and RealDiv, by XNNPACK, 0.99 and 1.09.
    """
    return rewrite(graph, lambda rw: lambda node: node.op in _LOOPED and _drop(rw, node), only=_LOOPED)


def _drop(rw: Rewrite, node: Node) -> bool:
    rank = node.outputs[0].rank
    if rank is None or rank > _LARGEST_RANK or len(node.inputs) != 2:
        return False
    shapes = [_without_leading(rw, node, side) for side in (0, 1)]
    if shapes == [None, None]:
        return False
    operands = [
        rw.operand(node, side) if shape is None else _reshaped(rw, node, side, shape)
        for side, shape in enumerate(shapes)
    ]
    return rw.put(node, node.op, *operands, **node.attrs)


def _without_leading(rw: Rewrite, node: Node, side: int) -> list[int] | None:
    """The shape that an operand gets, None if it keeps its own."""
    one, other, made = (
        type_.shape for type_ in (rw.old_type(node.inputs[side]), rw.old_type(node.inputs[1 - side]), node.outputs[0])
    )
    if one is None or other is None or made is None or other != made or not one or len(one) != len(made):
        return None
    sizes = [dim for dim in one if isinstance(dim, int)]
    n_leading = next((axis for axis, dim in enumerate(one) if dim != 1), len(one))
    rest = sizes[n_leading:]
    is_repeated = made[:n_leading] != one[:n_leading]
    return rest if len(sizes) == len(one) and is_repeated and tuple(rest) == made[n_leading:] else None


def _reshaped(rw: Rewrite, node: Node, side: int, shape: list[int]) -> Ref:
    name = f"{node.name}/operand{side}"
    if (values := rw.known(node.inputs[side])) is not None:
        return rw.data(values.reshape(shape), name)
    return rw.emit("Reshape", rw.operand(node, side), rw.param(shape), name=name)

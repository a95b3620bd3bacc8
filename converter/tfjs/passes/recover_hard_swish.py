"""Writes HardSwish, and HardSigmoid before a product, with their factors last, where a product behind takes them in.

Source: 8 HardSwish in turn on 64x64x64 elements, without the factor over the exported form: 0.83 on wasm.
"""

from math import isclose

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_LIMITING = ("ClipByValue", "Relu6")


def recover_hard_swish(graph: Graph) -> Graph:
    """The graph with x * relu6(x + 3) / 6 for x * (relu6(x + 3) / 6) and for x * min(max(x / 6 + 1 / 2, 0), 1).

    A gate, min(max(y + b, 0), 1) that an image is multiplied by, is relu6(6 * (y + b)) / 6: what made y takes in the 6,
    the shift and the limits.
    """
    return rewrite(graph, lambda rw: lambda node: _rewrite(rw, node), only=_LIMITING)


def _rewrite(rw: Rewrite, node: Node) -> bool:
    return not rw.must_stay_exact(node) and (_recover(rw, node) or _recover_gate(rw, node))


def _recover_gate(rw: Rewrite, node: Node) -> bool:
    readers = rw.readers(Ref(node.name))
    if not _is_unit_clip(rw, node) or node.outputs[0].dtype != "float32" or node.outputs[0].rank != 4:
        return False
    line = node.inputs[0]
    is_line = rw.known(line) is None and _by_number(rw, rw.source.nodes[line.node], "AddV2") is not None
    is_gate = len(readers) == 1 and readers[0].op == "Mul" and all(rw.known(ref) is None for ref in readers[0].inputs)
    if not is_line or not is_gate or len(rw.readers(line)) != 1:
        return False
    path = node.name
    six, sixth = (
        rw.data(np.asarray(number, dtype=np.float32), f"{path}/{name}")
        for number, name in ((6, "six"), (1 / 6, "sixth"))
    )
    limited = rw.emit("Relu6", rw.emit("Mul", rw.value(line), six, name=f"{path}/sixfold"), name=f"{path}/gate")
    return rw.put(node, "Mul", limited, sixth)


def _recover(rw: Rewrite, node: Node) -> bool:
    if node.op != "Mul" or node.outputs[0].dtype != "float32":
        return False
    for x, old in (node.inputs, node.inputs[::-1]):
        if rw.known(x) is not None or rw.known(old) is not None or rw.old_type(x) != node.outputs[0]:
            continue
        gate, path = _gate(rw, x, old), node.name
        if gate is not None:
            product = rw.emit("Mul", rw.value(x), gate, name=f"{path}/product")
            return rw.put(node, "Mul", product, rw.data(np.asarray(1 / 6, dtype=np.float32), f"{path}/sixth"))
    return False


def _gate(rw: Rewrite, x: Ref, old: Ref) -> Ref | None:
    """relu6(x + 3), if an old value that is read once is a sixth of it."""
    node = rw.source.nodes[old.node]
    if len(rw.readers(old)) != 1:
        return None
    if (sixth := _by_number(rw, node, "Mul")) is not None and isclose(sixth[1], 1 / 6, rel_tol=1e-6):
        relu = rw.source.nodes[sixth[0].node]
        is_gate = relu.op == "Relu6" and len(rw.readers(sixth[0])) == 1 and _plus(rw, relu.inputs[0], 3.0) == x
        return rw.value(sixth[0]) if is_gate else None
    if not _is_unit_clip(rw, node):
        return None
    line = _plus(rw, node.inputs[0], 0.5)
    scaled = None if line is None else _by_number(rw, rw.source.nodes[line.node], "Mul")
    if scaled is None or scaled[0] != x or not isclose(scaled[1], 1 / 6, rel_tol=1e-6):
        return None
    three = rw.data(np.asarray(3, dtype=np.float32), f"{node.name}/three")
    return rw.emit("Relu6", rw.emit("AddV2", rw.value(x), three, name=f"{node.name}/line"), name=f"{node.name}/gate")


def _is_unit_clip(rw: Rewrite, node: Node) -> bool:
    return node.op == "ClipByValue" and [_number(rw, ref) for ref in node.inputs[1:]] == [0.0, 1.0]


def _plus(rw: Rewrite, old: Ref, term: float) -> Ref | None:
    """What an old value is more than by that number."""
    found = None if rw.known(old) is not None else _by_number(rw, rw.source.nodes[old.node], "AddV2")
    return found[0] if found is not None and found[1] == term else None


def _by_number(rw: Rewrite, node: Node, op: str) -> tuple[Ref, float] | None:
    """The value and the number that an operation is of."""
    for side in (0, 1):
        number = _number(rw, node.inputs[1 - side]) if node.op == op else None
        if number is not None and rw.known(node.inputs[side]) is None:
            return node.inputs[side], number
    return None


def _number(rw: Rewrite, old: Ref) -> float | None:
    array = rw.known(old)
    return float(array.ravel()[0]) if array is not None and array.size == 1 and array.ndim <= 1 else None

"""Which values are worth keeping un-transposed, because a Transpose may still vanish further on."""

from collections.abc import Mapping

from converter.tfjs.graph import Node, Ref
from converter.tfjs.passes.families import BROADCASTING, UNARY
from converter.tfjs.passes.nhwc_layout.rules import RULES
from converter.tfjs.permute import Perm
from converter.tfjs.rewrite import Rewrite

_ABSORBING = ("ArgMax", "ArgMin", "Reshape", "Shape", "Transpose", "Unpack")
_REDUCING = ("Max", "Mean", "Min", "Prod", "Sum")
_KEEPING_AXES = frozenset({*UNARY, *BROADCASTING, "AddN", "ConcatV2"})


def wanted(rw: Rewrite) -> Mapping[Ref, Perm | None]:
    """The old values from which a path of movable operations leads to one that can take a Transpose in.

    With each, the order of axes in which all that reads it wants it, None if there is no one order.
    """
    found: dict[Ref, Perm | None] = {}
    for node in reversed(rw.live):
        results = [Ref(node.name, index) for index in range(len(node.outputs))]
        if node.op in RULES and (_absorbs(node) or any(ref in found for ref in results)):
            for ref in node.inputs:
                found[ref] = _order(rw, node, ref, found.get(results[0])) if len(rw.readers(ref)) == 1 else None
    return found


def _absorbs(node: Node) -> bool:
    return node.op in _ABSORBING or (node.op in _REDUCING and not node.attrs.get("keep_dims"))


def _order(rw: Rewrite, node: Node, old: Ref, of_result: Perm | None) -> Perm | None:
    if node.op == "Transpose":
        perm = rw.known(node.inputs[1])
        return None if perm is None else tuple(int(axis) for axis in perm)
    is_alike = node.op in _KEEPING_AXES and rw.old_type(old).rank == node.outputs[0].rank
    return of_result if is_alike else None

"""Which values are worth keeping un-transposed, because a Transpose may still vanish further on."""

from converter.tfjs.graph import Node, Ref
from converter.tfjs.passes.nhwc_layout.rules import RULES
from converter.tfjs.rewrite import Rewrite

_ABSORBING = ("ArgMax", "ArgMin", "Reshape", "Shape", "Transpose", "Unpack")
_REDUCING = ("Max", "Mean", "Min", "Prod", "Sum")


def wanted(rw: Rewrite) -> frozenset[Ref]:
    """The old values from which a path of movable operations leads to one that can take a Transpose in."""
    found: set[Ref] = set()
    for node in reversed(rw.live):
        if node.op in RULES and (_absorbs(node) or any(Ref(node.name, i) in found for i in range(len(node.outputs)))):
            found.update(node.inputs)
    return frozenset(found)


def _absorbs(node: Node) -> bool:
    return node.op in _ABSORBING or (node.op in _REDUCING and not node.attrs.get("keep_dims"))

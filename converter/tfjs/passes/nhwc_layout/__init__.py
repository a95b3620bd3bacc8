"""Carries Transposes towards the outputs until they meet their inverse, so that a whole network runs in NHWC.

Convolutions and pools of TF.js exist in NHWC alone, and arrive here between a Transpose from NCHW and one back. Each
value that a Transpose would make is kept as the value moved and the permutation still owed (`lazy.Lazy`). An operation
that can work on the value moved does so and owes the same; any other gets the Transpose it is owed, which is made once.
"""

from converter.tfjs.graph import Graph, Node
from converter.tfjs.passes.nhwc_layout.apart import APART, parts_of_reshape
from converter.tfjs.passes.nhwc_layout.demand import wanted
from converter.tfjs.passes.nhwc_layout.lazy import Layout
from converter.tfjs.passes.nhwc_layout.price import Prices
from converter.tfjs.passes.nhwc_layout.rules import RULES
from converter.tfjs.rewrite import Rewrite, Rule, rewrite


def nhwc_layout(graph: Graph) -> Graph:
    """The graph with as few Transposes as this finds, never with more than it had."""
    best, least = graph, _n_transposes(graph)
    for make_rule in (_looking_ahead, _always_later):
        found = rewrite(graph, make_rule)
        n_found = _n_transposes(found)
        if n_found < least or (best is graph and n_found == least):
            best, least = found, n_found
    return best


def _looking_ahead(rw: Rewrite) -> Rule:
    return _rule(Layout(rw, wanted(rw), Prices(rw, lambda node, perm: parts_of_reshape(rw, node, perm) is not None)))


def _always_later(rw: Rewrite) -> Rule:
    return _rule(Layout(rw, wanted(rw), None))


def _rule(layout: Layout) -> Rule:
    def visit(node: Node) -> bool:
        if any(ref in layout.parts for ref in node.inputs):
            return APART[node.op](layout, node)
        return node.op in RULES and RULES[node.op](layout, node)

    return visit


def _n_transposes(graph: Graph) -> int:
    return graph.count_ops().get("Transpose", 0)

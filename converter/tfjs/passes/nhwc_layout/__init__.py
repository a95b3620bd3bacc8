"""Carries Transposes towards the outputs until they meet their inverse, so that a whole network runs in NHWC.

Convolutions and pools of TF.js exist in NHWC alone, and arrive here between a Transpose from NCHW and one back. Each
value that a Transpose would make is kept as the value moved and the permutation still owed (`lazy.Lazy`). An operation
that can work on the value moved does so and owes the same; any other gets the Transpose it is owed, which is made once.
"""

from converter.tfjs.graph import Graph
from converter.tfjs.passes.nhwc_layout.demand import wanted
from converter.tfjs.passes.nhwc_layout.lazy import Layout
from converter.tfjs.passes.nhwc_layout.rules import RULES
from converter.tfjs.rewrite import Rewrite, Rule, rewrite


def nhwc_layout(graph: Graph) -> Graph:
    """The graph with as few Transposes as this finds, never with more than it had."""
    best, least = graph, _n_transposes(graph)
    for is_patient in (True, False):
        found = rewrite(graph, lambda rw, is_patient=is_patient: _rule(rw, is_patient))  # type: ignore[misc]
        n_found = _n_transposes(found)
        if n_found < least or (is_patient and n_found == least):
            best, least = found, n_found
    return best


def _rule(rw: Rewrite, is_patient: bool) -> Rule:
    layout = Layout(rw, wanted(rw), is_patient)
    return lambda node: node.op in RULES and RULES[node.op](layout, node)


def _n_transposes(graph: Graph) -> int:
    return graph.count_ops().get("Transpose", 0)

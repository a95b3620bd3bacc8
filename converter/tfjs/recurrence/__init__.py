"""Expands Recurrence nodes, which TF.js does not have: unrolled over time, or as one loop.

A Recurrence applies a function to each step of its sequences. Operands: the initial states, the sequences, and the
values that the function reads at each step. Results: the last states, and the rows that the steps return, stacked.
Attributes: `body`, the function (position, states, elements of the sequences, values) -> (states, rows); `n_states`;
`n_sequences`; `axis`, that of the steps in sequences and stacked rows; `is_backward`, whether the last step comes
first; `rows_like`, for each row the state whose shape it has.
"""

from collections.abc import Mapping

from converter.tfjs.graph import FunctionName, Graph, Node, Ref
from converter.tfjs.recurrence.loop import as_loop
from converter.tfjs.recurrence.parts import Recurrence, n_nodes_of, n_steps_of
from converter.tfjs.recurrence.unroll import unroll
from converter.tfjs.rewrite import Rewrite, rewrite

RECURRENCE = "Recurrence"
UNROLL_LIMIT = 6000
"""The most nodes that the recurrences of a graph are unrolled to.

Measured on wasm and cpu in Node.js: a call of a loop takes 1.4 to 3 times as long as that of the steps, but from 500
steps of an LSTM on, which are as many nodes, to load the steps and run them once takes as long as with the loop.
"""


def expand_recurrences(graph: Graph, unroll_limit: int = UNROLL_LIMIT) -> Graph:
    """Replace each Recurrence by its steps, or by a loop.

    Those with an unknown number of steps become loops, and the longest of the others, until no more than `unroll_limit`
    nodes are left of all steps.
    """
    library, short = graph.functions, _short(graph, unroll_limit)

    def visit(rw: Rewrite, node: Node) -> bool:
        if node.op != RECURRENCE:
            return False
        one = Recurrence(rw, node, _body(node, library))
        for index, result in enumerate(unroll(one) if node.name in short else as_loop(one)):
            if result is not None:
                rw.bind(Ref(node.name, index), result)
        return True

    return rewrite(graph, lambda rw: lambda node: visit(rw, node), only={RECURRENCE})


def _body(node: Node, library: Mapping[str, Graph]) -> Graph:
    name = node.attrs["body"]
    assert isinstance(name, FunctionName)
    return library[name.name]


def _short(graph: Graph, unroll_limit: int) -> set[str]:
    """The recurrences to unroll."""
    sizes: dict[str, int] = {}
    for _, one in graph.walk():
        for node in one.nodes.values():
            n_steps = n_steps_of(one, node) if node.op == RECURRENCE else None
            if n_steps is not None:
                sizes[node.name] = n_steps * n_nodes_of(_body(node, graph.functions))
    total = sum(sizes.values())
    for name in sorted(sizes, key=lambda name: sizes[name], reverse=True):
        if total > unroll_limit:
            total -= sizes.pop(name)
    return set(sizes)

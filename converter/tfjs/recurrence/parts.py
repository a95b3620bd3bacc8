"""The operands, results and body of one Recurrence node."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from converter.tfjs.graph import NOT_COMPUTED, Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite


def n_steps_of(graph: Graph, node: Node) -> int | None:
    """The number of steps of a Recurrence, None where it is dynamic."""
    n_states, n_sequences, axis = (number_of(node, name) for name in ("n_states", "n_sequences", "axis"))
    for ref in node.inputs[n_states : n_states + n_sequences]:
        shape = graph.type_of(ref).shape
        size = None if shape is None else shape[axis]
        if isinstance(size, int):
            return size
    return None


def n_nodes_of(body: Graph) -> int:
    """The number of nodes that a step computes."""
    handed_out = {ref.node for ref in body.outputs.values()}
    return sum(node.op not in NOT_COMPUTED and node.name not in handed_out for node in body.nodes.values())


def number_of(node: Node, name: str) -> int:
    """An integer attribute of a Recurrence."""
    value = node.attrs[name]
    assert isinstance(value, int)
    return value


@dataclass(frozen=True)
class Recurrence:
    """A node about to be expanded: values named `old` are those of the source, all others those of the new graph."""

    rw: Rewrite
    node: Node
    body: Graph

    @property
    def n_states(self) -> int:
        """The number of states."""
        return number_of(self.node, "n_states")

    @property
    def n_sequences(self) -> int:
        """The number of sequences."""
        return number_of(self.node, "n_sequences")

    @property
    def axis(self) -> int:
        """The axis of the steps, in the sequences and in the stacked rows."""
        return number_of(self.node, "axis")

    @property
    def is_backward(self) -> bool:
        """Whether the last step comes first."""
        return bool(number_of(self.node, "is_backward"))

    @property
    def rows_like(self) -> list[int]:
        """For each row the index of the state that has its shape."""
        value = self.node.attrs["rows_like"]
        assert isinstance(value, list)
        return [int(one) for one in value]

    @cached_property
    def n_steps(self) -> int | None:
        """The number of steps, None where it is dynamic."""
        return n_steps_of(self.rw.source, self.node)

    def is_read(self, output: int) -> bool:
        """Whether anything reads a result."""
        return bool(self.rw.readers(Ref(self.node.name, output)))

    @cached_property
    def operands(self) -> tuple[Ref, ...]:
        """The operands."""
        return self.rw.operands(self.node)

    @property
    def states(self) -> tuple[Ref, ...]:
        """The initial states."""
        return self.operands[: self.n_states]

    @property
    def sequences(self) -> tuple[Ref, ...]:
        """The sequences."""
        return self.operands[self.n_states : self.n_states + self.n_sequences]

    @property
    def values(self) -> tuple[Ref, ...]:
        """What each step reads."""
        return self.operands[self.n_states + self.n_sequences :]

    @cached_property
    def parameters(self) -> list[str]:
        """The placeholders of the body: the position, the states, the elements, the values."""
        return list(self.body.inputs.values())

    @cached_property
    def results(self) -> Sequence[Ref]:
        """The values of the body that it returns: the states, then the rows."""
        return [self.body.nodes[ref.node].inputs[0] for ref in self.body.outputs.values()]

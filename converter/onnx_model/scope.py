"""What names stand for while a model is worked out: values of the graph, or structures that dissolve."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from converter.onnx_model.model import ValueType


@dataclass(frozen=True)
class Sequence:
    """An ONNX sequence whose length is known."""

    items: tuple["Value", ...]


@dataclass(frozen=True)
class Optional:
    """An ONNX optional of which it is known whether it has an element."""

    element: "Value | None"


@dataclass(frozen=True)
class Lost:
    """What a node should have made that was refused."""


LOST = Lost()
Value = str | Sequence | Optional | Lost  # a string names a value of the graph; "" is an absent operand


def leaves(value: Value) -> Iterator[str]:
    """The values of the graph that a structure consists of."""
    match value:
        case Sequence():
            for item in value.items:
                yield from leaves(item)
        case Optional() if value.element is not None:
            yield from leaves(value.element)
        case str():
            yield value


@dataclass
class Scope:
    """The names of one graph or sub-graph; what it does not know, the graph around it may.

    `given` are the names that values must have if they are made here: those of the node that the graph replaces.
    """

    parent: "Scope | None" = None
    prefix: str = ""
    declared: Mapping[str, ValueType] = field(default_factory=dict)
    names: dict[str, Value] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)

    @property
    def is_main(self) -> bool:
        """Whether these are the names of the main graph, which every value of it keeps."""
        return self.parent is None and not self.prefix

    def find(self, name: str) -> Value:
        """What a name stands for; the names of the main graph stand for themselves."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return name

    def label(self, name: str) -> str:
        """A name that tells where it comes from."""
        return f"{self.prefix}/{name}" if self.prefix else name

"""Which lowering expresses which ONNX operator, by the exact opset in which its semantics began."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from converter.errors import InternalError, UnsupportedError
from converter.lowering.refusals import refusal

if TYPE_CHECKING:
    from converter.lowering.context import LoweringContext

Run = Callable[["LoweringContext"], None]


@dataclass(frozen=True, order=True)
class OpKey:
    """An operator's semantics: `since` is the opset in which they began."""

    domain: str
    op: str
    since: int

    def __str__(self) -> str:
        return f"{self.domain or 'ai.onnx'}::{self.op}-{self.since}"


@dataclass(frozen=True)
class Lowering:
    """A function that emits one node, and the operands that must be known before the graph runs."""

    run: Run
    const_inputs: frozenset[int]


@dataclass
class Registry:
    """Lowerings by exact operator version."""

    table: dict[OpKey, Lowering] = field(default_factory=dict)

    def lowers(
        self, *ops: str, since: Iterable[int], const_inputs: Iterable[int] = (), domain: str = ""
    ) -> Callable[[Run], Run]:
        """Register a function for one or more operators that it expresses alike.

        Raises: InternalError if one of them has a lowering already.
        """
        versions, constant = tuple(since), frozenset(const_inputs)

        def register(run: Run) -> Run:
            for op in ops:
                for version in versions:
                    key = OpKey(domain, op, version)
                    if key in self.table:
                        raise InternalError(f"{key} is lowered twice")
                    self.table[key] = Lowering(run, constant)
            return run

        return register

    def has(self, domain: str, op: str, since: int) -> bool:
        """Whether these exact semantics have a lowering."""
        return OpKey(domain, op, since) in self.table

    def find(self, domain: str, op: str, since: int) -> Lowering:
        """The lowering of exactly these semantics, never of "the newest version not above".

        Raises: UnsupportedError naming the versions that are known.
        """
        if (lowering := self.table.get(OpKey(domain, op, since))) is not None:
            return lowering
        known = sorted(key.since for key in self.table if (key.domain, key.op) == (domain, op))
        if known:
            versions = ", ".join(map(str, known))
            raise UnsupportedError(
                f"no lowering for these semantics (known: since {versions})", hint="export at another opset"
            )
        why = refusal(domain, op)
        raise UnsupportedError(why.reason, hint=why.hint)

    def versions(self) -> Mapping[tuple[str, str], list[int]]:
        """The versions known of each (domain, op)."""
        known: dict[tuple[str, str], list[int]] = {}
        for key in sorted(self.table):
            known.setdefault((key.domain, key.op), []).append(key.since)
        return known


REGISTRY = Registry()
lowers = REGISTRY.lowers

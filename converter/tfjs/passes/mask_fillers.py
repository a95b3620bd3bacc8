"""Finds the constants that fill masks of softmaxes and nothing else, so that another low number does as well."""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import isfinite

from converter.tfjs.extents import ABSORBING, REARRANGING, Extents, is_zero_or_one
from converter.tfjs.graph import Node, Ref
from converter.tfjs.rewrite import Rewrite

_FILLING = REARRANGING | {"ConcatV2", "Fill", "Pack"}


@dataclass
class _Reach:
    """The softmaxes that a constant reaches, and whether it reaches nothing else."""

    softmaxes: set[str] = field(default_factory=set)
    is_filler: bool = True


class Fillers:
    """The constants to fill with -REDUCTION_LIMIT, and the softmaxes that are right then.

    A constant qualifies if it has one number below the limit, which only SelectV2, data movement, and an AddV2 of
    numbers that it absorbs bring to softmaxes, none of which sees another number below it: a fully masked row is
    uniform then with either number, and a masked element 0. Added numbers must be less than 4e12 for that.
    """

    def __init__(self, rw: Rewrite, extents: Extents, softmaxes: Collection[str]) -> None:
        self._rw, self._extents = rw, extents
        self._outputs = {ref.node for ref in rw.source.outputs.values()}
        reaches = {ref: self._reach(ref) for name in rw.source.constants if extents.of(ref := Ref(name)).low}
        wrong = {name for name in softmaxes if not self._has_one_number(name)}
        wrong |= {name for reach in reaches.values() if not reach.is_filler for name in reach.softmaxes}
        while more := {
            name for reach in reaches.values() if reach.softmaxes & wrong for name in reach.softmaxes - wrong
        }:
            wrong |= more
        self.constants = [
            ref for ref, one in reaches.items() if one.softmaxes & set(softmaxes) and not one.softmaxes & wrong
        ]
        self.softmaxes = {name for ref in self.constants for name in reaches[ref].softmaxes}

    def _has_one_number(self, softmax: str) -> bool:
        low, high = self._extents.of(self._rw.source.nodes[softmax].inputs[0])
        return low is not None and high == frozenset() and all(map(isfinite, low))

    def _reach(self, constant: Ref) -> _Reach:
        reach = _Reach()
        low, high = self._extents.of(constant)
        if low is None or high != frozenset() or not all(isfinite(one) and abs(one) >= ABSORBING for one in low):
            reach.is_filler = False
        waiting, seen = [constant], {constant}
        while waiting:
            value = waiting.pop()
            for reader in self._rw.readers(value):
                if reader.op == "Softmax":
                    reach.softmaxes.add(reader.name)
                    reach.is_filler &= self._has_one_number(reader.name)
                    continue
                reach.is_filler &= self._hands_on(reader, value)
                results = {Ref(reader.name, at) for at in range(len(reader.outputs))}
                waiting += [one for one in results - seen if self._extents.of(one)]
                seen |= results
        return reach

    def _hands_on(self, node: Node, value: Ref) -> bool:
        """Whether a node's result has the number of one of its operands where a mask is closed, and no other below."""
        if node.name in self._outputs:
            return False
        if node.op == "SelectV2" or node.op in _FILLING:
            return True
        others = [ref for ref in node.inputs if ref != value]
        if len(others) != 1 or self._extents.of(others[0]):
            return False
        return node.op in ("Add", "AddV2") or (node.op == "Mul" and is_zero_or_one(self._rw.source, others[0]))

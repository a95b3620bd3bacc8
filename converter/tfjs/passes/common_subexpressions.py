"""Computes equal things once."""

from collections.abc import Hashable
from hashlib import blake2b

import numpy as np

from converter.tfjs.graph import Attr, Graph, Node, Ref
from converter.tfjs.optable import OPTABLE
from converter.tfjs.rewrite import Rewrite, rewrite

_RANDOM = ("Multinomial", "RandomStandardNormal", "RandomUniform", "RandomUniformInt", "TruncatedNormal")
N_FIRST = 16
_STATEFUL_CATEGORIES = ("control", "hash_table")


def common_subexpressions(graph: Graph) -> Graph:
    """The graph with one node in the place of all that have the same operation, operands and attributes.

    Constants are equal if their bytes are; one that is read as data and as a parameter stays two.
    """
    return rewrite(graph, lambda rw: _Merging(rw).visit)


class _Merging:
    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw
        self.seen: dict[Hashable, tuple[Ref, ...]] = {}
        self._merge_constants()

    def _merge_constants(self) -> None:
        seen: dict[Hashable, Ref] = {}
        for name, key in _constant_keys(self.rw.source).items():
            first = seen.setdefault(key, Ref(name))
            if first != Ref(name):
                self.rw.alias(Ref(name), first)

    def visit(self, node: Node) -> bool:
        if node.op in _RANDOM or node.op not in OPTABLE or OPTABLE[node.op].category in _STATEFUL_CATEGORIES:
            return False
        attrs = tuple((name, _frozen(node.attrs[name])) for name in sorted(node.attrs))
        key = (node.op, self.rw.operands(node), attrs)
        if key in self.seen:
            return self.rw.forward(node, *self.seen[key])
        self.rw.copy(node)
        self.seen[key] = tuple(Ref(node.name, index) for index in range(len(node.outputs)))
        return True


def _constant_keys(graph: Graph) -> dict[str, Hashable]:
    """What makes each constant equal to another; only those that may be are hashed."""
    kinds: dict[tuple[object, ...], list[str]] = {}
    for name, array in graph.constants.items():
        kinds.setdefault((array.dtype, array.shape, _start(array)), []).append(name)
    return {
        name: (kind, _digest(graph.constants[name]) if len(names) > 1 else b"")
        for kind, names in kinds.items()
        for name in names
    }


def _start(array: np.ndarray) -> bytes:
    """The first elements, which tell most weights of the same shape apart."""
    return b"" if array.dtype.kind in "OSU" else array.flat[:N_FIRST].tobytes()


def _digest(array: np.ndarray) -> bytes:
    if array.dtype.kind in "OSU":
        return repr(array.tolist()).encode()
    return blake2b(np.ascontiguousarray(array).data).digest()


def _frozen(value: Attr) -> Hashable:
    if isinstance(value, list):
        return (list.__name__, tuple(map(_frozen, value)))
    return (type(value).__name__, value)

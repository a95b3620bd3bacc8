"""Values whose Transpose has not been made yet."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from converter.tfjs.graph import Attr, DataType, Node, Ref, TensorType, n_elements
from converter.tfjs.passes.nhwc_layout.parts import Parts
from converter.tfjs.passes.nhwc_layout.price import Prices
from converter.tfjs.permute import Perm, identity, inverse, is_identity, keeps_order, moved, reshape_operand
from converter.tfjs.rewrite import Rewrite


class Lazy(NamedTuple):
    """An old value as a new one and the permutation of its axes that is still owed."""

    base: Ref
    perm: Perm


class Cost(NamedTuple):
    """What it takes to bring values into a layout: Transposes, elements that they move, and free reshapes."""

    n_transposes: int
    n_elements: int
    n_reshapes: int

    def plus(self, other: "Cost") -> "Cost":
        """The cost of both."""
        return Cost(*(a + b for a, b in zip(self, other, strict=True)))


FREE = Cost(0, 0, 0)


class Layout:
    """What is owed in a graph being rebuilt, and the Transposes that were made."""

    def __init__(self, rw: Rewrite, wanted: Mapping[Ref, Perm | None], prices: Prices | None) -> None:
        self.rw = rw
        self.wanted = wanted
        self.prices = prices
        self.shapes: dict[Ref, tuple[Ref, Perm]] = {}
        self.parts: dict[Ref, tuple[Ref, Parts]] = {}
        self._lazy: dict[Ref, Lazy] = {}
        self._moved: dict[tuple[Ref, Perm], Ref] = {}
        self._shape_of: dict[Ref, Ref] = {}
        self._constants: dict[tuple[Ref, Perm, bool], Ref] = {}

    def lazy(self, old: Ref) -> Lazy | None:
        """What an old value owes, None if nothing."""
        return self._lazy.get(old)

    def view(self, old: Ref) -> Lazy | None:
        """An old value as it is, None if its rank is unknown."""
        if (found := self.lazy(old)) is not None:
            return found
        rank = self.rw.old_type(old).rank
        return None if rank is None else Lazy(self.rw.value(old), identity(rank))

    def owe(self, old: Ref, base: Ref, perm: Perm) -> None:
        """Say that an old value is `base` with its axes permuted."""
        if is_identity(perm):
            self.rw.bind(old, base)
            return
        self._lazy[old] = Lazy(base, perm)
        self.rw.bind_lazily(old, lambda: self._settle(old, Lazy(base, perm)))

    def _settle(self, old: Ref, lazy: Lazy) -> Ref:
        node = self.rw.source.nodes[old.node]
        return self.moved(lazy.base, lazy.perm, node if len(node.outputs) == 1 else f"{node.name}/nchw")

    def moved(self, base: Ref, perm: Perm, name: str | Node) -> Ref:
        """A new value with its axes permuted; made once, as a Reshape where that is enough."""
        if is_identity(perm):
            return base
        if (base, perm) not in self._moved:
            self._moved[base, perm] = self._make_moved(base, perm, name)
        return self._moved[base, perm]

    def _make_moved(self, base: Ref, perm: Perm, name: str | Node) -> Ref:
        type_ = self.rw.type_of(base)
        if (operand := _reshape_operand(type_, perm)) is not None:
            return self.rw.emit("Reshape", base, self.rw.param(operand), name=name)
        if type_.dtype != "bool":
            return self.rw.emit("Transpose", base, self.rw.param(perm), name=name)
        path = name if isinstance(name, str) else name.name
        number = self.rw.emit("Cast", base, name=path, SrcT=DataType("DT_BOOL"), DstT=DataType("DT_FLOAT"))
        number = self.rw.emit("Transpose", number, self.rw.param(perm), name=path)
        zero = self.rw.data(np.zeros((), dtype=np.float32), name=f"{path}/zero")
        return self.rw.emit("NotEqual", number, zero, name=name)

    def shape_of(self, base: Ref, name: str) -> Ref:
        """The Shape of a new value; made once."""
        if base not in self._shape_of:
            self._shape_of[base] = self.rw.emit("Shape", base, name=name)
        return self._shape_of[base]

    def constant(self, old: Ref, perm: Perm, *, trims: bool) -> Ref:
        """A constant in the layout of values that owe `perm`; `trims` drops leading axes of size 1."""
        array = self.rw.known(old)
        if array is None or (array.size == 1 and array.ndim <= 1):
            return self.rw.value(old)
        if (old, perm, trims) not in self._constants:
            full = array.reshape((1,) * (len(perm) - array.ndim) + array.shape)
            full = np.transpose(full, inverse(perm))
            n_ones = next((axis for axis, dim in enumerate(full.shape) if dim != 1), full.ndim) if trims else 0
            new = np.ascontiguousarray(full.reshape(full.shape[n_ones:]))
            self._constants[old, perm, trims] = self.rw.data(new, name=f"{old.node}/nhwc")
        return self._constants[old, perm, trims]

    def cost(self, base: Ref, perm: Perm) -> Cost:
        """What `moved` would take."""
        type_ = self.rw.type_of(base)
        if is_identity(perm) or (base, perm) in self._moved:
            return FREE
        if _reshape_operand(type_, perm) is not None:
            return Cost(0, 0, 1)
        known = n_elements([dim for dim in type_.shape or () if isinstance(dim, int)])
        return Cost(1, known or 0, 0)

    def emit(self, node: Node, perm: Perm, *operands: Ref, **attrs: Attr) -> bool:
        """Append the node's operation on operands in another layout; each of its results owes `perm`."""
        name = f"{node.name}/nhwc"
        back = inverse(perm)
        results = self.rw.emit_all(node.op, *operands, name=name, **attrs)
        for index, base in enumerate(results):
            old = Ref(node.name, index)
            shape = self.rw.old_type(old).shape
            self.rw.refine(base, None if shape is None else moved(shape, back))
            self.owe(old, base, perm)
        return True


def _reshape_operand(type_: TensorType, perm: Perm) -> list[int] | None:
    """What a Reshape that does the work of a Transpose takes, None if none can."""
    if type_.shape is None or not keeps_order(type_.shape, perm):
        return None
    return reshape_operand(moved(type_.shape, perm))

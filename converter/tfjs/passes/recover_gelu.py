"""Writes the two forms of GELU, however an exporter put them, in the fewest kernels.

Source: medians of 8 in turn on 65x768 elements, over the exported form: erf form with both factors folded into its
neighbours, as they are behind a Linear and before one, 0.82 on webgl and 1.0 on wasm; tanh form 0.65 on webgl and 0.69
on wasm, whose sigmoid computes four elements at once and whose tanh one.
"""

from dataclasses import dataclass
from math import isclose

import numpy as np

from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.rewrite import Rewrite, rewrite

_DEEPEST = 4  # operations that follow each other in a product


@dataclass(frozen=True)
class _Product:
    """A number times old values."""

    factor: float
    values: tuple[Ref, ...]


def recover_gelu(graph: Graph) -> Graph:
    """The graph with u * (1 + erf(u)), of a scaled u, and x * sigmoid(x * (a + b * x * x)), for GELU.

    1 + tanh(w) is 2 * sigmoid(2 * w), without the loss of digits for a negative w.
    """
    return rewrite(graph, lambda rw: _Recovering(rw).visit, only=("Erf", "Tanh"))


class _Recovering:
    def __init__(self, rw: Rewrite) -> None:
        self.rw = rw

    def visit(self, node: Node) -> bool:
        if node.op not in ("Mul", "RealDiv") or node.outputs[0].dtype != "float32" or self.rw.must_stay_exact(node):
            return False
        whole = self._opened(node, None, _DEEPEST)
        if len(whole.values) != 2:
            return False
        return any(self._put(node, whole.factor, *pair) for pair in (whole.values, whole.values[::-1]))

    def _put(self, node: Node, factor: float, x: Ref, gate: Ref) -> bool:
        inner = self._one_plus(gate)
        if inner is None or self.rw.old_type(x) != node.outputs[0]:
            return False
        argument = self._product(inner.inputs[0], x)
        if inner.op == "Erf":
            return argument.values == (x,) and argument.factor != 0 and self._put_erf(node, factor, x, argument.factor)
        cubic = self._cubic(argument, x)
        return cubic is not None and self._put_tanh(node, factor, x, *cubic)

    def _put_erf(self, node: Node, factor: float, x: Ref, scale: float) -> bool:
        u = self._scaled(self.rw.value(x), scale, f"{node.name}/u")
        gate = self._plus(self.rw.emit("Erf", u, name=f"{node.name}/erf"), 1.0, f"{node.name}/gate")
        if isclose(factor, scale, rel_tol=1e-7):
            return self.rw.put(node, "Mul", u, gate)
        product = self.rw.emit("Mul", u, gate, name=f"{node.name}/product")
        return self.rw.put(node, "Mul", product, self._number(factor / scale, node.name))

    def _put_tanh(self, node: Node, factor: float, x: Ref, linear: float, cubic: float) -> bool:
        value, path = self.rw.value(x), node.name
        square = self.rw.emit("Mul", value, value, name=f"{path}/square")
        slope = self._plus(self._scaled(square, 2 * cubic, f"{path}/cubic"), 2 * linear, f"{path}/slope")
        argument = self.rw.emit("Mul", value, slope, name=f"{path}/argument")
        gate = self.rw.emit("Sigmoid", argument, name=f"{path}/gate")
        if isclose(factor, 0.5, rel_tol=1e-7):
            return self.rw.put(node, "Mul", value, gate)
        product = self.rw.emit("Mul", value, gate, name=f"{path}/product")
        return self.rw.put(node, "Mul", product, self._number(2 * factor, path))

    def _scaled(self, value: Ref, factor: float, path: str) -> Ref:
        return self.rw.emit("Mul", value, self._number(factor, path), name=path)

    def _plus(self, value: Ref, term: float, path: str) -> Ref:
        return self.rw.emit("AddV2", value, self._number(term, path), name=path)

    def _number(self, value: float, path: str) -> Ref:
        return self.rw.data(np.asarray(value, dtype=np.float32), f"{path}/number")

    def _one_plus(self, old: Ref) -> Node | None:
        """The Erf or Tanh that 1 is added to."""
        node = self._node(old)
        if node is None or node.op != "AddV2" or len(self.rw.readers(old)) != 1:
            return None
        for side in (0, 1):
            inner = self._node(node.inputs[1 - side])
            if self._constant(node.inputs[side]) == 1.0 and inner is not None and inner.op in ("Erf", "Tanh"):
                return inner if len(self.rw.readers(Ref(inner.name))) == 1 else None
        return None

    def _cubic(self, argument: _Product, x: Ref) -> tuple[float, float] | None:
        """What x and x ** 3 are multiplied by, in a sum of both."""
        (old, *others) = argument.values or (x,)
        node = self._node(old)
        if others or node is None or node.op != "AddV2" or len(self.rw.readers(old)) != 1:
            return None
        terms = [self._product(ref, x) for ref in node.inputs]
        powers = {len(term.values): term.factor for term in terms if set(term.values) == {x}}
        return (powers[1] * argument.factor, powers[3] * argument.factor) if powers.keys() == {1, 3} else None

    def _product(self, old: Ref, whole: Ref | None = None, depth: int = _DEEPEST) -> _Product:
        """A value as a number times others: `whole`, and what is no product or is read elsewhere as well."""
        node = self._node(old)
        if (number := self._constant(old)) is not None:
            return _Product(number, ())
        if node is None or old == whole or not depth or len(self.rw.readers(old)) != 1:
            return _Product(1.0, (old,))
        return self._opened(node, whole, depth - 1)

    def _opened(self, node: Node, whole: Ref | None, depth: int) -> _Product:
        if node.op == "RealDiv" and (divisor := self._constant(node.inputs[1])):
            over = self._product(node.inputs[0], whole, depth)
            return _Product(over.factor / divisor, over.values)
        if node.op != "Mul":
            return _Product(1.0, (Ref(node.name),))
        one, other = (self._product(ref, whole, depth) for ref in node.inputs)
        return _Product(one.factor * other.factor, one.values + other.values)

    def _node(self, old: Ref) -> Node | None:
        return None if self.rw.known(old) is not None else self.rw.source.nodes[old.node]

    def _constant(self, old: Ref) -> float | None:
        array = self.rw.known(old)
        return float(array.ravel()[0]) if array is not None and array.size == 1 and array.ndim <= 1 else None

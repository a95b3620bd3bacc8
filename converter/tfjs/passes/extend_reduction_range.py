"""Makes reductions right for rows whose elements all lie beyond `REDUCTION_LIMIT`, such as fully masked ones.

GPU kernels start a maximum at -1e20 and a minimum at 1e20 instead of at an infinity (`LIMITED_REDUCTIONS`).
"""

from collections.abc import Callable

import numpy as np

from converter.tfjs.constraints import LIMITED_REDUCTIONS, REDUCTION_LIMIT
from converter.tfjs.evaluate import widened
from converter.tfjs.extents import Extents, Values
from converter.tfjs.graph import Graph, Node, Ref
from converter.tfjs.passes.mask_fillers import Fillers
from converter.tfjs.rewrite import Rewrite, rewrite

_SHRINKING = 2.0**-62  # brings each finite number within the limit; what is below 5e-20 may become 0
_MAX_SELECT_RANK = 4
_DEEPEST = 8  # operations between a softmax and a mask that leaves an element in each of its rows

Reduce = Callable[[Ref], Ref]


def extend_reduction_range(graph: Graph) -> Graph:
    """Rewrite each reduction that values beyond the limit may reach, as far as constants bring them in.

    Where they can be only one number, it replaces an extremum beyond the limit; else the operand is scaled down and the
    extremum up again. From the operand of a softmax its maximum is subtracted, unless the masks that reach it can be
    filled with the limit instead (`Fillers`).
    """
    extents = Extents(graph)
    if not extents:
        return graph
    return rewrite(graph, lambda rw: _Extending(rw, extents).visit, only=LIMITED_REDUCTIONS)


class _Extending:
    def __init__(self, rw: Rewrite, extents: Extents) -> None:
        self.rw, self.extents = rw, extents
        softmaxes = [node for node in rw.live if node.op == "Softmax" and not self._leaves_an_element(node.inputs[0])]
        fillers = Fillers(rw, extents, {node.name for node in softmaxes})
        self._is_within = fillers.softmaxes
        for ref in fillers.constants:
            array = rw.source.constants[ref.node]
            rw.bind_array(ref, np.maximum(widened(array), np.float32(-REDUCTION_LIMIT)))

    def visit(self, node: Node) -> bool:
        if node.op not in LIMITED_REDUCTIONS or node.outputs[0].dtype != "float32":
            return False
        extent = self.extents.reduced_by(self.rw.source, node)
        values = extent.low if LIMITED_REDUCTIONS[node.op] == "low" else extent.high
        if values == frozenset():
            return False
        if node.op in ("LogSoftmax", "Softmax"):
            return self._softmax(node, values)
        others = [self.rw.operand(node, at) for at in range(1, len(node.inputs))]

        def reduce(x: Ref) -> Ref:
            return self.rw.emit(node.op, x, *others, name=f"{node.name}/within", **node.attrs)

        return self.rw.forward(node, self._extremum(node, node.op, values, reduce))

    def _softmax(self, node: Node, values: Values) -> bool:
        rank = node.outputs[0].rank
        if rank is None or node.name in self._is_within or self._leaves_an_element(node.inputs[0]):
            return False

        def reduce(x: Ref) -> Ref:
            return self.rw.emit("Max", x, self.rw.param([rank - 1]), name=f"{node.name}/max", keep_dims=True)

        highest = self._extremum(node, "Max", values, reduce)
        moved = self.rw.emit("Sub", self.rw.value(node.inputs[0]), highest, name=f"{node.name}/moved")
        return self.rw.put(node, node.op, moved, **node.attrs)

    def _extremum(self, node: Node, op: str, values: Values, reduce: Reduce) -> Ref:
        """The extremum of a node's first operand, whose elements beyond the limit are among `values`."""
        rw, x = self.rw, self.rw.value(node.inputs[0])
        if values is not None:
            found = reduce(x)
            rank = rw.type_of(found).rank
            if rank is not None and rank <= _MAX_SELECT_RANK:
                (value,) = values
                test, limit = ("Greater", REDUCTION_LIMIT) if op == "Min" else ("Less", -REDUCTION_LIMIT)
                is_beyond = rw.emit(test, found, self._number(node, limit), name=f"{node.name}/is_beyond")
                is_within = rw.emit("LogicalNot", is_beyond, name=f"{node.name}/is_within")
                # the first operand gives the shape, which a number would not where there are no rows
                return rw.emit("SelectV2", is_within, found, self._number(node, value), name=f"{node.name}/extremum")
        shrunk = rw.emit("Mul", x, self._number(node, _SHRINKING), name=f"{node.name}/shrunk")
        return rw.emit("Mul", reduce(shrunk), self._number(node, 1 / _SHRINKING), name=f"{node.name}/extremum")

    def _number(self, node: Node, value: float) -> Ref:
        return self.rw.data(np.asarray(value, dtype=np.float32), name=f"{node.name}/number")

    def _leaves_an_element(self, old: Ref) -> bool:
        """Whether a constant mask leaves an element within the limit in each row of a value."""
        rw = self.rw
        for _ in range(_DEEPEST):
            if (mask := rw.known(old)) is not None:
                return mask.ndim > 0 and bool((np.abs(widened(mask)) <= REDUCTION_LIMIT).any(axis=-1).all())
            node = rw.source.nodes[old.node]
            if node.op == "SelectV2" and (chosen := rw.known(node.inputs[0])) is not None and chosen.ndim:
                within = [not self.extents.of(ref) for ref in node.inputs[1:]]
                return any(
                    ok and bool((chosen == at).any(axis=-1).all()) for ok, at in zip(within, (1, 0), strict=True)
                )
            if node.op in ("Add", "AddV2"):
                masked = [ref for ref in node.inputs if self.extents.of(ref)]
            elif node.op in ("Reshape", "Identity") and _keeps_rows(rw, node):
                masked = [node.inputs[0]]
            else:
                return False
            if len(masked) != 1:
                return False
            (old,) = masked
        return False


def _keeps_rows(rw: Rewrite, node: Node) -> bool:
    given, result = (rw.old_type(ref).shape or (None,) for ref in (node.inputs[0], Ref(node.name)))
    return isinstance(given[-1], int) and given[-1] == result[-1]

"""Writes out the steps of a Recurrence one after the other."""

from collections.abc import Callable, Sequence
from functools import cache, partial

import numpy as np

from converter.dtypes import dtype_of
from converter.tfjs.evaluate import evaluate
from converter.tfjs.graph import NOT_COMPUTED, Node, Ref, TensorType
from converter.tfjs.optable import OPTABLE
from converter.tfjs.recurrence.parts import Recurrence

Value = Ref | np.ndarray | Callable[[], Ref]
"""A value of the new graph, an array that no node reads yet, or zeros: how to compute them if a node needs them."""

_MAX_EVALUATED = 1 << 12  # elements of constants that masks are computed from


def unroll(one: Recurrence) -> list[Ref]:
    """The results of a Recurrence whose number of steps is known and not 0."""
    rw, n_steps = one.rw, one.n_steps or 0
    columns = [
        rw.emit_all("Unpack", sequence, name=f"{one.node.name}/Unpack", axis=one.axis) for sequence in one.sequences
    ]
    inliner = _Inliner(one)
    states: Sequence[Value] = [_zeros_or(one, index) for index in range(one.n_states)]
    rows: dict[int, list[Ref]] = {}
    order = range(n_steps)
    for position in reversed(order) if one.is_backward else order:
        results = inliner.step(position, states, [column[position] for column in columns])
        states, rows[position] = results[: one.n_states], results[one.n_states :]
    stacked = [
        rw.emit("Pack", *(rows[at][index] for at in order), name=f"{one.node.name}/Pack", axis=one.axis)
        for index in range(len(one.rows_like))
    ]
    return [*(inliner.ref(state) for state in states), *stacked]


def _zeros_or(one: Recurrence, index: int) -> Value:
    """An initial state, marked if it is zeros."""
    state = one.states[index]
    node = one.rw.graph.nodes[state.node]
    array = one.rw.graph.constant(node.inputs[1] if node.op == "Fill" else state)
    if array is None or array.any():
        return state
    return lambda: state


class _Later:
    """Outputs of an operation that is only emitted if one of them is needed."""

    def __init__(self, make: Callable[[], Sequence[Ref]]) -> None:
        self._make = cache(make)

    def outputs(self, count: int) -> list[Value]:
        """The outputs, each to be called for its value."""
        return [partial(self._output, index) for index in range(count)]

    def _output(self, index: int) -> Ref:
        return self._make()[index]


class _Inliner:
    """Copies the body for one step after the other; its constants are copied once."""

    def __init__(self, one: Recurrence) -> None:
        self.one, self.rw = one, one.rw
        self._data: dict[Ref, Ref] = {}
        self._captured = dict(
            zip(map(Ref, one.parameters[1 + one.n_states + one.n_sequences :]), one.values, strict=True)
        )
        self._handed_out = {ref.node for ref in one.body.outputs.values()}

    def step(self, position: int, states: Sequence[Value], elements: Sequence[Ref]) -> list[Ref]:
        """The states and rows after a step."""
        results = self._run(position, states, elements)
        wanted = [self.one.body.type_of(ref) for ref in self.one.results]
        if all(self._fits(ref, type_) for ref, type_ in zip(results, wanted, strict=True)):
            return results
        plain = [self.ref(state) for state in states]  # zeros that were left out would have broadcast
        return self._run(position, plain, elements)

    def _fits(self, ref: Ref, wanted: TensorType) -> bool:
        shape = self.rw.type_of(ref).shape
        if shape is None or wanted.shape is None or len(shape) != len(wanted.shape):
            return False
        return all(a == b or (not isinstance(b, int) and a != 1) for a, b in zip(shape, wanted.shape, strict=True))

    def _run(self, position: int, states: Sequence[Value], elements: Sequence[Ref]) -> list[Ref]:
        values: dict[Ref, Value] = dict(self._captured)
        given = (np.asarray(position, dtype=np.int32), *states, *elements)
        values.update(zip(map(Ref, self.one.parameters), given, strict=False))
        values.update({Ref(name): array for name, array in self.one.body.constants.items()})
        for node in self.one.body.nodes.values():
            if node.op not in NOT_COMPUTED and node.name not in self._handed_out:
                outputs = self._inline(node, [values[ref] for ref in node.inputs])
                values.update({Ref(node.name, index): value for index, value in enumerate(outputs)})
        return [self.ref(values[ref], ref) for ref in self.one.results]

    def _inline(self, node: Node, operands: list[Value]) -> Sequence[Value]:
        if any(callable(value) for value in operands) and (found := self._of_zeros(node, operands)) is not None:
            return found
        arrays = [value for value in operands if isinstance(value, np.ndarray)]
        if len(arrays) == len(operands) and sum(array.size for array in arrays) <= _MAX_EVALUATED:
            known = evaluate(node.op, arrays, node.attrs)
            if known is not None:
                return known
        if node.op == "SelectV2" and isinstance(operands[0], np.ndarray) and operands[0].all():
            return [operands[1]]
        if node.op == "SelectV2" and callable(operands[2]):
            operands[2] = np.zeros((), dtype=np.float32)
        return self._emit(node, operands)

    def _of_zeros(self, node: Node, operands: list[Value]) -> Sequence[Value] | None:
        """What an operation makes of zeros, None where that is no simpler."""
        later = _Later(lambda: self._emit(node, operands))
        if node.op == "MatMul" or (node.op == "Mul" and len(operands) == 2):
            return later.outputs(1)
        if node.op == "SplitV" and callable(operands[0]):
            return later.outputs(len(node.outputs))
        if node.op == "Slice" and callable(operands[0]):
            return later.outputs(1)
        if node.op == "AddV2":
            other = operands[1] if callable(operands[0]) else operands[0]
            return later.outputs(1) if callable(other) else self._broadcast(other, node.outputs[0].rank)
        return None

    def _broadcast(self, other: Value, rank: int | None) -> Sequence[Value] | None:
        """A value that stands for its sum with zeros of that rank."""
        if isinstance(other, np.ndarray):
            return None if rank is None else [other.reshape((1,) * (rank - other.ndim) + other.shape)]
        return [other] if self._type(other).rank == rank else None

    def _emit(self, node: Node, operands: list[Value]) -> tuple[Ref, ...]:
        parameters = OPTABLE[node.op].parameters(len(operands))
        refs = [
            self.rw.param(value) if index in parameters and isinstance(value, np.ndarray) and value.dtype == np.int32
            else self.ref(value, ref)
            for index, (ref, value) in enumerate(zip(node.inputs, operands, strict=True))
        ]  # fmt: skip
        return self.rw.emit_all(node.op, *refs, name=node.name, **node.attrs)

    def ref(self, value: Value, old: Ref | None = None) -> Ref:
        """The value as one of the new graph; `old` names the constant of the body that it may be."""
        if isinstance(value, Ref):
            return value
        if callable(value):
            return value()
        is_constant = old is not None and self.one.body.constants.get(old.node) is value
        if not is_constant or old is None:
            return self.rw.data(value, f"{self.one.node.name}/const")
        if old not in self._data:
            self._data[old] = self.rw.data(value, old.node)
        return self._data[old]

    def _type(self, value: Value) -> TensorType:
        if isinstance(value, np.ndarray):
            return TensorType(dtype_of(value).storage or "", value.shape)
        return self.rw.type_of(self.ref(value))

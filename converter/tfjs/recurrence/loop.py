"""Expands a Recurrence to one loop: a StatelessWhile whose body is that of the Recurrence.

The state of the loop is the position; the states; for each stacked row a TensorList, and the row stored last, which
TF.js would dispose of if the body did not return it (executor/graph_executor.js:404); a TensorList for each sequence;
the shapes of its elements and the number of steps, if they are dynamic; and the values that the body reads. Shapes
are given in full: with an unknown dimension TF.js compares all elements of a list at each access
(executor/tensor_utils.js, inferElementShape).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from converter.tfjs.builder import Builder
from converter.tfjs.graph import DataType, Dim, FunctionName, Graph, Node, Ref, TensorType
from converter.tfjs.infer import TF_OF_STORAGE
from converter.tfjs.infer.control import LIST
from converter.tfjs.recurrence.parts import Recurrence

COUNTER = TensorType("int32", ())


def as_loop(one: Recurrence) -> list[Ref | None]:
    """The results of a Recurrence with any number of steps, None for stacked rows that nothing reads."""
    return _Loop(one).results()


@dataclass(frozen=True)
class _List:
    """A TensorList: its handle, the type of its elements, and their shape as a vector on the host."""

    handle: Ref
    element: TensorType
    shape: Ref


class _Loop:
    def __init__(self, one: Recurrence) -> None:
        self.one, self.rw, self.name = one, one.rw, one.node.name
        self.builder = one.rw.builder
        self.count = None if one.n_steps is not None else self._count()
        self.sequences = [self._elements(sequence) for sequence in one.sequences]
        self.stacked = [index for index in range(len(one.rows_like)) if one.is_read(one.n_states + index)]
        self.rows = [self._reserved(index) for index in self.stacked]

    def results(self) -> list[Ref | None]:
        """Emit the loop and what is around it."""
        one = self.one
        kept = self.rw.data(np.zeros((), dtype=np.float32), f"{self.name}/const")
        lists = [ref for row in self.rows for ref in (row.handle, kept)]
        read = [sequence.handle for sequence in self.sequences]
        sizes = [sequence.shape for sequence in self.sequences if not sequence.element.is_static]
        counts = [] if self.count is None else [self.count]
        arguments = [self._first(), *one.states, *lists, *read, *sizes, *counts, *one.values]
        body, test = self._body(), self._test()
        types = [body.nodes[name].outputs[0] for name in body.inputs.values()]
        attrs = {"cond": self._register(test, "test"), "body": self._register(body, "body")}
        left = self.builder.emit("StatelessWhile", *arguments, name=f"{self.name}/loop", types=types, **attrs)
        results: dict[int, Ref] = {}
        for at, (index, row) in enumerate(zip(self.stacked, self.rows, strict=True)):
            results[index] = self._stack(left[1 + one.n_states + 2 * at], row)
        return [*left[1 : 1 + one.n_states], *(results.get(index) for index in range(len(one.rows_like)))]

    # The graph around the loop.

    def _emit(self, op: str, *operands: Ref, **attrs: object) -> Ref:
        return self.rw.emit(op, *operands, name=f"{self.name}/{op}", **attrs)  # type: ignore[arg-type]

    def _number(self, value: int) -> Ref:
        """A scalar to calculate with on the host."""
        return self.rw.data(np.asarray(value, dtype=np.int32), f"{self.name}/const")

    def _first(self) -> Ref:
        """The position of the first step."""
        if not self.one.is_backward:
            return self._number(0)
        if self.count is None:
            return self._number((self.one.n_steps or 0) - 1)
        return self._emit("Sub", self.count, self._number(1))

    def _count(self) -> Ref:
        shape = self._emit("Shape", self.one.sequences[0])
        size = self._emit("Slice", shape, self.rw.param([self.one.axis]), self.rw.param([1]))
        return self._emit("Reshape", size, self.rw.param([]))

    def _elements(self, sequence: Ref) -> _List:
        """The elements of a sequence as a TensorList."""
        axis, type_ = self.one.axis, self.rw.type_of(sequence)
        shape = type_.shape or ()
        element = TensorType(type_.dtype, (*shape[:axis], *shape[axis + 1 :]))
        if axis:
            rank = len(shape)
            order = [axis, *(at for at in range(rank) if at != axis)]
            sequence = self._emit("Transpose", sequence, self.rw.param(order))
        vector = self._shape_vector(element, lambda: self._tail(sequence))
        handle = self._emit("TensorListFromTensor", sequence, vector, element_dtype=_dtype(element))
        return _List(handle, element, vector)

    def _tail(self, x: Ref) -> Ref:
        """The shape of a value without its first dimension, as a vector on the host."""
        return self._emit("Slice", self._emit("Shape", x), self.rw.param([1]), self.rw.param([-1]))

    def _reserved(self, index: int) -> _List:
        """An empty TensorList for rows."""
        state = self.one.states[self.one.rows_like[index]]
        row = self.one.body.type_of(self.one.results[self.one.n_states + index])
        vector = self._shape_vector(row, lambda: self._emit("Shape", state))
        handle = self._emit("TensorListReserve", vector, self.rw.param(0), element_dtype=_dtype(row))
        return _List(handle, row, vector)

    def _shape_vector(self, type_: TensorType, look_up: Callable[[], Ref]) -> Ref:
        return self.rw.param(_dims(type_)) if type_.is_static else look_up()

    def _stack(self, handle: Ref, row: _List) -> Ref:
        """All rows, also if there are none, as one value."""
        if self.count is None:
            indices = self.rw.param(range(self.one.n_steps or 0))
        else:
            indices = self._emit("Range", self.rw.param(0), self.count, self.rw.param(1), Tidx=DataType("DT_INT32"))
        rows = self._emit("TensorListGather", handle, indices, row.shape, element_dtype=_dtype(row.element))
        dims: tuple[Dim, ...] = (self.one.n_steps, *(row.element.shape or ()))
        rows = self.rw.refine(rows, dims)
        axis = self.one.axis
        if not axis:
            return rows
        order = [*range(1, axis + 1), 0, *range(axis + 1, len(dims))]
        return self._emit("Transpose", rows, self.rw.param(order))

    # Its functions.

    def _register(self, graph: Graph, name: str) -> FunctionName:
        own = self.builder.names.unique(f"{self.name}/{name}")
        self.rw.functions[own] = graph
        return FunctionName(own)

    def _arguments(self, builder: Builder, where: str) -> list[Ref]:
        """Placeholders for the state of the loop; those of the body of the Recurrence keep their names in the body."""
        one, body = self.one, self.one.body
        first, last = 1 + one.n_states, 1 + one.n_states + one.n_sequences

        def own(name: str) -> Ref:
            type_ = body.nodes[name].outputs[0]
            if where == "body":
                builder.graph.add(body.nodes[name])
                builder.graph.inputs[name] = name
                return Ref(name)
            return builder.argument(f"{where}/{name}", type_)

        def other(name: str, type_: TensorType) -> Ref:
            return builder.argument(f"{self.name}/{where}/{name}", type_)

        refs = [own(name) for name in one.parameters[:first]]
        for row in self.rows:
            refs += [other("rows", LIST), other("row", TensorType(row.element.dtype, None))]
        refs += [other("elements", LIST) for _ in self.sequences]
        for sequence in self.sequences:
            if not sequence.element.is_static:
                refs.append(other("shape", TensorType("int32", (sequence.element.rank,))))
        counts = [] if self.count is None else [other("count", COUNTER)]
        return [*refs, *counts, *(own(name) for name in one.parameters[last:])]

    def _test(self) -> Graph:
        """Whether there is another step."""
        one, builder = self.one, Builder(Graph(), self.builder.names)
        arguments = self._arguments(builder, f"{self.name}/test")
        if one.is_backward or self.count is None:
            limit = builder.constant(
                np.asarray(0 if one.is_backward else one.n_steps, dtype=np.int32), name=f"{self.name}/test/const"
            )
        else:
            limit = arguments[-1 - len(one.values)]
        op = "GreaterEqual" if one.is_backward else "Less"
        (verdict,) = builder.emit(op, arguments[0], limit, name=f"{self.name}/test/{op}")
        builder.output(f"{self.name}/test/0", verdict)
        return builder.graph

    def _body(self) -> Graph:
        """One step."""
        one, builder = self.one, Builder(Graph(), self.builder.names)
        graph, name = builder.graph, f"{self.name}/body"
        arguments = self._arguments(builder, "body")
        position, first = arguments[0], 1 + one.n_states
        lists = arguments[first : first + 2 * len(self.rows)]
        read = iter(arguments[first + len(lists) :])
        handles = [next(read) for _ in self.sequences]
        elements = one.parameters[first : first + one.n_sequences]
        for element, sequence, handle in zip(elements, self.sequences, handles, strict=True):
            shape = builder.parameter(_dims(sequence.element)) if sequence.element.is_static else next(read)
            attrs = {"element_dtype": _dtype(sequence.element)}
            types = one.body.nodes[element].outputs
            graph.add(Node(element, "TensorListGetItem", (handle, position, shape), attrs, types))
        handed_out = {ref.node for ref in one.body.outputs.values()}
        for node in one.body.nodes.values():
            if node.op != "Placeholder" and node.name not in handed_out:
                graph.add(node)
        graph.constants.update(one.body.constants)
        step = builder.constant(np.asarray(-1 if one.is_backward else 1, dtype=np.int32), name=f"{name}/const")
        (following,) = builder.emit("AddV2", position, step, name=f"{name}/AddV2")
        stored: list[Ref] = []
        for index, handle, row in zip(self.stacked, lists[::2], self.rows, strict=True):
            stored += _store(builder, name, (handle, position, one.results[one.n_states + index]), row)
        results = [following, *one.results[: one.n_states], *stored, *arguments[first + len(lists) :]]
        for index, result in enumerate(results):
            builder.output(f"{name}/{index}", result)
        return graph


def _dims(type_: TensorType) -> list[int]:
    return [dim for dim in type_.shape or () if isinstance(dim, int)]


def _dtype(type_: TensorType) -> DataType:
    return DataType(TF_OF_STORAGE[type_.dtype])


def _store(builder: Builder, name: str, operands: tuple[Ref, Ref, Ref], row: _List) -> tuple[Ref, ...]:
    """The list with a row more, and that row, once it is in the list: from then on TF.js does not copy it any more."""
    handle, position, value = operands
    (own,) = builder.emit("IdentityN", value, name=f"{name}/IdentityN")
    (longer,) = builder.emit(
        "TensorListSetItem", handle, position, own, name=f"{name}/TensorListSetItem", element_dtype=_dtype(row.element)
    )
    return builder.emit("IdentityN", longer, own, name=f"{name}/IdentityN")

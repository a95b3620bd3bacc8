"""Recurrent operators: the gates of all steps as one MatMul, then one Recurrence for each direction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.gates import (
    DIRECTIONS,
    Activation,
    Product,
    Sequences,
    cut,
    held,
    initial,
    joined,
    last_state,
    matrix,
    piece,
    product,
    projected,
    read_activations,
    read_sequences,
    state_size,
    total,
    zeros,
)
from converter.lowering.registry import lowers
from converter.lowering.subgraph import Read, State, recur
from converter.tfjs.graph import Ref

Step = Callable[[LoweringContext, Read, Ref, State], tuple[Ref, ...]]
"""(context, read, gates of the input, state) -> the new state, which begins with h"""


@dataclass(frozen=True)
class Direction:
    """One direction of a recurrent node: which one, how wide its state is, its bias and its activations."""

    index: int
    hidden: int
    bias: tuple[Ref | None, Ref | None]  # of the input, of the recurrence
    activations: list[Activation]

    def gate(self, number: int) -> slice:
        """Where one gate lies among the others."""
        return slice(number * self.hidden, (number + 1) * self.hidden)


@dataclass(frozen=True)
class Cell:
    """The computation of a step in one direction, with the input's weights as `projected` takes them, and the bias."""

    step: Step
    weights: Ref
    bias: Ref | None
    multiply: Product = product


@lowers("RNN", since=(7, 14, 22))
def lower_rnn(ctx: LoweringContext) -> None:
    """H = f(X @ W' + H @ R' + Wb + Rb), step by step.

    Shapes: X (step, batch, input), W (direction, hidden, input), R (direction, hidden, hidden),
            B (direction, 2 * hidden) -> Y (step, direction, batch, hidden), Y_h (direction, batch, hidden)
    Emits:  Recurrence of MatMul, AddV2 and the activation.
    Source: https://onnx.ai/onnx/operators/onnx__RNN.html
    """

    def make(direction: Direction) -> Cell:
        recurrence = matrix(ctx, 2, direction.index)

        def step(inner: LoweringContext, read: Read, x: Ref, state: State) -> tuple[Ref, ...]:
            past = product(inner, state[0], read(recurrence))
            return (direction.activations[0](inner, total(inner, x, past)),)

        return Cell(step, matrix(ctx, 1, direction.index), _sum(ctx, *direction.bias))

    lower_recurrence(ctx, make, _hidden(ctx, 1), n_gates=1, default=("Tanh",), states=(5,))


@lowers("GRU", since=(1, 3, 7, 14, 22))
def lower_gru(ctx: LoweringContext) -> None:
    """The gated recurrent unit: update gate z, reset gate r, hidden gate h, in this order in W, R and B.

    Shapes: as RNN, with three gates
    Emits:  Recurrence of two MatMuls (one with `linear_before_reset`), SplitV, the activations and arithmetic.
    Source: https://onnx.ai/onnx/operators/onnx__GRU.html
    """
    cell = _gru_linear_first if ctx.attr("linear_before_reset", 0) else _gru
    hidden = _hidden(ctx, 3)
    lower_recurrence(ctx, lambda one: cell(ctx, one), hidden, n_gates=3, default=("Sigmoid", "Tanh"), states=(5,))


def _gru(ctx: LoweringContext, direction: Direction) -> Cell:
    hidden, (f, g) = direction.hidden, direction.activations
    for_gates = matrix(ctx, 2, direction.index, slice(0, 2 * hidden))
    for_hidden = matrix(ctx, 2, direction.index, direction.gate(2))

    def step(inner: LoweringContext, read: Read, x: Ref, state: State) -> tuple[Ref, ...]:
        (past,) = state
        x_gates, x_hidden = _split(inner, x, 2 * hidden, hidden)
        gates = f(inner, total(inner, x_gates, product(inner, past, read(for_gates))))
        update, reset = _split(inner, gates, hidden, hidden)
        kept = product(inner, inner.emit("Mul", reset, past), read(for_hidden))
        return (_blend(inner, update, g(inner, total(inner, x_hidden, kept)), past),)

    return Cell(step, matrix(ctx, 1, direction.index), _sum(ctx, *direction.bias))


def _gru_linear_first(ctx: LoweringContext, direction: Direction) -> Cell:
    hidden, (f, g) = direction.hidden, direction.activations
    of_input, of_recurrence = direction.bias
    recurrence = matrix(ctx, 2, direction.index)

    def step(inner: LoweringContext, read: Read, x: Ref, state: State) -> tuple[Ref, ...]:
        (past,) = state
        x_gates, x_hidden = _split(inner, x, 2 * hidden, hidden)
        bias = None if of_recurrence is None else read(of_recurrence)
        recurrent = total(inner, product(inner, past, read(recurrence)), bias)
        r_gates = cut(inner, recurrent, 1, slice(0, 2 * hidden))
        r_hidden = cut(inner, recurrent, 1, direction.gate(2))
        update, reset = _split(inner, f(inner, total(inner, x_gates, r_gates)), hidden, hidden)
        kept = inner.emit("Mul", reset, r_hidden)
        return (_blend(inner, update, g(inner, total(inner, x_hidden, kept)), past),)

    return Cell(step, matrix(ctx, 1, direction.index), of_input)


def _blend(ctx: LoweringContext, update: Ref, new: Ref, past: Ref) -> Ref:
    """(1 - update) * new + update * past."""
    fresh = ctx.emit("Mul", ctx.emit("Sub", ctx.data(1.0), update), new)
    return ctx.emit("AddV2", fresh, ctx.emit("Mul", update, past))


@lowers("LSTM", since=(1, 7, 14, 22))
def lower_lstm(ctx: LoweringContext) -> None:
    """The long short-term memory: gates input i, output o, forget f, cell c, in this order in W, R and B.

    Shapes: as RNN, with four gates; P (direction, 3 * hidden), the peepholes of i, o and f; Y_c as Y_h
    Emits:  Recurrence of MatMul, SplitV, the activations and arithmetic.
    Source: https://onnx.ai/onnx/operators/onnx__LSTM.html
    """
    lower_lstm_with(ctx, lambda index: (matrix(ctx, 1, index), matrix(ctx, 2, index)), _hidden(ctx, 4))


def lower_lstm_with(
    ctx: LoweringContext,
    weights: Callable[[int], tuple[Ref, Ref]],
    hidden: int,
    products: Callable[[int], tuple[Product, Product]] = lambda _: (product, product),
) -> None:
    """Lower an LSTM; `weights` returns those of the input and of the recurrence in one direction.

    `products` returns how the input and the state are multiplied by them.
    Shapes: weights (input, 4 * hidden) and (hidden, 4 * hidden)
    """
    couples = bool(ctx.attr("input_forget", 0))

    def make(direction: Direction) -> Cell:
        of_input, of_recurrence = weights(direction.index)
        by_input, by_recurrence = products(direction.index)
        step = _lstm(ctx, direction, (of_recurrence, by_recurrence), couples)
        return Cell(step, of_input, _sum(ctx, *direction.bias), by_input)

    lower_recurrence(ctx, make, hidden, n_gates=4, default=("Sigmoid", "Tanh", "Tanh"), states=(5, 6))


def _lstm(ctx: LoweringContext, direction: Direction, weights: tuple[Ref, Product], couples: bool) -> Step:
    recurrence, multiply = weights
    hidden, (f, g, h) = direction.hidden, direction.activations
    holes = piece(ctx, 7, direction.index)
    peepholes: tuple[Ref | None, ...] = (None,) * 3 if holes is None else _split(ctx, holes, hidden, hidden, hidden)

    def step(inner: LoweringContext, read: Read, x: Ref, state: State) -> tuple[Ref, ...]:
        past, cell = state

        def peeped(gate: Ref, hole: Ref | None, seen: Ref) -> Ref:
            return gate if hole is None else inner.emit("AddV2", gate, inner.emit("Mul", read(hole), seen))

        gates = total(inner, x, multiply(inner, past, read(recurrence)))
        gate_i, gate_o, gate_f, gate_c = _split(inner, gates, *[hidden] * 4)
        peep_i, peep_o, peep_f = peepholes
        entering = f(inner, peeped(gate_i, peep_i, cell))
        fresh = inner.emit("Mul", entering, g(inner, gate_c))
        kept = inner.emit("Sub", inner.data(1.0), entering) if couples else f(inner, peeped(gate_f, peep_f, cell))
        fresh = inner.emit("AddV2", inner.emit("Mul", kept, cell), fresh)
        return inner.emit("Mul", f(inner, peeped(gate_o, peep_o, fresh)), h(inner, fresh)), fresh

    return step


def _split(ctx: LoweringContext, x: Ref, *sizes: int) -> tuple[Ref, ...]:
    return ctx.emit_all("SplitV", x, ctx.param(list(sizes)), ctx.param(ctx.rank(x) - 1))


def _sum(ctx: LoweringContext, *terms: Ref | None) -> Ref | None:
    return total(ctx, *terms) if any(term is not None for term in terms) else None


def _hidden(ctx: LoweringContext, n_gates: int) -> int:
    return state_size(ctx, n_gates, len(DIRECTIONS[ctx.attr("direction", "forward")]))


def lower_recurrence(
    ctx: LoweringContext,
    make: Callable[[Direction], Cell],
    hidden: int,
    *,
    n_gates: int,
    default: tuple[str, ...],
    states: tuple[int, ...],
) -> None:
    """Walk each direction over time; `states` are the operands that hold the initial states, `make` the cell."""
    ctx.ignore_attrs("output_sequence")  # the node's outputs say it
    backward = DIRECTIONS[ctx.attr("direction", "forward")]
    activations = read_activations(ctx, default, len(backward))
    sequences = read_sequences(ctx)
    rows: list[Ref] = []
    last: list[list[Ref]] = []
    for index, is_backward in enumerate(backward):
        first = [initial(ctx, at, index, sequences) for at in states]
        direction = Direction(index, hidden, _bias(ctx, index, n_gates * hidden), activations[index])
        left, row = _walk(ctx, sequences, make(direction), first, hidden, is_backward=is_backward)
        last.append([last_state(ctx, sequences, *pair) for pair in zip(first, left, strict=True)])
        rows.append(row)
    finals = [joined(ctx, parts, sequences.axis) for parts in zip(*last, strict=True)]
    ctx.result(joined(ctx, rows, sequences.axis + 1), *finals)


def _bias(ctx: LoweringContext, direction: int, size: int) -> tuple[Ref | None, Ref | None]:
    known = ctx.known(3)
    if known is not None:
        halves = known[direction].astype(np.float32)
        return ctx.data(halves[:size].copy()), ctx.data(halves[size:].copy())
    whole = piece(ctx, 3, direction)
    if whole is None:
        return None, None
    of_input, of_recurrence = _split(ctx, whole, size, size)
    return of_input, of_recurrence


def _walk(
    ctx: LoweringContext,
    sequences: Sequences,
    cell: Cell,
    first: Sequence[Ref | None],
    hidden: int,
    *,
    is_backward: bool,
) -> tuple[Sequence[Ref], Ref]:
    """The states after the last step, and the outputs of all; a sequence that has ended keeps its state."""
    axis, shape = sequences.axis, [host.sizes(ctx, sequences.data)[sequences.batch_axis], host.Size(hidden)]
    if ctx.dims(sequences.data)[axis] == 0:
        return [zeros(ctx, shape) for _ in first], zeros(ctx, [*shape[:axis], host.Size(0), *shape[axis:]])
    begin = [zeros(ctx, shape) if state is None else state for state in first]
    gates = projected(ctx, sequences, cell.multiply, cell.weights, cell.bias)

    def step(inner: LoweringContext, read: Read, position: Ref, state: State, elements: State) -> tuple[State, State]:
        new = cell.step(inner, read, elements[0], state)
        if sequences.lengths is None:
            return new, new[:1]
        is_running = inner.emit("Greater", read(sequences.lengths), position)
        row = held(inner, is_running, new[0], None)
        return [held(inner, is_running, *pair) for pair in zip(new, state, strict=True)], [row]

    *left, rows = recur(ctx, begin, [gates], step, axis=axis, is_backward=is_backward, rows_like=[0])
    return left, rows

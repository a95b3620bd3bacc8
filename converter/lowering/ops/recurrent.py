"""Recurrent operators, unrolled over time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from converter.lowering.context import LoweringContext
from converter.lowering.gates import (
    DIRECTIONS,
    Activation,
    cut,
    held,
    initial,
    matrix,
    piece,
    product,
    projected,
    read_activations,
    read_sequences,
    stack_outputs,
    state_size,
    total,
)
from converter.lowering.registry import lowers
from converter.tfjs.graph import Ref

State = tuple[Ref | None, ...]  # None: zeros
Step = Callable[[Ref, State], tuple[Ref, ...]]  # what a moment's projected input makes of the state; it begins with h


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


@lowers("RNN", since=(7, 14, 22))
def lower_rnn(ctx: LoweringContext) -> None:
    """H = f(X @ W' + H @ R' + Wb + Rb), moment by moment.

    Shapes: X (moment, batch, input), W (direction, hidden, input), R (direction, hidden, hidden),
            B (direction, 2 * hidden) -> Y (moment, direction, batch, hidden), Y_h (direction, batch, hidden)
    Emits:  for each moment MatMul, AddV2 and the activation.
    Source: https://onnx.ai/onnx/operators/onnx__RNN.html
    """

    def make(direction: Direction) -> tuple[Step, Ref | None]:
        recurrence = matrix(ctx, 2, direction.index)

        def step(x: Ref, state: State) -> tuple[Ref, ...]:
            past = None if state[0] is None else product(ctx, state[0], recurrence)
            return (direction.activations[0](total(ctx, x, past)),)

        return step, _sum(ctx, *direction.bias)

    _unroll(ctx, make, n_gates=1, default=("Tanh",), states=(5,))


@lowers("GRU", since=(1, 3, 7, 14, 22))
def lower_gru(ctx: LoweringContext) -> None:
    """The gated recurrent unit: update gate z, reset gate r, hidden gate h, in this order in W, R and B.

    Shapes: as RNN, with three gates
    Emits:  for each moment two MatMuls (one with `linear_before_reset`), SplitV, the activations and arithmetic.
    Source: https://onnx.ai/onnx/operators/onnx__GRU.html
    """
    is_linear_first = bool(ctx.attr("linear_before_reset", 0))

    def make(direction: Direction) -> tuple[Step, Ref | None]:
        cell = _gru_linear_first if is_linear_first else _gru
        return cell(ctx, direction)

    _unroll(ctx, make, n_gates=3, default=("Sigmoid", "Tanh"), states=(5,))


def _gru(ctx: LoweringContext, direction: Direction) -> tuple[Step, Ref | None]:
    hidden, (f, g) = direction.hidden, direction.activations
    for_gates = matrix(ctx, 2, direction.index, slice(0, 2 * hidden))
    for_hidden = matrix(ctx, 2, direction.index, direction.gate(2))

    def step(x: Ref, state: State) -> tuple[Ref, ...]:
        (past,) = state
        x_gates, x_hidden = _split(ctx, x, 2 * hidden, hidden)
        gates = f(total(ctx, x_gates, None if past is None else product(ctx, past, for_gates)))
        update, reset = _split(ctx, gates, hidden, hidden)
        kept = None if past is None else product(ctx, ctx.emit("Mul", reset, past), for_hidden)
        return (_blend(ctx, update, g(total(ctx, x_hidden, kept)), past),)

    return step, _sum(ctx, *direction.bias)


def _gru_linear_first(ctx: LoweringContext, direction: Direction) -> tuple[Step, Ref | None]:
    hidden, (f, g) = direction.hidden, direction.activations
    of_input, of_recurrence = direction.bias
    recurrence = matrix(ctx, 2, direction.index)

    def step(x: Ref, state: State) -> tuple[Ref, ...]:
        (past,) = state
        x_gates, x_hidden = _split(ctx, x, 2 * hidden, hidden)
        recurrent = total(ctx, product(ctx, past, recurrence), of_recurrence) if past is not None else of_recurrence
        r_gates = r_hidden = None
        if recurrent is not None:
            axis = ctx.rank(recurrent) - 1
            r_gates = cut(ctx, recurrent, axis, slice(0, 2 * hidden))
            r_hidden = cut(ctx, recurrent, axis, direction.gate(2))
        update, reset = _split(ctx, f(total(ctx, x_gates, r_gates)), hidden, hidden)
        kept = None if r_hidden is None else ctx.emit("Mul", reset, r_hidden)
        return (_blend(ctx, update, g(total(ctx, x_hidden, kept)), past),)

    return step, of_input


def _blend(ctx: LoweringContext, update: Ref, new: Ref, past: Ref | None) -> Ref:
    """(1 - update) * new + update * past."""
    fresh = ctx.emit("Mul", ctx.emit("Sub", ctx.data(1.0), update), new)
    return fresh if past is None else ctx.emit("AddV2", fresh, ctx.emit("Mul", update, past))


@lowers("LSTM", since=(1, 7, 14, 22))
def lower_lstm(ctx: LoweringContext) -> None:
    """The long short-term memory: gates input i, output o, forget f, cell c, in this order in W, R and B.

    Shapes: as RNN, with four gates; P (direction, 3 * hidden), the peepholes of i, o and f; Y_c as Y_h
    Emits:  for each moment MatMul, SplitV, the activations and arithmetic.
    Source: https://onnx.ai/onnx/operators/onnx__LSTM.html
    """
    couples = bool(ctx.attr("input_forget", 0))

    def make(direction: Direction) -> tuple[Step, Ref | None]:
        return _lstm(ctx, direction, couples), _sum(ctx, *direction.bias)

    _unroll(ctx, make, n_gates=4, default=("Sigmoid", "Tanh", "Tanh"), states=(5, 6))


def _lstm(ctx: LoweringContext, direction: Direction, couples: bool) -> Step:
    hidden, (f, g, h) = direction.hidden, direction.activations
    recurrence = matrix(ctx, 2, direction.index)
    holes = piece(ctx, 7, direction.index)
    peep_i, peep_o, peep_f = (None,) * 3 if holes is None else _split(ctx, holes, hidden, hidden, hidden)

    def peeped(gate: Ref, hole: Ref | None, cell: Ref | None) -> Ref:
        return gate if hole is None or cell is None else ctx.emit("AddV2", gate, ctx.emit("Mul", hole, cell))

    def step(x: Ref, state: State) -> tuple[Ref, ...]:
        past, cell = state
        gates = total(ctx, x, None if past is None else product(ctx, past, recurrence))
        gate_i, gate_o, gate_f, gate_c = _split(ctx, gates, *[hidden] * 4)
        entering = f(peeped(gate_i, peep_i, cell))
        fresh = ctx.emit("Mul", entering, g(gate_c))
        if cell is not None:
            kept = ctx.emit("Sub", ctx.data(1.0), entering) if couples else f(peeped(gate_f, peep_f, cell))
            fresh = ctx.emit("AddV2", ctx.emit("Mul", kept, cell), fresh)
        return ctx.emit("Mul", f(peeped(gate_o, peep_o, fresh)), h(fresh)), fresh

    return step


def _split(ctx: LoweringContext, x: Ref, *sizes: int) -> tuple[Ref, ...]:
    return ctx.emit_all("SplitV", x, ctx.param(list(sizes)), ctx.param(ctx.rank(x) - 1))


def _sum(ctx: LoweringContext, *terms: Ref | None) -> Ref | None:
    return total(ctx, *terms) if any(term is not None for term in terms) else None


def _unroll(
    ctx: LoweringContext,
    make: Callable[[Direction], tuple[Step, Ref | None]],
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
    hidden = state_size(ctx, n_gates, len(backward))
    outputs, finals = [], []
    for index, is_backward in enumerate(backward):
        bias = _bias(ctx, index, n_gates * hidden)
        step, added = make(Direction(index, hidden, bias, activations[index]))
        first = tuple(initial(ctx, at, index, is_batch_first=sequences.is_batch_first) for at in states)
        steps = projected(ctx, sequences, matrix(ctx, 1, index), added)
        moments, last = _walk(ctx, steps, sequences.running, step, first, is_backward=is_backward)
        outputs.append(moments)
        finals.append(last)
    ctx.result(*stack_outputs(ctx, outputs, finals, is_batch_first=sequences.is_batch_first))


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
    steps: Sequence[Ref],
    running: Sequence[Ref | None],
    step: Step,
    state: State,
    *,
    is_backward: bool,
) -> tuple[list[Ref], tuple[Ref, ...]]:
    """The output of each moment, and the state after the last; a sequence that has ended keeps its state."""
    outputs: dict[int, Ref] = {}
    last: tuple[Ref, ...] = ()
    order = range(len(steps))
    for moment in reversed(order) if is_backward else order:
        new = step(steps[moment], state)
        outputs[moment] = held(ctx, running[moment], new[0], None)
        last = tuple(held(ctx, running[moment], one, old) for one, old in zip(new, state, strict=True))
        state = last
    return [outputs[moment] for moment in order], last

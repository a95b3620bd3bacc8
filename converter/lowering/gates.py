"""What the recurrent operators share: their activations, their weights, and the walk over time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.legal import TF_TYPE, cast, select, transpose
from converter.tfjs.graph import Dim, Ref

Activation = Callable[[LoweringContext, Ref], Ref]
Product = Callable[[LoweringContext, Ref, Ref], Ref]
"""(context, rows, weights) -> rows @ weights"""
DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
# What an activation takes from activation_alpha and activation_beta, with ONNX's defaults.
_ALPHA = {"Affine": 1.0, "LeakyRelu": 0.01, "ThresholdedRelu": 1.0, "ScaledTanh": 1.0, "HardSigmoid": 0.2, "Elu": 1.0}
_BETA = {"Affine": 0.0, "ScaledTanh": 1.0, "HardSigmoid": 0.5}
_PLAIN = {"Relu": "Relu", "Sigmoid": "Sigmoid", "Softplus": "Softplus", "Tanh": "Tanh"}


def read_activations(ctx: LoweringContext, default: Sequence[str], n_directions: int) -> list[list[Activation]]:
    """The activations of each direction; those of gates limit their operand to [-clip, clip] first if the node clips.

    The third one, of the cell of an LSTM, does not: neither does ONNX Runtime's.

    Raises: UnsupportedError for a name that ONNX doesn't define, or too few names.
    """
    names = list(ctx.attr("activations", [*default] * n_directions))
    alphas: list[float] = list(ctx.attr("activation_alpha", []))
    betas: list[float] = list(ctx.attr("activation_beta", []))
    clip = float(ctx.attr("clip", 0.0))
    if len(names) != len(default) * n_directions:
        ctx.refuse(f"{len(names)} activations for {n_directions} directions of {len(default)}")
    made = []
    for number, name in enumerate(names):
        title = _title(ctx, name)
        alpha = alphas.pop(0) if title in _ALPHA and alphas else _ALPHA.get(title, 0.0)
        beta = betas.pop(0) if title in _BETA and betas else _BETA.get(title, 0.0)
        apply = _activation(title, float(alpha), float(beta))
        made.append(apply if number % len(default) == 2 else _clipped(clip, apply))
    return [made[at : at + len(default)] for at in range(0, len(made), len(default))]


def _title(ctx: LoweringContext, name: str) -> str:
    for title in (*_PLAIN, *_ALPHA, "Softsign"):
        if title.lower() == name.lower():
            return title
    ctx.refuse(f"{name!r} is no activation of recurrent operators")


def _clipped(clip: float, apply: Activation) -> Activation:
    if not clip:
        return apply
    return lambda ctx, x: apply(ctx, ctx.emit("ClipByValue", x, ctx.data(-clip), ctx.data(clip)))


def _activation(title: str, alpha: float, beta: float) -> Activation:
    def scaled(ctx: LoweringContext, x: Ref) -> Ref:
        y = x if alpha == 1.0 else ctx.emit("Mul", x, ctx.data(alpha))
        return y if beta == 0.0 else ctx.emit("AddV2", y, ctx.data(beta))

    def hard_sigmoid(ctx: LoweringContext, x: Ref) -> Ref:
        return ctx.emit("ClipByValue", scaled(ctx, x), ctx.data(0.0), ctx.data(1.0))

    def scaled_tanh(ctx: LoweringContext, x: Ref) -> Ref:
        return ctx.emit("Mul", ctx.emit("Tanh", ctx.emit("Mul", x, ctx.data(beta))), ctx.data(alpha))

    def softsign(ctx: LoweringContext, x: Ref) -> Ref:
        return ctx.emit("RealDiv", x, ctx.emit("AddV2", ctx.emit("Abs", x), ctx.data(1.0)))

    def thresholded(ctx: LoweringContext, x: Ref) -> Ref:
        return ctx.emit("Mul", x, cast(ctx, ctx.emit("Greater", x, ctx.data(alpha)), "float32"))

    def elu(ctx: LoweringContext, x: Ref) -> Ref:
        negative = ctx.emit("Mul", ctx.emit("Elu", ctx.emit("Minimum", x, ctx.data(0.0))), ctx.data(alpha))
        return ctx.emit("AddV2", ctx.emit("Relu", x), negative)

    others: dict[str, Activation] = {
        "Affine": scaled,
        "Elu": elu,
        "HardSigmoid": hard_sigmoid,
        "LeakyRelu": lambda ctx, x: ctx.emit("LeakyRelu", x, alpha=alpha),
        "ScaledTanh": scaled_tanh,
        "Softsign": softsign,
        "ThresholdedRelu": thresholded,
    }
    return others[title] if title in others else lambda ctx, x: ctx.emit(_PLAIN[title], x)


@dataclass(frozen=True)
class Sequences:
    """The input of a recurrent operator, and how long its sequences are.

    Shapes: data (step, batch, input) or batch first; lengths (batch, 1), None where all are as long as the data
    """

    data: Ref
    lengths: Ref | None
    is_batch_first: bool

    @property
    def axis(self) -> int:
        """The axis of the steps."""
        return 1 if self.is_batch_first else 0

    @property
    def batch_axis(self) -> int:
        """The axis of the sequences."""
        return 1 - self.axis


def read_sequences(ctx: LoweringContext) -> Sequences:
    """Operands 0, the data, and 4, the lengths."""
    x, batch_first = cast(ctx, ctx.operand(0), "float32"), bool(ctx.attr("layout", 0))
    return Sequences(x, _lengths(ctx, ctx.dims(x)[1 if batch_first else 0]), batch_first)


def _lengths(ctx: LoweringContext, n_steps: Dim) -> Ref | None:
    known = ctx.known(4)
    if not ctx.has(4) or (known is not None and isinstance(n_steps, int) and bool(np.all(known >= n_steps))):
        return None
    if known is not None:
        return ctx.data(known.reshape(-1, 1).astype(np.int32))
    return host.unsqueeze(ctx, ctx.operand(4), [1])


def projected(ctx: LoweringContext, sequences: Sequences, multiply: Product, weights: Ref, bias: Ref | None) -> Ref:
    """Return the input's share of the gates, as one MatMul for all steps.

    Shapes: weights (input, gates * hidden), bias (gates * hidden) -> (step, batch, gates * hidden) or batch first
    """
    sizes = host.sizes(ctx, sequences.data)
    flat = host.resize(ctx, sequences.data, [host.product(sizes[:2]), sizes[2]])
    gates = total(ctx, multiply(ctx, flat, weights), bias)
    return host.resize(ctx, gates, [*sizes[:2], host.sizes(ctx, gates)[1]])


def held(ctx: LoweringContext, is_running: Ref | None, new: Ref, old: Ref | None) -> Ref:
    """`new` for the sequences that are still running, `old` (None: zeros) for the others."""
    if is_running is None:
        return new
    return select(ctx, is_running, new, ctx.data(0.0) if old is None else old)


def last_state(ctx: LoweringContext, sequences: Sequences, initial: Ref | None, left: Ref) -> Ref:
    """A state after the last step: zeros for a sequence without steps, as in ONNX Runtime."""
    n_steps = ctx.dims(sequences.data)[sequences.axis]
    known = ctx.known(4)
    if initial is None or (sequences.lengths is None and isinstance(n_steps, int)):
        return left
    if known is not None and bool(np.all(known > 0)):
        return left
    count = sequences.lengths
    if count is None:
        count = host.scalar(ctx, host.as_vector(ctx, host.sizes(ctx, sequences.data)[sequences.axis]))
    return held(ctx, ctx.emit("Greater", count, ctx.data(np.asarray(0, dtype=np.int32))), left, None)


def state_size(ctx: LoweringContext, n_gates: int, n_directions: int) -> int:
    """The size of the state of a recurrent node, which its weights, biases and initial states fit.

    Raises: UnsupportedError if it is only known at run time, or an operand doesn't fit it.
    """
    size = ctx.attr("hidden_size", ctx.dims(ctx.operand(2))[2])
    if not isinstance(size, int):
        ctx.refuse("the size of the state is only known when the graph runs")
    rows = n_gates * size
    shapes: dict[int, tuple[int | None, ...]] = {
        1: (n_directions, rows, None),
        2: (n_directions, rows, size),
        3: (n_directions, 2 * rows),
        5: (None, None, size),
        6: (None, None, size),
    }
    for index, expected in shapes.items():
        found = ctx.dims(ctx.operand(index)) if ctx.has(index) else expected
        if not _fits(found, expected):
            ctx.refuse(
                f"{ctx.node.inputs[index]} has the shape {_spelled(found)}, and with hidden_size {size} ONNX wants "
                f"{_spelled(expected)}",
                hint="ONNX has no projection of the state: what torch writes for nn.LSTM(proj_size=…) is not valid; "
                "use an nn.LSTM without proj_size",
            )
    return size


def _spelled(dims: Sequence[int | str | None]) -> str:
    return f"[{', '.join('any' if dim is None else str(dim) for dim in dims)}]"


def _fits(dims: Sequence[int | str | None], expected: Sequence[int | None]) -> bool:
    pairs = zip(dims, expected, strict=False)
    return len(dims) == len(expected) and all(not isinstance(a, int) or b is None or a == b for a, b in pairs)


def piece(ctx: LoweringContext, index: int, direction: int) -> Ref | None:
    """The part of an operand (direction, …) that belongs to one direction; None if the node lacks the operand."""
    if not ctx.has(index):
        return None
    known = ctx.known(index)
    if known is not None:
        return ctx.data(np.ascontiguousarray(known[direction]).astype(np.float32))
    return _part(ctx, ctx.operand(index), 0, direction)


def initial(ctx: LoweringContext, index: int, direction: int, sequences: Sequences) -> Ref | None:
    """The initial state (batch, hidden) of one direction; None where it is zeros."""
    known = ctx.known(index)
    if not ctx.has(index) or (known is not None and not known.any()):
        return None
    return _part(ctx, cast(ctx, ctx.operand(index), "float32"), 1 if sequences.is_batch_first else 0, direction)


def zeros(ctx: LoweringContext, shape: Sequence[host.Size]) -> Ref:
    """Zeros of this shape."""
    if all(size.is_static for size in shape):
        return ctx.data(np.zeros([size.number for size in shape], dtype=np.float32))
    filled = ctx.emit("Fill", host.shape_vector(ctx, shape), ctx.data(0.0), T=TF_TYPE["float32"])
    return ctx.refine(filled, tuple(size.dim for size in shape))


def _part(ctx: LoweringContext, x: Ref, axis: int, index: int) -> Ref:
    if ctx.dims(x)[axis] == 1:
        return host.squeeze(ctx, x, [axis])
    starts = [index if at == axis else 0 for at in range(ctx.rank(x))]
    lengths = [1 if at == axis else dim if isinstance(dim, int) else -1 for at, dim in enumerate(ctx.dims(x))]
    return host.squeeze(ctx, ctx.emit("Slice", x, ctx.param(starts), ctx.param(lengths)), [axis])


def matrix(ctx: LoweringContext, index: int, direction: int, rows: slice | None = None) -> Ref:
    """Rows of the weights (direction, gates * hidden, n) of one direction, transposed for a product from the left."""
    known = ctx.known(index)
    if known is not None:
        return ctx.data(np.ascontiguousarray(known[direction][rows or slice(None)].T).astype(np.float32))
    part = _part(ctx, cast(ctx, ctx.operand(index), "float32"), 0, direction)
    return transpose(ctx, part if rows is None else cut(ctx, part, 0, rows), [1, 0])


def cut(ctx: LoweringContext, x: Ref, axis: int, part: slice) -> Ref:
    """The elements start to stop of an axis."""
    starts = [part.start if at == axis else 0 for at in range(ctx.rank(x))]
    lengths = [part.stop - part.start if at == axis else -1 for at in range(ctx.rank(x))]
    return ctx.emit("Slice", x, ctx.param(starts), ctx.param(lengths))


def product(ctx: LoweringContext, x: Ref, weights: Ref) -> Ref:
    """A matrix product."""
    return ctx.emit("MatMul", x, weights, transpose_a=False, transpose_b=False)


def total(ctx: LoweringContext, *terms: Ref | None) -> Ref:
    """The sum of the terms there are."""
    present = [term for term in terms if term is not None]
    result = present[0]
    for term in present[1:]:
        result = ctx.emit("AddV2", result, term)
    return result


def joined(ctx: LoweringContext, parts: Sequence[Ref], axis: int) -> Ref:
    """One value for each direction, along a new axis."""
    if len(parts) == 1:
        return host.unsqueeze(ctx, parts[0], [axis])
    return ctx.emit("Pack", *parts, axis=axis)

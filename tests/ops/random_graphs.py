"""Draws small ONNX graphs at random, of values that float32 arithmetic leaves exact, so that every cliff is sharp.

Sums are only made of numbers on a grid of a power of two, far below 2 ** 24 steps. Products with other factors are
rounded once, alike by every runtime: what follows may be a Round or a comparison, but no sum.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Dims = tuple[int | str, ...]
MOST_STEPS, MAX_ELEMENTS, DYNAMIC = 2**22, 400, "n"
INPUTS: tuple[Dims, ...] = ((2, 3), (3, 4, 2), (1, 2, 4, 6), (5,), (2, 1, 3, 4))
DYNAMIC_INPUTS: tuple[Dims, ...] = ((DYNAMIC, 3), (DYNAMIC, 4, 2), (2, DYNAMIC, 3))
HUGE = np.float32([3e38, -3e38, 1e30, -1e30, 1e20, -1e20, 1, 0])


@dataclass(frozen=True)
class Value:
    """A float32 value: on a grid (`step` > 0), rounded alike everywhere ("alike"), huge, or of some precision."""

    name: str
    dims: Dims
    kind: str = "grid"  # or alike, huge, real
    bound: float = 8.0
    step: float = 0.25

    @property
    def rank(self) -> int:
        return len(self.dims)


class Drawing:
    """One graph in the making; names start with a prefix, so that several fit one model."""

    def __init__(self, seed: int, prefix: str, *, dynamic: bool) -> None:
        self.random = np.random.default_rng(seed)
        self.prefix, self.dynamic = prefix, dynamic
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs: dict[str, tuple[Dims, str]] = {}
        self.values: list[Value] = []
        self.integers: list[str] = []
        for _ in range(int(self.random.integers(1, 3))):
            self._input()
        for _ in range(int(self.random.integers(2, 9))):
            made = self.pick(*STEPS)(self)
            if made is not None and self._is_small(made):
                self.values.append(made)

    def pick(self, *options):
        return options[int(self.random.integers(len(options)))]

    def _input(self) -> None:
        name = f"{self.prefix}x{len(self.inputs)}"
        dims = self.pick(*(DYNAMIC_INPUTS if self.dynamic else INPUTS))
        kind = self.pick("grid", "grid", "grid", "equal", "huge")
        self.inputs[name] = dims, kind
        if kind == "huge":
            self.values.append(Value(name, dims, "huge", 3e38, 0))
        else:
            self.values.append(Value(name, dims))

    def outputs(self) -> dict[str, str]:
        """The last two values and all indices, with the kind of each."""
        return {value.name: value.kind for value in self.values[-2:]} | dict.fromkeys(self.integers, "index")

    def feed(self, size: int) -> dict[str, np.ndarray]:
        drawn = {}
        for name, (dims, kind) in self.inputs.items():
            shape = [size if dim == DYNAMIC else dim for dim in dims]
            if kind == "huge":
                drawn[name] = self.random.choice(HUGE, shape).astype(np.float32)
            else:
                rows = self.random.integers(-32, 33, shape) / 4
                drawn[name] = (rows if kind == "grid" else np.full(shape, 1.25)).astype(np.float32)
        return drawn

    def _is_small(self, value: Value) -> bool:
        sizes = [4 if dim == DYNAMIC else dim for dim in value.dims]
        return value.rank <= 5 and np.prod(sizes) <= MAX_ELEMENTS

    def constant(self, values) -> str:
        name = f"{self.prefix}c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def emit(self, op: str, *operands: str, n_outputs: int = 1, **attrs) -> list[str]:
        names = [f"{self.prefix}{op.lower()}{len(self.nodes)}_{index}" for index in range(n_outputs)]
        self.nodes.append(helper.make_node(op, operands, names, **attrs))
        return names

    def value(self, *kinds: str, ranks: tuple[int, ...] = ()) -> Value | None:
        found = [v for v in self.values if (not kinds or v.kind in kinds) and (not ranks or v.rank in ranks)]
        return self.pick(*found[-3:]) if found else None

    def made(self, like: Value, op: str, *operands: str, dims: Dims | None = None, **attrs) -> Value:
        (name,) = self.emit(op, *operands, **attrs)
        return replace(like, name=name, dims=like.dims if dims is None else dims)

    def on_grid(self, value: Value, bound: float, step: float) -> Value | None:
        return replace(value, kind="grid", bound=bound, step=step) if bound / step <= MOST_STEPS else None

    def unary(self) -> Value:
        x = self.value()
        return self.made(x, self.pick("Neg", "Abs", "Relu", "Identity"), x.name)

    def rounded(self) -> Value | None:
        x = self.value("grid", "alike")
        if x is None:
            return None
        y = self.made(x, self.pick("Floor", "Ceil", "Round", "Sign"), x.name)
        return self.on_grid(y, x.bound + 1, 1.0)

    def truncated(self) -> Value | None:
        x = self.value("grid", "alike")
        if x is None:
            return None
        (whole,) = self.emit("Cast", x.name, to=self.pick(TensorProto.INT32, TensorProto.INT64))
        y = self.made(x, "Cast", whole, to=TensorProto.FLOAT)
        return self.on_grid(y, x.bound + 1, 1.0)

    def scaled(self) -> Value | None:
        x = self.value("grid", "alike")
        if x is None:
            return None
        factor = self.pick(0.5, 2.0, -1.0, 3.0, 0.25, 0.1, 0.3, 1 / 3, -0.7)
        y = self.made(x, self.pick("Mul", "Div"), x.name, self.constant(np.float32(factor)))
        if self.nodes[-1].op_type == "Div" or factor in (0.1, 0.3, 1 / 3, -0.7) or x.kind == "alike":
            return replace(y, kind="alike", bound=x.bound * 10)
        return self.on_grid(y, x.bound * abs(factor), x.step * (abs(factor) if factor != 3.0 else 1.0))

    def shifted(self) -> Value | None:
        x = self.value("grid", "alike")
        if x is None:
            return None
        terms = self.random.integers(-8, 9, [1 if d == DYNAMIC else d for d in x.dims[-1:]]) / 4
        is_plain = bool(self.random.integers(2))
        terms = terms if is_plain else terms + 0.1
        y = self.made(x, self.pick("Add", "Sub"), x.name, self.constant(terms.astype(np.float32)))
        if not is_plain or x.kind == "alike":
            return replace(y, kind="alike", bound=x.bound + 3)
        return self.on_grid(y, x.bound + 2, min(x.step, 0.25))

    def combined(self) -> Value | None:
        x = self.value()
        y = self.pick(*[v for v in self.values if v.dims == x.dims])
        op = self.pick("Max", "Min", "Add", "Sub", "Mul")
        kinds = {x.kind, y.kind}
        if op in ("Max", "Min"):
            kind = "real" if "real" in kinds else "huge" if "huge" in kinds else "alike" if "alike" in kinds else "grid"
            made = self.made(x, op, x.name, y.name)
            return replace(made, kind=kind, bound=max(x.bound, y.bound), step=min(x.step, y.step))
        if kinds - {"grid"}:
            return None
        made = self.made(x, op, x.name, y.name)
        if op == "Mul":
            return self.on_grid(made, x.bound * y.bound, x.step * y.step)
        return self.on_grid(made, x.bound + y.bound, min(x.step, y.step))

    def selected(self) -> Value | None:
        x = self.value("grid", "alike", "huge")
        if x is None:
            return None
        (test,) = self.emit(
            self.pick("Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"),
            x.name,
            self.constant(np.float32(self.pick(0.0, 1.0, 1.25, 0.1))),
        )
        match self.pick("cast", "where", "fallback"):
            case "cast":
                y = self.made(x, "Cast", test, to=TensorProto.FLOAT)
                return replace(y, kind="grid", bound=1.0, step=1.0)
            case "where":
                return self.made(x, "Where", test, x.name, self.constant(np.float32(-2.0)))
            case _:
                return self.made(x, "Where", test, self.constant(np.float32(2.0)), x.name)

    def reduced(self) -> Value | None:
        x = self.value(ranks=(2, 3, 4))
        if x is None:
            return None
        # along another axis, wasm transposes first
        axis = x.rank - 1 if self.dynamic else int(self.random.integers(x.rank))
        if x.dims[axis] == DYNAMIC and x.kind != "grid":
            return None
        keep = bool(self.random.integers(2))
        dims = tuple(1 if at == axis else d for at, d in enumerate(x.dims) if keep or at != axis)
        op = self.pick("ReduceMax", "ReduceMin") if x.kind != "grid" or x.dims[axis] == DYNAMIC else "ReduceSum"
        if x.dims[axis] == DYNAMIC:
            op = "ReduceSum"
        operands = [x.name, self.constant(np.int64([axis]))] if op == "ReduceSum" else [x.name]
        attrs = {"keepdims": int(keep)} | ({} if op == "ReduceSum" else {"axes": [axis]})
        y = self.made(x, op, *operands, dims=dims, **attrs)
        return self.on_grid(y, x.bound * 6, x.step) if op == "ReduceSum" else y

    def searched(self) -> Value | None:
        x = self.value("grid", "alike", "huge", ranks=(2, 3))
        if x is None or x.dims[-1] == DYNAMIC:
            return None
        if self.random.integers(2):
            (places,) = self.emit(self.pick("ArgMax", "ArgMin"), x.name, axis=-1, keepdims=int(self.random.integers(2)))
            self.integers.append(places)
            return None
        count = int(self.random.integers(1, int(x.dims[-1]) + 1))
        largest = int(self.random.integers(2))
        values, places = self.emit("TopK", x.name, self.constant(np.int64([count])), n_outputs=2, largest=largest)
        self.integers.append(places)
        return replace(x, name=values, dims=(*x.dims[:-1], count))

    def smooth(self) -> Value | None:
        x = self.value()
        op = self.pick("Sigmoid", "Tanh", "Softmax", "Erf", "Softplus")
        if x.dims[-1] == DYNAMIC or (op == "Softplus" and x.kind == "huge"):
            return None
        attrs = {"axis": -1} if op == "Softmax" else {}
        return replace(self.made(x, op, x.name, **attrs), kind="real", bound=x.bound, step=0)

    def moved(self) -> Value | None:
        x = self.value()
        if self.dynamic:  # wasm divides by zero where it transposes nothing
            return None
        perm = [int(axis) for axis in self.random.permutation(x.rank)]
        return self.made(x, "Transpose", x.name, dims=tuple(x.dims[axis] for axis in perm), perm=perm)

    def reshaped(self) -> Value | None:
        x = self.value(ranks=(2, 3, 4))
        if x is None or DYNAMIC in x.dims[1:]:
            return None
        dims = (x.dims[0], int(np.prod(x.dims[1:])))
        return self.made(x, "Reshape", x.name, self.constant(np.int64([0, dims[1]])), dims=dims)

    def joined(self) -> Value | None:
        x = self.value()
        if self.dynamic:  # cpu can't slice what it joined of nothing
            return None
        y = self.pick(*[v for v in self.values if v.dims == x.dims and v.kind == x.kind])
        axes = [axis for axis, dim in enumerate(x.dims) if dim != DYNAMIC]
        axis = self.pick(*axes)
        dims = tuple(2 * d if at == axis else d for at, d in enumerate(x.dims))
        made = self.made(x, "Concat", x.name, y.name, dims=dims, axis=axis)
        return replace(made, bound=max(x.bound, y.bound), step=min(x.step, y.step))

    def cut(self) -> Value | None:
        x = self.value()
        axes = [axis for axis, dim in enumerate(x.dims) if dim != DYNAMIC and int(dim) > 1]
        if not axes:
            return None
        axis = self.pick(*axes)
        places = self.random.integers(-int(x.dims[axis]), int(x.dims[axis]), 2)
        dims = tuple(2 if at == axis else d for at, d in enumerate(x.dims))
        if self.random.integers(2) and not self.dynamic:  # wasm gives what it gathers of nothing the wrong rank
            return self.made(x, "Gather", x.name, self.constant(places.astype(np.int64)), dims=dims, axis=axis)
        bounds = [self.constant(np.int64([one])) for one in (1, 2**31, axis)]
        return self.made(
            x, "Slice", x.name, *bounds, dims=tuple(int(d) - 1 if at == axis else d for at, d in enumerate(x.dims))
        )

    def padded(self) -> Value | None:
        x = self.value("grid", "alike", "real", ranks=(2, 3, 4))
        if x is None:
            return None
        rows = [0] * x.rank + [int(dim != DYNAMIC) for dim in x.dims]
        dims = tuple(d if d == DYNAMIC else int(d) + 1 for d in x.dims)
        return self.made(x, "Pad", x.name, self.constant(np.int64(rows)), self.constant(np.float32(1.5)), dims=dims)

    def spread(self) -> Value | None:
        x = self.value(ranks=(1, 2, 3))
        dims = (2, *(1 if dim == DYNAMIC else dim for dim in x.dims)) if x else ()
        return x and self.made(x, "Expand", x.name, self.constant(np.int64(dims)), dims=(2, *x.dims))

    def scattered(self) -> Value | None:
        x = self.value("grid", ranks=(2,))
        if x is None or DYNAMIC in x.dims:
            return None
        rows = self.random.permutation(int(x.dims[0]))[:1]
        places = np.broadcast_to(rows[:, None], (1, int(x.dims[1]))).astype(np.int64)
        updates = np.full(places.shape, 5.0, np.float32)
        y = self.made(x, "ScatterElements", x.name, self.constant(places), self.constant(updates), axis=0)
        return self.on_grid(y, max(x.bound, 5.0), min(x.step, 1.0))

    def multiplied(self) -> Value | None:
        x = self.value("grid", ranks=(2, 3))
        if x is None or x.dims[-1] == DYNAMIC:
            return None
        matrix = self.random.integers(-3, 4, (int(x.dims[-1]), 3)).astype(np.float32)
        y = self.made(x, "MatMul", x.name, self.constant(matrix), dims=(*x.dims[:-1], 3))
        return self.on_grid(y, x.bound * 3 * int(x.dims[-1]), x.step)

    def convolved(self) -> Value | None:
        x = self.value("grid", ranks=(4,))
        if x is None or DYNAMIC in x.dims:
            return None
        taps = self.random.integers(-3, 4, (2, int(x.dims[1]), 1, 1)).astype(np.float32)
        bias = self.random.integers(-3, 4, 2).astype(np.float32) / 2
        y = self.made(x, "Conv", x.name, self.constant(taps), self.constant(bias), dims=(x.dims[0], 2, *x.dims[2:]))
        return self.on_grid(y, x.bound * 3 * int(x.dims[1]) + 2, min(x.step, 0.5))

    def pooled(self) -> Value | None:
        x = self.value(ranks=(4,))
        if x is None or DYNAMIC in x.dims or min(int(dim) for dim in x.dims[2:]) < 2:
            return None
        op = self.pick("MaxPool", "AveragePool") if x.kind == "grid" else "MaxPool"
        dims = (*x.dims[:2], *(int(dim) // 2 for dim in x.dims[2:]))
        y = self.made(x, op, x.name, dims=dims, kernel_shape=[2, 2], strides=[2, 2])
        return y if op == "MaxPool" else self.on_grid(y, x.bound, x.step / 4)


STEPS: tuple[Callable[[Drawing], Value | None], ...] = (
    Drawing.unary, Drawing.rounded, Drawing.rounded, Drawing.truncated, Drawing.scaled, Drawing.scaled, Drawing.shifted,
    Drawing.combined, Drawing.selected, Drawing.reduced, Drawing.searched, Drawing.smooth, Drawing.moved,
    Drawing.reshaped, Drawing.joined, Drawing.cut, Drawing.padded, Drawing.spread, Drawing.scattered,
    Drawing.multiplied, Drawing.convolved, Drawing.pooled,
)  # fmt: skip


def model_of(drawings: list[Drawing]) -> onnx.ModelProto:
    """One model of several graphs that share nothing but the size of the dynamic dimension."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims))
        for drawing in drawings
        for name, (dims, _) in drawing.inputs.items()
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64 if kind == "index" else TensorProto.FLOAT, None)
        for drawing in drawings
        for name, kind in drawing.outputs().items()
        if name not in drawing.inputs
    ]
    nodes = [node for drawing in drawings for node in drawing.nodes]
    constants = [tensor for drawing in drawings for tensor in drawing.constants]
    graph = helper.make_graph(nodes, "random", inputs, outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)

"""Branches and loops that only the running graph can decide on; all others are gone before lowering."""

from dataclasses import dataclass

import numpy as np

from converter.dtypes import INT32_HIGHEST
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.legal import TF_TYPE, as_number, cast
from converter.lowering.registry import lowers
from converter.lowering.subgraph import State, Step, choose, repeat
from converter.onnx_model import OnnxGraph, ValueType
from converter.tfjs.graph import Ref, TensorType

VERSIONS = (1, 11, 13, 16, 19, 21, 23, 24, 25)
LIST = TensorType("variant", ())


@lowers("If", since=VERSIONS)
def lower_if(ctx: LoweringContext) -> None:
    """The results of the one branch that the condition, a bool of one element, chooses.

    Emits: StatelessIf; what a branch reads of the graph around it becomes an argument of both.
    Source: https://onnx.ai/onnx/operators/onnx__If.html
    """
    one, other = _branch(ctx.attr("then_branch")), _branch(ctx.attr("else_branch"))
    ctx.result(*choose(ctx, host.scalar(ctx, ctx.operand(0)), one, other))


def _branch(graph: OnnxGraph) -> Step:
    return lambda inner, _: _run(inner, graph)


def _run(inner: LoweringContext, graph: OnnxGraph) -> list[Ref]:
    inner.lower_nodes(graph.nodes)
    return [inner.values.get(name) for name in graph.outputs]


@dataclass(frozen=True)
class _Row:
    """A scan output: the dtype that a row is stored in, the dtype that it has, and what is known of its shape."""

    stored: str
    storage: str
    shape: tuple[int, ...]

    @property
    def zero(self) -> np.ndarray:
        return np.zeros((), dtype=np.float32 if self.stored == "float32" else np.int32)


@lowers("Loop", since=VERSIONS)
def lower_loop(ctx: LoweringContext) -> None:
    """What the body makes of its values, taken again until it says no, or as often as the trip count says.

    The state of the loop is: how many turns there were; whether to go on, unless it is known to; the carried values;
    and for each scan output a list, and the row stored last, which TF.js would dispose of if the body did not hand it
    out (executor/graph_executor.js:404).
    Emits: StatelessWhile; for scan outputs TensorListReserve, TensorListSetItem and TensorListStack, and StatelessIf
           where there may be no row to stack.
    Source: https://onnx.ai/onnx/operators/onnx__Loop.html
    """
    body: OnnxGraph = ctx.attr("body")
    plan = _Plan(ctx, body)
    initial, types = plan.state()
    if plan.limit is None and not plan.checks:
        ctx.refuse("never ends: it has neither a trip count nor a condition that can turn false")
    left = repeat(ctx, initial, types, plan.more, plan.step)
    carried, lists = left[plan.first_carried : plan.first_list], left[plan.first_list :: 2]
    scans = [_stacked(ctx, left[0], handle, row, plan) for handle, row in zip(lists, plan.rows, strict=True)]
    ctx.result(*carried, *scans)


class _Plan:
    """Where everything is in the state of a loop."""

    def __init__(self, ctx: LoweringContext, body: OnnxGraph) -> None:
        self.ctx, self.body = ctx, body
        self.n_carried = len(ctx.node.inputs) - 2
        begins = not ctx.has(1) or _is_true(ctx.known(1))
        self.checks = not (begins and _is_true(ctx.values.known(body.outputs[0])))
        self.limit = _limit(ctx)
        self.first_carried = 1 + self.checks
        self.first_list = self.first_carried + self.n_carried
        self.rows = [_row(ctx, name) for name in body.outputs[1 + self.n_carried :]]
        self.has_a_turn = begins and (self.limit is None or self.limit > 0)

    def state(self) -> tuple[list[Ref], list[TensorType]]:
        """What the loop begins with, and the types that it keeps."""
        ctx, body = self.ctx, self.body
        refs, types = [_number(ctx, 0)], [TensorType("int32", ())]
        if self.checks:
            refs.append(host.scalar(ctx, ctx.operand(1)) if ctx.has(1) else ctx.data(np.asarray(True)))
            types.append(TensorType("bool", ()))
        for index, name in enumerate(body.inputs[2:]):
            refs.append(ctx.operand(2 + index))
            types.append(_type(ctx, name))
        for row in self.rows:
            shape = ctx.param(row.shape)
            refs += [ctx.emit("TensorListReserve", shape, ctx.param(0), element_dtype=TF_TYPE[row.stored])]
            refs += [ctx.data(row.zero)]
            types += [LIST, TensorType(row.stored, None)]
        return refs, types

    def more(self, inner: LoweringContext, state: State) -> Ref:
        """Whether there is another turn."""
        tests = [state[1]] if self.checks else []
        if self.limit is not None:
            limit = host.scalar(inner, inner.operand(0)) if self.limit < 0 else _number(inner, self.limit)
            tests.append(inner.emit("Less", state[0], limit))
        return tests[0] if len(tests) == 1 else inner.emit("LogicalAnd", *tests)

    def step(self, inner: LoweringContext, state: State) -> list[Ref]:
        """One turn."""
        body, values = self.body, inner.values
        go_on = state[1] if self.checks else inner.data(np.asarray(True))
        arguments = [state[0], go_on, *state[self.first_carried : self.first_list]]
        for name, value in zip(body.inputs, arguments, strict=False):
            values.bind(name, value)
        verdict, *results = _run(inner, body)
        turn = inner.emit("AddV2", state[0], _number(inner, 1))
        verdicts = [host.scalar(inner, verdict)] if self.checks else []
        stored: list[Ref] = []
        for row, handle, value in zip(self.rows, state[self.first_list :: 2], results[self.n_carried :], strict=True):
            stored += _store(inner, state[0], handle, row, value)
        return [turn, *verdicts, *results[: self.n_carried], *stored]


def _is_true(array: np.ndarray | None) -> bool:
    return array is not None and bool(np.ravel(array)[0])


def _limit(ctx: LoweringContext) -> int | None:
    """The trip count, -1 if only the running graph knows it; None if there is none, or none that a loop could reach."""
    if not ctx.has(0):
        return None
    known = ctx.ints(0)
    if known is None:
        return -1
    return max(known[0], 0) if known[0] < INT32_HIGHEST else None


def _type(ctx: LoweringContext, name: str) -> TensorType:
    declared = ctx.values.onnx_type(name)
    if declared is None or declared.dtype.storage is None:
        ctx.refuse(f"the type of {name}, which the loop carries on, is unknown or none that TF.js has")
    return TensorType(declared.dtype.storage, declared.shape)


def _row(ctx: LoweringContext, name: str) -> _Row:
    declared: ValueType | None = ctx.values.onnx_type(name)
    storage = None if declared is None else declared.dtype.storage
    if declared is None or declared.shape is None or storage not in TF_TYPE:
        ctx.refuse(f"the type or rank of the scan output {name} is unknown, or none that TF.js can stack")
    stored = "int32" if storage == "bool" else storage
    return _Row(stored, storage, tuple(dim if isinstance(dim, int) else -1 for dim in declared.shape))


def _number(ctx: LoweringContext, value: int) -> Ref:
    return ctx.data(np.asarray(value, dtype=np.int32))


def _store(inner: LoweringContext, turn: Ref, handle: Ref, row: _Row, value: Ref) -> tuple[Ref, ...]:
    """The list with a row more, and that row, once it is in the list: from then on it is not copied any more."""
    (own,) = inner.emit_all("IdentityN", as_number(inner, value))
    longer = inner.emit("TensorListSetItem", handle, turn, own, element_dtype=TF_TYPE[row.stored])
    return inner.emit_all("IdentityN", longer, own)


def _stacked(ctx: LoweringContext, turns: Ref, handle: Ref, row: _Row, plan: _Plan) -> Ref:
    """The rows of a list as one value, which is empty if the loop took no turn."""

    def stack(inner: LoweringContext, handles: State) -> list[Ref]:
        rows = inner.emit("TensorListStack", *handles, inner.param(row.shape), element_dtype=TF_TYPE[row.stored])
        return [cast(inner, rows, row.storage)]

    if plan.has_a_turn:
        return stack(ctx, [handle])[0]
    nothing = np.zeros((0, *(max(size, 0) for size in row.shape)), dtype=row.storage)
    some = ctx.emit("Greater", turns, _number(ctx, 0))
    (rows,) = choose(ctx, some, stack, lambda inner, _: [inner.data(nothing)], handle)
    return rows

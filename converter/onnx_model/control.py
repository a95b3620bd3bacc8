"""If, Loop and Scan: put in their place where it is known what they do, prepared for running where it is not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import helper

from converter.dtypes import BY_NAME
from converter.onnx_model import scan, spelling
from converter.onnx_model.infer import join, without_names
from converter.onnx_model.model import OnnxGraph, ValueType
from converter.onnx_model.resolver import Call, Handlers
from converter.onnx_model.scope import Lost, Optional, Scope, Value
from converter.onnx_model.scope import Sequence as OnnxSequence

MAX_UNROLLED_NODES = 2000  # a loop that leaves more nodes than this stays a loop, unless another limit is given
MAX_UNROLL_STEPS = 20_000  # and one that takes more nodes than this to find out
COUNTER, FLAG = ValueType(BY_NAME["int64"], ()), ValueType(BY_NAME["bool"], ())


def branch(call: Call) -> None:
    """If: the branch that runs, or both where only the running graph knows which."""
    branches: list[OnnxGraph] = [call.attr("then_branch"), call.attr("else_branch")]
    condition = call.known(0)
    if condition is not None:
        chosen = branches[0] if bool(np.ravel(condition)[0]) else branches[1]
        call.replace(chosen, (), Scope(call.scope, call.name, chosen.types))
        return
    bodies, results = [], []
    for graph, name in zip(branches, ("then", "else"), strict=True):
        scope = Scope(call.scope, f"{call.name}/{name}", graph.types)
        body, values = call.resolver.subgraph(graph, scope, ())
        bodies.append(body)
        results.append(values)
    if any(isinstance(value, Lost) for values in results for value in values):
        call.lose()
        return
    _keep_branches(call, bodies, results)


def _keep_branches(call: Call, bodies: Sequence[OnnxGraph], results: Sequence[Sequence[Value]]) -> None:
    """Keep an If; results that are structures leave it as their elements."""
    pairs: list[tuple[str, str]] = []
    outputs: list[str] = []

    def output_for(name: str, *, is_tensor: bool) -> Callable[[str, str], str]:
        def make(one: str, other: str) -> str:
            types = call.resolver.types
            own = call.resolver.define(name, call.scope) if is_tensor else call.resolver.fresh(f"{name}/element")
            call.resolver.sharpen(own, join(types.get(one), types.get(other)))
            pairs.append((one, other))
            outputs.append(own)
            return own

        return make

    values = [
        _either(call, one, other, output_for(name, is_tensor=isinstance(one, str)))
        for name, one, other in zip(call.node.outputs, *results, strict=True)
        if name
    ]
    names = [name for name in call.node.outputs if name]
    for name, value in zip(names, values, strict=True):
        call.resolver.bind(name, value, call.scope)
    graphs = [replace(body, outputs=tuple(pair[at] for pair in pairs)) for at, body in enumerate(bodies)]
    attrs = dict(zip(("then_branch", "else_branch"), graphs, strict=True))
    node = replace(call.node, name=call.name, inputs=(call.tensor(0),), outputs=tuple(outputs), attrs=attrs)
    call.kept.append(node)


def _either(call: Call, one: Value, other: Value, make: Callable[[str, str], str]) -> Value:
    """The value that is one or the other, made of outputs of the If."""
    match one, other:
        case str(), str():
            return make(one, other)
        case OnnxSequence(), OnnxSequence() if len(one.items) == len(other.items):
            return OnnxSequence(tuple(_either(call, a, b, make) for a, b in zip(one.items, other.items, strict=True)))
        case Optional(None), Optional(None):
            return one
        case Optional(a), Optional(b) if a is not None and b is not None:
            return Optional(_either(call, a, b, make))
    return call.refuse(
        "the condition must be known before the graph runs: the branches return structures of different lengths",
        hint="make it a constant of the model, or return tensors",
    )


def loop(call: Call) -> None:
    """Loop: its iterations one after the other, or one body where only the running graph knows how many there are."""
    body: OnnxGraph = call.attr("body")
    condition = _condition(call)
    trips = 0 if condition is False else _trips(call)
    if trips is None or condition is None or not _unroll(call, body, trips, condition):
        _keep_loop(call, body)


def _trips(call: Call) -> float | None:
    """The largest number of iterations, None if only the running graph knows it."""
    if call.value(0) == "":
        return float("inf")
    array = call.known(0)
    return None if array is None else int(np.ravel(array)[0])


def _condition(call: Call) -> bool | None:
    """Whether the loop begins, None if only the running graph knows it."""
    if call.value(1) == "":
        return True
    array = call.known(1)
    return None if array is None else bool(np.ravel(array)[0])


@dataclass
class _Unrolled:
    """A loop being written out: what its iterations carry on, and the elements of each scan output."""

    carried: list[Value]
    scans: list[list[Value]]


def _unroll(call: Call, body: OnnxGraph, trips: float, condition: bool) -> bool:
    """Write out the iterations; False if there are too many, or it only shows at run time whether there is another."""
    resolver = call.resolver
    kept, changed, n_problems = replace(call, kept=[]), resolver.changed, len(resolver.problems)
    n_carried = len(call.values) - 2
    state = _Unrolled(list(call.values[2:]), [[] for _ in call.node.outputs[n_carried:]])
    limit = resolver.n_steps + MAX_UNROLL_STEPS
    max_nodes = MAX_UNROLLED_NODES if resolver.unroll_limit is None else resolver.unroll_limit
    turn = 0
    while condition and turn < trips:
        verdict = _one_turn(kept, body, state, turn)
        if len(resolver.problems) > n_problems:
            call.lose()
            return True
        turn += 1
        if (turn < trips and verdict is None) or len(kept.kept) > max_nodes or resolver.n_steps > limit:
            resolver.changed = changed
            return False
        condition = bool(verdict)
    call.kept.extend(kept.kept)
    resolver.changed = True
    scans = [_stacked(call, values, body, n_carried + index) for index, values in enumerate(state.scans)]
    call.bind(*state.carried, *scans)
    return True


def _one_turn(call: Call, body: OnnxGraph, state: _Unrolled, turn: int) -> bool | None:
    """Write out one iteration; returns whether there is another, None if only the running graph knows it."""
    name = f"{call.name}/{turn}"
    counter = call.constant(np.asarray(turn, dtype=np.int64), f"{turn}/iteration")
    going_on = call.constant(np.asarray(True), f"{turn}/condition")
    operands = [counter, going_on, *state.carried][: len(body.inputs)]
    verdict, *values = call.inline(body, operands, name)
    n_carried = len(state.carried)
    state.carried = values[:n_carried]
    for collected, value in zip(state.scans, values[n_carried:], strict=False):
        collected.append(value)
    known = call.resolver.constants.get(verdict) if isinstance(verdict, str) else None
    return None if known is None else bool(np.ravel(known)[0])


def _stacked(call: Call, values: Sequence[Value], body: OnnxGraph, index: int) -> str:
    """The elements of a scan output as one value, with as many rows as there were iterations."""
    if values:
        return spelling.stack(call, [call.as_tensor(value) for value in values])
    declared = body.types.get(body.outputs[1 + index]) or call.resolver.types.get(call.node.outputs[index])
    if declared is None:
        call.refuse("the type of a scan output that gets no element is unknown")
    shape = [dim if isinstance(dim, int) else 0 for dim in declared.shape or ()]
    dtype = helper.tensor_dtype_to_np_dtype(declared.dtype.onnx_code)
    return call.constant(np.zeros((0, *shape), dtype=dtype), f"no element {index}")


def _keep_loop(call: Call, body: OnnxGraph) -> None:
    """Keep a Loop, its body worked out for whatever an iteration may carry on to the next."""
    resolver = call.resolver
    initial = [value for value in call.values[2:] if isinstance(value, str)]
    if len(initial) != len(call.values[2:]):
        call.refuse(
            "it carries a sequence or an optional: how often it runs must be known before the graph runs",
            hint="make the trip count and the condition constants of the model, or return tensors as a scan output",
        )
    carried = [resolver.types.get(name) for name in initial]
    graph, values = _body(call, body, carried)
    while not any(isinstance(value, Lost) for value in values):
        found = [resolver.types.get(value) if isinstance(value, str) else None for value in values[1:]]
        wider = [join(*pair) for pair in zip(carried, found, strict=False)]
        if wider == carried:
            break
        carried = wider
        graph, values = _body(call, body, carried)
    else:
        call.lose()
        return
    results = tuple(call.as_tensor(value) for value in values)
    rows = [_rows(resolver.types.get(name)) for name in results[1 + len(carried) :]]
    _keep(call, replace(graph, outputs=results), (*carried, *rows))


def _body(call: Call, body: OnnxGraph, carried: Sequence[ValueType | None]) -> tuple[OnnxGraph, list[Value]]:
    scope = Scope(call.scope, f"{call.name}/body", body.types)
    return call.resolver.subgraph(body, scope, (COUNTER, FLAG, *carried)[: len(body.inputs)])


def _rows(element: ValueType | None) -> ValueType | None:
    """The type of a scan output with elements of this type."""
    plain = without_names(element)
    return None if plain is None else replace(plain, shape=None if plain.shape is None else (None, *plain.shape))


def _keep(call: Call, body: OnnxGraph, types: Sequence[ValueType | None]) -> None:
    outputs = []
    for name, type_ in zip(call.node.outputs, types, strict=False):
        own = call.resolver.define(name, call.scope) if name else ""
        if own:
            call.resolver.sharpen(own, type_)
        outputs.append(own)
    inputs = tuple(str(value) for value in call.values)
    call.kept.append(
        replace(
            call.node, name=call.name, inputs=inputs, outputs=tuple(outputs), attrs={**call.node.attrs, "body": body}
        )
    )


def _scan(call: Call) -> None:
    scan.as_loop(call, loop)


_SINCE_11 = (11, 13, 16, 19, 21, 23, 24, 25)
HANDLERS: Handlers = {
    **dict.fromkeys([("If", since) for since in (1, *_SINCE_11)], branch),
    **dict.fromkeys([("Loop", since) for since in (1, *_SINCE_11)], loop),
    **dict.fromkeys([("Scan", since) for since in (8, 9, 11, 16, 19, 21, 23, 24, 25)], _scan),
}

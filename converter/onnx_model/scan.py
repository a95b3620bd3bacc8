"""Scan, said as a Loop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from converter.onnx_model import spelling
from converter.onnx_model.model import OnnxGraph, OnnxNode, since_version
from converter.onnx_model.resolver import Call
from converter.onnx_model.scope import Lost, Value

FIRST_WITHOUT_BATCH = 9  # Scan-8 runs once for each entry of a batch


@dataclass(frozen=True)
class _Axes:
    """Along which axis, and in which direction, each scanned operand is read and each scan output is written."""

    read: Sequence[int]
    is_read_backwards: Sequence[int]
    written: Sequence[int]
    is_written_backwards: Sequence[int]


def as_loop(call: Call, loop: Callable[[Call], None]) -> None:
    """Scan: a Loop with an iteration for each entry of the scanned operands."""
    if call.node.since < FIRST_WITHOUT_BATCH:
        _each_of_batch(call, loop)
    else:
        call.bind(*_scan(call, list(call.values), loop))


def _scan(call: Call, operands: Sequence[Value], loop: Callable[[Call], None]) -> list[Value]:
    body: OnnxGraph = call.attr("body")
    n_scanned = int(call.attr("num_scan_inputs"))
    n_states = len(operands) - n_scanned
    scanned = [call.as_tensor(value) for value in operands[n_states:]]
    axes = _axes(call, n_scanned, len(body.outputs) - n_states)
    count = spelling.size(call, scanned[0], axes.read[0])
    trips = call.constant(np.asarray(count, dtype=np.int64), "trips") if isinstance(count, int) else count
    node = OnnxNode(
        call.node.name,
        "Loop",
        "",
        since_version("Loop", call.resolver.opset),
        (),
        tuple(call.resolver.fresh(f"{call.name}/{name}") for name in body.outputs),
        {"body": _loop_body(call, body, scanned, axes, trips)},
    )
    loop(replace(call, node=node, values=(trips, "", *operands[:n_states])))
    values = [call.scope.find(name) for name in node.outputs[: len(body.outputs)]]
    written = [_written(call, value, axes, index) for index, value in enumerate(values[n_states:])]
    return [*values[:n_states], *written]


def _axes(call: Call, n_scanned: int, n_outputs: int) -> _Axes:
    axes = _Axes(
        call.attr("scan_input_axes", [0] * n_scanned),
        call.attr("scan_input_directions", call.attr("directions", [0] * n_scanned)),
        call.attr("scan_output_axes", [0] * n_outputs),
        call.attr("scan_output_directions", [0] * n_outputs),
    )
    return replace(axes, written=list(axes.written) or [0] * n_outputs)


def _loop_body(call: Call, body: OnnxGraph, scanned: Sequence[str], axes: _Axes, trips: str) -> OnnxGraph:
    """The body of the Loop: it takes the number of the iteration and reads the scanned operands itself."""
    prefix, fresh = call.name, call.resolver.fresh
    turn, going_on = fresh(f"{prefix}/iteration"), fresh(f"{prefix}/condition")
    nodes = []
    position = turn
    if any(axes.is_read_backwards):
        last = call.add("Sub", trips, call.constant(np.asarray(1, dtype=np.int64), "one"))
        position = fresh(f"{prefix}/position")
        nodes.append(_node(call, "Sub", (_visible(call, last), turn), position))
    n_states = len(body.inputs) - len(scanned)
    for index, (value, name) in enumerate(zip(scanned, body.inputs[n_states:], strict=True)):
        where = position if axes.is_read_backwards[index] else turn
        nodes.append(_node(call, "Gather", (_visible(call, value), where), name, axis=int(axes.read[index])))
    return replace(
        body,
        inputs=(turn, going_on, *body.inputs[:n_states]),
        outputs=(going_on, *body.outputs),
        nodes=(*nodes, *body.nodes),
    )


def _node(call: Call, op: str, inputs: tuple[str, ...], output: str, **attrs: int) -> OnnxNode:
    return OnnxNode(f"{op}_{output}", op, "", since_version(op, call.resolver.opset), inputs, (output,), attrs)


def _visible(call: Call, value: str) -> str:
    """A name for a value that means nothing else inside the sub-graph."""
    name = call.resolver.fresh(f"{call.name}/{value}")
    call.scope.names[name] = value
    return name


def _written(call: Call, value: Value, axes: _Axes, index: int) -> Value:
    """A scan output in the order and along the axis that the node wants."""
    if isinstance(value, Lost):
        return value
    rows = call.as_tensor(value)
    if index < len(axes.is_written_backwards) and axes.is_written_backwards[index]:
        rows = spelling.backwards(call, rows)
    axis = int(axes.written[index])
    if axis == 0:
        return rows
    type_ = call.resolver.types.get(rows)
    if type_ is None or type_.shape is None:
        call.refuse("stacks values of unknown rank along another axis than the first")
    rank = len(type_.shape)
    order = [*range(1, rank)]
    order.insert(axis % rank, 0)
    return call.add("Transpose", rows, perm=order)


def _each_of_batch(call: Call, loop: Callable[[Call], None]) -> None:
    """Scan-8: one scan for each entry of the first axis, which every operand but `sequence_lens` has."""
    if call.value(0) != "":
        call.refuse("has sequences of different lengths", hint="export at opset 9 or later")
    operands = [call.as_tensor(value) for value in call.values[1:]]
    batch = spelling.size(call, operands[0], 0)
    if not isinstance(batch, int):
        call.refuse("scans a batch of unknown size", hint="fix it with `--bind`, or export at opset 9 or later")
    results = []
    for index in range(batch):
        entry = [spelling.row(call, operand, index) for operand in operands]
        results.append(_scan(call, entry, loop))
    if any(isinstance(value, Lost) for values in results for value in values):
        call.lose()
        return
    call.bind(*[spelling.stack(call, [call.as_tensor(v) for v in column]) for column in zip(*results, strict=True)])

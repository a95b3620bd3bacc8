"""Whether a graph is one that TF.js runs, and runs alike on every backend."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from converter.errors import InternalError
from converter.tfjs.graph import RESERVED_NAMES, FunctionName, Graph, Node, TensorType, merge_shapes
from converter.tfjs.infer import describe, infer
from converter.tfjs.legality import legality_problems
from converter.tfjs.optable import OPTABLE, node_problems
from converter.tfjs.weights import can_store

_LEGAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-/]*")
_VALUE_PARAMETERS = frozenset({
    "clipValueMax", "clipValueMin", "constantValue", "fillValue", "iouThreshold", "offValue", "onValue",
    "scoreThreshold", "softNmsSigma", "start", "step", "stop", "value",
})  # fmt: skip


def verify(graph: Graph) -> None:
    """Check a graph and its functions.

    Raises: InternalError naming everything that is wrong.
    """
    problems = [f"{where}{problem}" for where, problem in _all_problems(graph)]
    if problems:
        raise InternalError("the graph is not valid:\n  " + "\n  ".join(problems))


def _all_problems(graph: Graph) -> Iterator[tuple[str, str]]:
    taken: set[str] = set()
    for name, one in graph.walk():
        where = f"function {name}: " if name else ""
        for problem in (*_name_problems(one, taken), *_structure_problems(one, is_function=bool(name))):
            yield where, problem
        for node in one.nodes.values():
            for problem in _node_problems(node, one, graph.functions):
                yield where, f"{node.name} ({node.op}): {problem}"
    for problem in _call_cycles(graph):
        yield "", problem


def _name_problems(graph: Graph, taken: set[str]) -> Iterator[str]:
    for key, node in graph.nodes.items():
        if key != node.name:
            yield f"node {node.name!r} is filed under {key!r}"
        if not _LEGAL_NAME.fullmatch(node.name) or node.name in RESERVED_NAMES:
            yield f"{node.name!r} is no legal node name"
        if node.name in taken:
            yield f"the name {node.name!r} is taken in another function"
    taken.update(graph.nodes)


def _structure_problems(graph: Graph, *, is_function: bool) -> Iterator[str]:
    placeholders = [node.name for node in graph.nodes.values() if node.op == "Placeholder"]
    if sorted(placeholders) != sorted(graph.inputs.values()):
        yield f"inputs {sorted(graph.inputs.values())} are not the placeholders {sorted(placeholders)}"
    if is_function and any(key != name for key, name in graph.inputs.items()):
        yield "the parameters of a function must have the names of their placeholders"
    if not graph.outputs:
        yield "there is no output"
    for key, ref in graph.outputs.items():
        node = graph.nodes.get(ref.node)
        if node is None or ref.output or node.op != "Identity":
            yield f"output {key!r} is {ref}, which is no Identity"
    if len(set(graph.outputs.values())) != len(graph.outputs):
        yield "two outputs are one node; TF.js would return only one of them"
    if stray := graph.constants.keys() - {node.name for node in graph.nodes.values() if node.op == "Const"}:
        yield f"values without a Const: {sorted(stray)}"
    yield from _order_problems(graph)
    yield from _parameter_problems(graph)


def _order_problems(graph: Graph) -> Iterator[str]:
    seen: dict[str, int] = {}
    for node in graph.nodes.values():
        for ref in node.inputs:
            if not 0 <= ref.output < seen.get(ref.node, 0):
                yield f"{node.name} ({node.op}) reads {ref}, which no node before it defines"
        seen[node.name] = len(node.outputs)


def _parameter_problems(graph: Graph) -> Iterator[str]:
    """Constants read both on the host and by a kernel: uploading one drops the copy that the host reads."""
    as_data: dict[str, str] = {}
    as_parameter: dict[str, str] = {}
    for node in graph.nodes.values():
        parameters = OPTABLE[node.op].parameters(len(node.inputs)) if node.op in OPTABLE else {}
        for index, ref in enumerate(node.inputs):
            if ref.node in graph.constants:
                (as_parameter if index in parameters else as_data).setdefault(ref.node, node.name)
    for name in sorted(as_data.keys() & as_parameter.keys()):
        yield f"{name} (Const) is data of {as_data[name]} and a parameter of {as_parameter[name]}; give each its own"


def _node_problems(node: Node, graph: Graph, functions: Mapping[str, Graph]) -> list[str]:
    if node.op == "Const":
        return _const_problems(node, graph.constants.get(node.name))
    if node.op == "Placeholder":
        return [] if len(node.outputs) == 1 and not node.inputs else ["a placeholder has one output and no operand"]
    if problems := node_problems(node.op, len(node.inputs), node.attrs):
        return problems
    try:
        operands = [graph.type_of(ref) for ref in node.inputs]
    except (KeyError, IndexError):
        return []  # reported as a broken operand
    constants = [graph.constant(ref) for ref in node.inputs]
    return [
        *_type_problems(node, operands, constants, functions),
        *_operand_problems(node, operands, constants),
        *legality_problems(node.op, operands, node.attrs, constants, node.outputs),
    ]


def _const_problems(node: Node, values: np.ndarray | None) -> list[str]:
    if values is None or len(node.outputs) != 1 or node.inputs:
        return ["a constant needs its values, one output and no operand"]
    dtype, shape = node.outputs[0]
    problems = [] if values.shape == shape else [f"the values have shape {values.shape}, the node says {shape}"]
    return problems if can_store(values, dtype) else [*problems, f"{values.dtype} values can't stand for {dtype}"]


def _type_problems(
    node: Node,
    operands: Sequence[TensorType],
    constants: Sequence[np.ndarray | None],
    functions: Mapping[str, Graph],
) -> list[str]:
    try:
        inferred = infer(node.op, operands, node.attrs, constants, functions)
    except InternalError as error:
        return [str(error)]
    if len(inferred) != len(node.outputs):
        return [f"{len(node.outputs)} outputs where there must be {len(inferred)}"]
    problems = []
    for index, (one, other) in enumerate(zip(node.outputs, inferred, strict=True)):
        if not _compatible(one, other):
            problems.append(f"output {index} is said to be {describe(one)} but must be {describe(other)}")
    return problems


def _compatible(one: TensorType, other: TensorType) -> bool:
    if one.dtype != other.dtype:
        return False
    try:
        merge_shapes(one.shape, other.shape)
    except InternalError:
        return False
    return True


def _operand_problems(
    node: Node, operands: Sequence[TensorType], constants: Sequence[np.ndarray | None]
) -> Iterator[str]:
    parameters = OPTABLE[node.op].parameters(len(node.inputs)) if node.op in OPTABLE else {}
    for index, spec in parameters.items():
        allowed = ("int32", "float32") if spec.name in _VALUE_PARAMETERS else ("int32",)
        if operands[index].dtype not in allowed:
            yield f"parameter {spec.name} is {operands[index].dtype}, not {' or '.join(allowed)}"
        value = constants[index]
        if spec.type == "number" and value is not None and value.size != 1:
            yield f"parameter {spec.name} has {value.size} elements, not 1"


def _call_cycles(graph: Graph) -> Iterator[str]:
    calls = {name: _called(one) for name, one in graph.functions.items()}
    for name in calls:
        seen: set[str] = set()
        todo = set(calls[name])
        while todo:
            one = todo.pop()
            seen.add(one)
            todo |= calls.get(one, set()) - seen
        if name in seen:
            yield f"function {name} calls itself"


def _called(graph: Graph) -> set[str]:
    values = (value for node in graph.nodes.values() for value in node.attrs.values())
    return {value.name for value in values if isinstance(value, FunctionName)}

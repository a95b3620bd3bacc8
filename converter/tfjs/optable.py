"""The ops that the TF.js graph executor runs, what it reads of each, and whether a node uses one of them rightly."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from converter.errors import InternalError
from converter.tfjs import constraints
from converter.tfjs.graph import Attr, DataType, FunctionName, Graph

BACKENDS = ("cpu", "wasm", "webgl", "webgpu")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """One named input of an op: an operand, or a run of operands (`tensors`) up to `end`.

    Units: start counts from the end where it is negative; end is exclusive, 0 means "to the last operand".
    """

    name: str
    start: int
    end: int | None
    type: str

    @property
    def is_parameter(self) -> bool:
        """Whether the executor reads the operand's values on the host before it runs the op."""
        return self.type not in ("tensor", "tensors")


@dataclass(frozen=True, slots=True)
class AttrSpec:
    """One attribute of an op; `ignored` means that the executor never looks at it."""

    type: str
    default: Any
    ignored: bool


@dataclass(frozen=True, slots=True)
class OpSpec:
    """What the executor reads of an op, and the backends that have no kernel for it."""

    name: str
    category: str
    inputs: tuple[InputSpec, ...]
    attrs: Mapping[str, AttrSpec]
    lacks: tuple[str, ...]

    def accepts(self, n_inputs: int) -> bool:
        """Whether the op can have that many operands: the executor knows no optional ones."""
        n_single = sum(1 for spec in self.inputs if spec.type != "tensors")
        return n_inputs >= n_single if self.is_variadic else n_inputs == n_single

    @property
    def is_variadic(self) -> bool:
        """Whether one of the inputs takes any number of operands."""
        return any(spec.type == "tensors" for spec in self.inputs)

    def parameters(self, n_inputs: int) -> dict[int, InputSpec]:
        """The operands that the executor reads on the host, by position."""
        return {spec.start % n_inputs: spec for spec in self.inputs if spec.is_parameter} if n_inputs else {}


class _Table(Mapping[str, OpSpec]):
    """The rows of optable.json, read when the first one is asked for."""

    def __getitem__(self, op: str) -> OpSpec:
        return _load()[0][op]

    def __iter__(self) -> Iterator[str]:
        return iter(_load()[0])

    def __len__(self) -> int:
        return len(_load()[0])


OPTABLE: Mapping[str, OpSpec] = _Table()

COMPOSITES: Mapping[str, frozenset[str]] = {
    "Recurrence": frozenset({"body", "n_states", "n_sequences", "axis", "is_backward", "rows_like"}),
}
"""Nodes that TF.js does not have, with their attributes: `tfjs.recurrence` puts others in their place."""


@cache
def _load() -> tuple[dict[str, OpSpec], frozenset[str]]:
    raw = json.loads(Path(__file__).with_name("optable.json").read_text(encoding="utf-8"))
    return {op: _spec(op, row) for op, row in raw["ops"].items()}, frozenset(raw["not_executable"])


def _spec(op: str, row: Mapping[str, Any]) -> OpSpec:
    inputs = tuple(InputSpec(one["name"], one["start"], one.get("end"), one["type"]) for one in row["inputs"])
    attrs: dict[str, AttrSpec] = {}
    for name, one in row.get("attrs", {}).items():
        attrs[name] = AttrSpec(one["type"], one.get("default"), one.get("ignored", False))
        if "alias" in one:
            attrs[one["alias"]] = attrs[name]
    return OpSpec(op, row["category"], inputs, attrs, tuple(row.get("lacks", ())))


def check_node(op: str, n_inputs: int, attrs: Mapping[str, Attr]) -> None:
    """Refuse a node that TF.js would not run, or not run the same way on every backend.

    Raises: InternalError naming every reason.
    """
    if problems := node_problems(op, n_inputs, attrs):
        raise InternalError(f"{op}: " + "; ".join(problems))


def node_problems(op: str, n_inputs: int, attrs: Mapping[str, Attr]) -> list[str]:
    """Why a node with these attributes must not be emitted; nothing where all is well."""
    if op in COMPOSITES:
        return [f"attribute {name!r} is missing" for name in sorted(COMPOSITES[op] - attrs.keys())]
    spec = _load()[0].get(op)
    if spec is None:
        known = op in _load()[1]
        return ["TF.js declares this op but has no executor for it" if known else "TF.js has no such op"]
    if spec.lacks:
        return [f"no kernel on {', '.join(spec.lacks)}"]
    if reason := constraints.BANNED.get(op):
        return [reason]
    problems = [] if spec.accepts(n_inputs) else [f"{n_inputs} operands do not fit {_signature(spec)}"]
    for name, value in attrs.items():
        if name not in spec.attrs:
            problems.append(f"unknown attribute {name!r}")
        elif not _has_type(value, spec.attrs[name]):
            problems.append(f"attribute {name!r} is {value!r}, which is no {spec.attrs[name].type}")
    return problems or constraints.attr_problems(op, n_inputs, attrs)


def _signature(spec: OpSpec) -> str:
    return "(" + ", ".join(f"{one.name}…" if one.type == "tensors" else one.name for one in spec.inputs) + ")"


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_shape(value: object) -> bool:
    return value is None or (
        isinstance(value, tuple) and all(dim is None or isinstance(dim, int | str) for dim in value)
    )


_TYPE_TESTS: Mapping[str, Callable[[object], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "dtype": lambda value: isinstance(value, DataType),
    "func": lambda value: isinstance(value, FunctionName),
    "number": _is_number,
    "number[]": lambda value: isinstance(value, list) and all(map(_is_number, value)),
    "shape": _is_shape,
    "string": lambda value: isinstance(value, str),
    "string[]": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
}


def _has_type(value: object, spec: AttrSpec) -> bool:
    if spec.ignored and isinstance(value, DataType):  # TF.js declares some ignored T as a number
        return True
    return _TYPE_TESTS[spec.type](value)


ASYNC_OPS = frozenset({
    "If", "ListDiff", "NonMaxSuppressionV2", "NonMaxSuppressionV3", "NonMaxSuppressionV4", "NonMaxSuppressionV5",
    "StatelessIf", "StatelessWhile", "Where", "While",
})  # fmt: skip


def needs_async(graph: Graph) -> bool:
    """Whether TF.js runs the graph only through `executeAsync`: a shape depends on data, or there is control flow."""
    return any(node.op in ASYNC_OPS for _, body in graph.walk() for node in body.nodes.values())

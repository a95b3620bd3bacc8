"""Walks a model once, node by node, and does at compile time what can be done then."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import onnx
from onnx import defs

from converter.errors import UnsupportedError
from converter.onnx_model.argument_shapes import argument_types
from converter.onnx_model.elements import MAX_ELEMENTS, Dimensions, Elements, of_array, partial_results
from converter.onnx_model.expression import Integer
from converter.onnx_model.fold import known_results
from converter.onnx_model.infer import infer_outputs, merge, without_names
from converter.onnx_model.model import (
    OnnxGraph,
    OnnxModel,
    OnnxNode,
    ValueType,
    array_type,
    body_of,
    opset_versions,
    since_version,
)
from converter.onnx_model.protos import node_proto, type_proto
from converter.onnx_model.scope import LOST, Lost, Scope, Value

HasLowering = Callable[[str, str, int], bool]  # (domain, op, since)


@dataclass(frozen=True)
class Call:
    """One node about to be worked out: what its operands stand for, and where nodes that stay go."""

    resolver: "Resolver"
    node: OnnxNode
    values: tuple[Value, ...]
    scope: Scope
    kept: list[OnnxNode]

    @property
    def name(self) -> str:
        """The node's name, which tells where it comes from."""
        return self.scope.label(self.node.name)

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute or its default."""
        return self.node.attrs.get(name, default)

    def value(self, index: int) -> Value:
        """What an operand stands for, "" if it is absent."""
        return self.values[index] if index < len(self.values) else ""

    def tensor(self, index: int) -> str:
        """The graph's name of an operand that is a tensor.

        Raises: UnsupportedError if it is something else, or absent.
        """
        value = self.value(index)
        return value if isinstance(value, str) and value else self.refuse(f"operand {index} is no tensor")

    def as_tensor(self, value: Value) -> str:
        """A value that must be a tensor.

        Raises: UnsupportedError if it is a sequence or an optional.
        """
        return value if isinstance(value, str) else self.refuse("a sequence or an optional stands where a tensor must")

    def known(self, index: int) -> np.ndarray | None:
        """The array of an operand, None if only the running graph knows it or it is absent."""
        value = self.value(index)
        return self.resolver.constants.get(value) if isinstance(value, str) else None

    def bind(self, *values: Value) -> None:
        """Say what the node's outputs stand for, in order."""
        for name, value in zip(self.node.outputs, values, strict=False):
            if name:
                self.resolver.bind(name, value, self.scope)

    def keep(self) -> None:
        """Take over the node as one of the graph.

        Raises: UnsupportedError if an operand is a sequence or an optional.
        """
        self.resolver.keep(self)

    def lose(self) -> None:
        """Say that nobody will make the node's outputs."""
        self.bind(*[LOST] * len(self.node.outputs))

    def add(self, op: str, *inputs: str, **attrs: Any) -> str:
        """A node of the model's opset with one output, in the place of this one; returns the output's name."""
        (output,) = self.add_all(op, *inputs, n_outputs=1, **attrs)
        return output

    def add_all(self, op: str, *inputs: str, n_outputs: int, **attrs: Any) -> list[str]:
        """A node of the model's opset, in the place of this one; returns the names of its outputs."""
        return self.resolver.add(op, inputs, attrs, f"{self.name}/{op}", n_outputs, self.kept)

    def constant(self, array: np.ndarray, name: str) -> str:
        """A constant that the model does not have."""
        return self.resolver.constant(array, f"{self.name}/{name}")

    def inline(self, graph: OnnxGraph, operands: Sequence[Value], name: str) -> list[Value]:
        """Work out a sub-graph as a part of the graph around it; returns what its outputs stand for."""
        return self.resolver.inline(graph, operands, Scope(self.scope, name, graph.types), self.kept)

    def replace(self, graph: OnnxGraph, operands: Sequence[Value], scope: Scope) -> None:
        """Put a graph in the place of this node."""
        for name, outer in zip(graph.outputs, self.node.outputs, strict=False):
            if outer:
                scope.given[name] = self.resolver.define(outer, self.scope)
        self.bind(*self.resolver.inline(graph, operands, scope, self.kept))

    def refuse(self, reason: str, hint: str = "") -> NoReturn:
        """Give up on this node.

        Raises: UnsupportedError, always.
        """
        raise UnsupportedError(reason, where=f"node {replace(self.node, name=self.name)}", hint=hint)


Handler = Callable[[Call], None]
Handlers = Mapping[tuple[str, int], Handler]  # by operator and the opset in which its semantics began


class Resolver:
    """What is known of a model while it is walked.

    Every value gets a name that no other has, so that `constants` and `types` hold for all sub-graphs. `n_steps` counts
    nodes; `changed` says whether any was replaced by others, whose types ONNX has not inferred as a whole.
    """

    def __init__(
        self,
        model: OnnxModel,
        handlers: Handlers,
        has_lowering: HasLowering,
        dimensions: Dimensions,
        unroll_limit: int | None = None,
    ) -> None:
        self.constants = dict(model.graph.constants)
        self.types = dict(model.graph.types)
        self.elements: dict[str, Elements] = {}
        self.producers: dict[str, OnnxNode] = {}
        self._dimensions = dimensions
        self.problems: list[UnsupportedError] = []
        self.changed = False
        self.n_steps = 0
        self.unroll_limit = unroll_limit
        self._model, self._handlers, self._has_lowering = model, handlers, has_lowering
        self._sharpened: set[str] = set()
        made = (name for node in model.graph.nodes for name in node.outputs)
        self._used = {*model.graph.inputs, *model.graph.constants, *made, *model.graph.outputs}

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators that the model uses."""
        return self._model.opsets.get("", 0)

    def run(self, nodes: Iterable[OnnxNode], scope: Scope, kept: list[OnnxNode]) -> None:
        """Work out nodes in order; those that must run are appended to `kept`."""
        for node in nodes:
            self.n_steps += 1
            call = Call(self, node, tuple(scope.find(name) if name else "" for name in node.inputs), scope, kept)
            try:
                self._work_out(call)
            except UnsupportedError as problem:
                self.problems.append(problem)
                call.lose()

    def _work_out(self, call: Call) -> None:
        node = call.node
        if any(isinstance(value, Lost) for value in call.values):
            call.lose()
        elif not node.domain and (node.op, node.since) in self._handlers:
            self._handlers[node.op, node.since](call)
        elif (function := self._model.functions.get((node.domain, node.op, node.overload))) is not None:
            self._inline_function(call, function)
        elif node.op == "Identity" and not isinstance(call.values[0], str):
            call.bind(call.values[0])
        else:
            self.keep(call)

    def keep(self, call: Call) -> None:
        """Take over a node, or the function that it stands for.

        Raises: UnsupportedError if an operand is a sequence or an optional.
        """
        if not all(isinstance(value, str) for value in call.values):
            call.refuse("takes a sequence or an optional, which must dissolve before the graph runs")
        node = replace(call.node, name=call.name, inputs=tuple(str(value) for value in call.values))
        function = self._schema_function(node)
        if function is None:
            outputs = tuple(self.define(name, call.scope) if name else "" for name in node.outputs)
            self._keep(replace(node, outputs=outputs), call.kept, is_new=not call.scope.is_main)
        else:
            self._inline_function(call, function)

    def _schema_function(self, node: OnnxNode) -> onnx.FunctionProto | None:
        """What a standard operator without a lowering consists of."""
        if not node.since or self._has_lowering(node.domain, node.op, node.since):
            return None
        schema = defs.get_schema(node.op, node.since, node.domain)
        version = max(node.since, self._model.opsets.get(node.domain, 0))
        if schema.has_function:  # type: ignore[attr-defined]
            content = schema.get_function_with_opset_version(version)  # type: ignore[attr-defined]
        elif schema.has_context_dependent_function:  # type: ignore[attr-defined]
            types = [type_proto(self.types[n]).SerializeToString() if n in self.types else b"" for n in node.inputs]
            proto = node_proto(node, self.types).SerializeToString()
            content = schema.get_context_dependent_function_with_opset_version(version, proto, types)  # type: ignore[attr-defined]
        else:
            return None
        function = onnx.FunctionProto()
        function.ParseFromString(content)
        imported = opset_versions(function.opset_import)
        for domain in self._model.opsets.keys() - imported.keys():  # FlexAttention does not import what it is made of
            function.opset_import.add(domain=domain, version=self._model.opsets[domain])
        return function

    def _inline_function(self, call: Call, function: onnx.FunctionProto) -> None:
        body = body_of(function, call.node.attrs)
        operands = [*call.values, *[""] * (len(body.inputs) - len(call.values))]
        call.replace(body, operands, Scope(prefix=call.name))

    def _keep(self, node: OnnxNode, kept: list[OnnxNode], *, is_new: bool) -> None:
        """Take over a node, if its results are not known already; one that is new has no inferred types yet."""
        results = known_results(node, self.constants, self.types, self._model.opsets)
        if results is None:
            results = self._evaluate_elements(node)
        if results is None:
            kept.append(node)
            self.producers.update(dict.fromkeys(node.outputs, node))
            self._infer(node, is_new=is_new)
            return
        for name, array in results.items():
            self.constants[name] = array
            self.types[name] = array_type(array)
            self._sharpened.add(name)

    def _evaluate_elements(self, node: OnnxNode) -> dict[str, np.ndarray] | None:
        """Evaluate a node element by element; returns its outputs if every element is known."""
        results = partial_results(node, self.find_elements, self.types, self._dimensions, self._model.opsets)
        if results is None:
            return None
        arrays = [result.array() for result in results]
        if all(array is not None for array in arrays):
            return {name: array for name, array in zip(node.outputs, arrays, strict=True) if array is not None}
        self.elements.update(zip(node.outputs, results, strict=True))
        return None

    def shape(self, name: str) -> list[Integer] | None:
        """Return the sizes of a value's axes, None if its rank is unknown."""
        return self._dimensions.shape(name, self.types.get(name))

    def find_elements(self, name: str) -> Elements | None:
        """Return what is known of the elements of a small tensor of numbers or flags, None if nothing is."""
        array = self.constants.get(name)
        if array is None:
            return self.elements.get(name)
        return of_array(array) if array.size <= MAX_ELEMENTS and array.dtype.kind in "iufb" else None

    def _infer(self, node: OnnxNode, *, is_new: bool) -> None:
        if all(name in self.types and self.types[name].is_static for name in node.outputs if name):
            return
        if is_new or self._sharpened.intersection(node.inputs):
            for name, type_ in infer_outputs(node, self.constants, self.types).items():
                self.sharpen(name, type_)
        for name, type_ in argument_types(node, self.find_elements, self.types, self._dimensions).items():
            self.sharpen(name, type_)

    def sharpen(self, name: str, type_: ValueType | None) -> None:
        """Take in what was found out of a value's type."""
        merged = merge(type_, self.types.get(name))
        if merged is not None and merged != self.types.get(name):
            self.types[name] = merged
            self._sharpened.add(name)

    def define(self, name: str, scope: Scope) -> str:
        """The name of a new value that a scope calls `name`."""
        if scope.is_main:
            return name
        own = scope.given.pop(name, "") or self.fresh(name, scope.prefix)
        scope.names[name] = own
        if (declared := merge(self.types.get(own), without_names(scope.declared.get(name)))) is not None:
            self.types[own] = declared
        return own

    def fresh(self, name: str, prefix: str = "") -> str:
        """The name if no value has it, else one that begins with the prefix."""
        own, base, count = name, f"{prefix}/{name}" if prefix else name, 0
        while own in self._used:
            own = f"{base}_{count}" if count else base
            count += 1
        self._used.add(own)
        return own

    def bind(self, name: str, value: Value, scope: Scope) -> None:
        """Say what a name stands for."""
        scope.names[name] = value
        if isinstance(value, str) and value != name and scope.is_main:
            self.sharpen(value, merge(self.types.get(value), self.types.get(name)))

    def add(
        self,
        op: str,
        inputs: Sequence[str],
        attrs: Mapping[str, Any],
        name: str,
        n_outputs: int,
        kept: list[OnnxNode],
    ) -> list[str]:
        """A node of the model's opset; returns the names of its outputs."""
        self.changed = True
        outputs = [self.fresh(f"{name}/out") for _ in range(n_outputs)]
        since = since_version(op, self.opset)
        self._keep(OnnxNode(name, op, "", since, tuple(inputs), tuple(outputs), dict(attrs)), kept, is_new=True)
        return outputs

    def constant(self, array: np.ndarray, name: str) -> str:
        """A constant that the model does not have."""
        own = self.fresh(name)
        self.constants[own], self.types[own] = array, array_type(array)
        return own

    def inline(self, graph: OnnxGraph, operands: Sequence[Value], scope: Scope, kept: list[OnnxNode]) -> list[Value]:
        """Work out a graph as a part of the one around it; returns what its outputs stand for."""
        self.changed = True
        scope.names.update(zip(graph.inputs, operands, strict=True))
        return self._outputs(graph, scope, kept)

    def subgraph(
        self, graph: OnnxGraph, scope: Scope, types: Sequence[ValueType | None]
    ) -> tuple[OnnxGraph, list[Value]]:
        """Work out a graph that stays one, with inputs of these types; returns it without outputs, and those."""
        inputs = tuple(self.define(name, scope) for name in graph.inputs)
        for name, type_ in zip(inputs, types, strict=True):
            if (known := merge(type_, self.types.get(name))) is not None:
                self.types[name] = known
        nodes: list[OnnxNode] = []
        values = self._outputs(graph, scope, nodes)
        return OnnxGraph(scope.prefix, inputs, (), tuple(nodes), {}, {}), values

    def _outputs(self, graph: OnnxGraph, scope: Scope, kept: list[OnnxNode]) -> list[Value]:
        for name, array in graph.constants.items():
            own = self.define(name, scope)
            self.constants[own], self.types[own] = array, array_type(array)
        self.run(graph.nodes, scope, kept)
        return [scope.find(name) for name in graph.outputs]

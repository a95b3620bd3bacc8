"""Functions of the graph: the branches and loop bodies that only run when the graph does."""

from collections.abc import Callable, Sequence

from converter.errors import InternalError, UnsupportedError
from converter.lowering import host
from converter.lowering.context import LoweringContext
from converter.lowering.values import Values
from converter.lowering.walk import SubgraphError
from converter.tfjs.builder import Builder
from converter.tfjs.graph import FunctionName, Graph, Ref, TensorType, merge_shapes

MAX_COPIED_ELEMENTS = 1 << 12  # a larger constant is passed to the functions that read it, not copied into each

State = Sequence[Ref]
Step = Callable[[LoweringContext, State], State]
Read = Callable[[Ref], Ref]
RecurrentStep = Callable[[LoweringContext, Read, Ref, State, State], tuple[State, State]]
"""(context, read, position, states, elements of the sequences) -> (states, rows)"""


class FunctionValues(Values):
    """The values inside a function: what lives in the graph around it becomes an argument when it is first read."""

    def __init__(self, ctx: LoweringContext, name: str) -> None:
        super().__init__(ctx.values.graph, Builder(Graph(), ctx.values.builder.names))
        self.name = name
        self.functions = ctx.values.functions
        self.captured: dict[Ref, Ref] = {}
        self._around = ctx
        self._copied: dict[Ref, Ref] = {}
        self._on_device: set[str] = set()

    def may_be_on_device(self, placeholder: str) -> bool:
        """Whether a placeholder may get a value that was computed on the device."""
        return placeholder in self._on_device

    def is_bound(self, name: str) -> bool:
        """Whether the value can be read, here or in the graph around the function."""
        return super().is_bound(name) or self._around.values.is_bound(name)

    def get(self, name: str) -> Ref:
        """The value of the function that holds an ONNX value."""
        if name not in self._bound and not self._is_copied(name):
            self._bound[name] = self.capture(self._around.values.get(name))
        return super().get(name)

    def _is_copied(self, name: str) -> bool:
        array = self.known(name)
        return array is not None and array.size <= MAX_COPIED_ELEMENTS

    def capture(self, outer: Ref) -> Ref:
        """The argument that passes a value of the graph around."""
        if outer not in self.captured:
            on_host = host.is_on_host(self._around, outer)
            self.captured[outer] = self.argument(outer.node, self._around.type(outer), on_host=on_host)
        return self.captured[outer]

    def read(self, outer: Ref) -> Ref:
        """A value of the graph around, as an argument, or as a constant of the function if it is a small one."""
        array = self._around.values.builder.graph.constant(outer)
        if array is None or array.size > MAX_COPIED_ELEMENTS:
            return self.capture(outer)
        if outer not in self._copied:
            self._copied[outer] = self.builder.constant(array, name=outer.node)
        return self._copied[outer]

    def argument(self, name: str, type_: TensorType, *, on_host: bool) -> Ref:
        """One more argument."""
        ref = self.builder.argument(f"{self.name}/{name}", type_)
        if not on_host:
            self._on_device.add(ref.node)
        return ref

    def close(self, results: State, captured: Sequence[Ref]) -> None:
        """Hand out the results, and take as the last arguments those for these values of the graph around."""
        for outer in captured:
            self.capture(outer)
        graph = self.builder.graph
        last = [self.captured[outer].node for outer in captured]
        graph.inputs = {name: name for name in (*(n for n in graph.inputs if n not in last), *last)}
        for index, result in enumerate(results):
            self.builder.output(f"{self.name}/{index}", result)


def _register(ctx: LoweringContext, function: FunctionValues) -> FunctionName:
    name = ctx.values.builder.names.unique(function.name)
    ctx.values.functions[name] = function.builder.graph
    return FunctionName(name)


def _all_captured(functions: Sequence[FunctionValues]) -> list[Ref]:
    return list(dict.fromkeys(outer for function in functions for outer in function.captured))


def choose(ctx: LoweringContext, condition: Ref, one: Step, other: Step, *given: Ref) -> tuple[Ref, ...]:
    """What `one` makes of the given values if the bool scalar holds, what `other` makes of them if not.

    Both emit into functions of their own, with a context of their own, whose operands are passed to them; their results
    must have equal dtypes.
    Emits: StatelessIf.
    """
    functions = [FunctionValues(ctx, f"{ctx.node.name}/{name}") for name in ("then", "else")]
    results: list[State] = []
    problems: list[UnsupportedError] = []
    for function, emit in zip(functions, (one, other), strict=True):
        try:
            results.append(emit(ctx.inside(function), [function.capture(value) for value in given]))
        except SubgraphError as several:
            problems.extend(several.problems)
    if len(results) < len(functions):
        raise SubgraphError(problems)
    captured = _all_captured(functions)
    for function, values in zip(functions, results, strict=True):
        function.close(values, captured)
    types = [
        _either(functions[0].builder.type_of(a), functions[1].builder.type_of(b)) for a, b in zip(*results, strict=True)
    ]
    names = [_register(ctx, function) for function in functions]
    return ctx.emit_all("StatelessIf", condition, *captured, types=types, then_branch=names[0], else_branch=names[1])


def _either(one: TensorType, other: TensorType) -> TensorType:
    if one.dtype != other.dtype:
        raise InternalError(f"branches return {one.dtype} and {other.dtype}")
    if one.shape is None or other.shape is None or len(one.shape) != len(other.shape):
        return TensorType(one.dtype, None)
    return TensorType(one.dtype, tuple(a if a == b else None for a, b in zip(one.shape, other.shape, strict=True)))


def repeat(
    ctx: LoweringContext,
    initial: State,
    types: Sequence[TensorType],
    more: Callable[[LoweringContext, State], Ref],
    step: Step,
) -> tuple[Ref, ...]:
    """The state that is left when `more` no longer holds of it, `step` having been taken again and again.

    `types` are true of each value whenever `more` and `step` see it: unknown dimensions where its shape changes. Both
    emit into functions of their own, with a context of their own, whose operands are passed to them.
    Emits: StatelessWhile.
    """
    on_host = [host.is_on_host(ctx, value) for value in initial]
    functions = dict(ctx.values.functions)
    while True:
        body = FunctionValues(ctx, f"{ctx.node.name}/body")
        inner = ctx.inside(body)
        results = step(inner, _arguments(body, types, on_host))
        still = [was and host.is_on_host(inner, value) for was, value in zip(on_host, results, strict=True)]
        if still == on_host:
            break
        on_host = still
        ctx.values.functions.clear()
        ctx.values.functions.update(functions)
    _check_types(body, types, results)
    test = FunctionValues(ctx, f"{ctx.node.name}/test")
    verdict = more(ctx.inside(test), _arguments(test, types, on_host))
    captured = _all_captured((body, test))
    body.close([*results, *(body.capture(outer) for outer in captured)], captured)
    test.close([verdict], captured)
    names = [_register(ctx, function) for function in (test, body)]
    left = [*types, *(ctx.type(outer) for outer in captured)]
    return ctx.emit_all("StatelessWhile", *initial, *captured, types=left, cond=names[0], body=names[1])[: len(initial)]


def recur(
    ctx: LoweringContext,
    initial: State,
    sequences: Sequence[Ref],
    step: RecurrentStep,
    *,
    axis: int,
    is_backward: bool,
    rows_like: Sequence[int],
) -> tuple[Ref, ...]:
    """The states after the last step, and the rows that the steps return, stacked along `axis`.

    `step` emits into a function, with a context of its own; what it reads of the graph around it goes through `read`.
    It returns as many states as there are initial ones, and rows with the shapes of the states that `rows_like` names.
    Emits: Recurrence.
    """
    body = FunctionValues(ctx, f"{ctx.node.name}/step")
    position = body.argument("position", TensorType("int32", ()), on_host=True)
    states = [body.argument(f"state/{index}", ctx.type(ref), on_host=False) for index, ref in enumerate(initial)]
    elements = []
    for index, ref in enumerate(sequences):
        dims = ctx.dims(ref)
        element = TensorType(ctx.type(ref).dtype, (*dims[:axis], *dims[axis + 1 :]))
        elements.append(body.argument(f"element/{index}", element, on_host=False))
    results, rows = step(ctx.inside(body), body.read, position, states, elements)
    captured = list(body.captured)
    body.close([*results, *rows], captured)
    size = ctx.dims(sequences[0])[axis]
    stacked = []
    for row in rows:
        type_ = body.builder.type_of(row)
        dims = type_.shape or ctx.refuse("the rank of a row is unknown")
        stacked.append(TensorType(type_.dtype, (*dims[:axis], size, *dims[axis:])))
    return ctx.emit_all(
        "Recurrence",
        *initial,
        *sequences,
        *captured,
        types=[*(ctx.type(ref) for ref in initial), *stacked],
        body=_register(ctx, body),
        n_states=len(initial),
        n_sequences=len(sequences),
        axis=axis,
        is_backward=is_backward,
        rows_like=list(rows_like),
    )


def _arguments(function: FunctionValues, types: Sequence[TensorType], on_host: Sequence[bool]) -> list[Ref]:
    return [
        function.argument(f"state/{index}", type_, on_host=flag)
        for index, (type_, flag) in enumerate(zip(types, on_host, strict=True))
    ]


def _check_types(body: FunctionValues, types: Sequence[TensorType], results: State) -> None:
    for index, (type_, result) in enumerate(zip(types, results, strict=True)):
        found = body.builder.type_of(result)
        if found.dtype != type_.dtype:
            raise InternalError(f"state {index} is {type_.dtype}, but {found.dtype} after a step")
        merge_shapes(found.shape, type_.shape)

"""Branches, loops and tensor lists."""

from collections.abc import Mapping

from converter.tfjs.graph import Dim, FunctionName, Graph, Shape, TensorType
from converter.tfjs.infer.call import Call, Rule
from converter.tfjs.infer.layout import shape_operand

LIST = TensorType("variant", ())


def _function(call: Call, attr: str) -> Graph:
    name = call.attrs.get(attr)
    body = call.functions.get(name.name) if isinstance(name, FunctionName) else None
    if body is None:
        raise call.error(f"{attr} names no function of the graph")
    return body


def _check_arguments(call: Call, body: Graph, given: tuple[TensorType, ...], what: str) -> None:
    wanted = [body.nodes[name].outputs[0] for name in body.inputs.values()]
    call.need(len(wanted) == len(given), f"{what} takes {len(wanted)} arguments")
    for at, (one, other) in enumerate(zip(wanted, given, strict=True)):
        call.need(one.dtype == other.dtype, f"argument {at} of {what} is {one.dtype}")
        call.merge(one.shape, other.shape)


def _results(body: Graph) -> tuple[TensorType, ...]:
    return tuple(body.type_of(ref) for ref in body.outputs.values())


def join_types(call: Call, one: TensorType, other: TensorType) -> TensorType:
    """What is true of a value that is either of two. Raises: InternalError if the dtypes differ."""
    call.need(one.dtype == other.dtype, f"results are {one.dtype} or {other.dtype}")
    if one.shape is None or other.shape is None or len(one.shape) != len(other.shape):
        return TensorType(one.dtype, None)
    dims: list[Dim] = [a if a == b else None for a, b in zip(one.shape, other.shape, strict=True)]
    return TensorType(one.dtype, tuple(dims))


def _if(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "bool")
    call.ranked(0, 0)
    branches = [_function(call, attr) for attr in ("then_branch", "else_branch")]
    for branch, what in zip(branches, ("then_branch", "else_branch"), strict=True):
        _check_arguments(call, branch, call.operands[1:], what)
    one, other = map(_results, branches)
    call.need(len(one) == len(other), f"the branches have {len(one)} and {len(other)} results")
    return tuple(join_types(call, a, b) for a, b in zip(one, other, strict=True))


def _while(call: Call) -> tuple[TensorType, ...]:
    cond, body = _function(call, "cond"), _function(call, "body")
    for function, what in ((cond, "cond"), (body, "body")):
        _check_arguments(call, function, call.operands, what)
    verdict = _results(cond)
    call.need(len(verdict) == 1 and verdict[0].dtype == "bool", "cond must have one bool result")
    _check_arguments(call, body, _results(body), "body")
    # the state after any number of turns, none included, is what the body says it takes
    return tuple(body.nodes[name].outputs[0] for name in body.inputs.values())


def _recurrence(call: Call) -> tuple[TensorType, ...]:
    body = _function(call, "body")
    n_states, n_sequences, axis = (call.number(name, 0) for name in ("n_states", "n_sequences", "axis"))
    states, sequences = call.operands[:n_states], call.operands[n_states : n_states + n_sequences]
    call.need(n_sequences > 0 and all((one.rank or 0) > axis for one in sequences), "a sequence has no axis of steps")
    steps = {one.shape[axis] for one in sequences if one.shape is not None}
    call.need(len({size for size in steps if isinstance(size, int)}) <= 1, "the sequences differ in length")
    elements = [TensorType(one.dtype, (*one.shape[:axis], *one.shape[axis + 1 :])) for one in sequences if one.shape]
    given = (TensorType("int32", ()), *states, *elements, *call.operands[n_states + n_sequences :])
    _check_arguments(call, body, given, "body")
    results = _results(body)
    _check_arguments(call, body, (given[0], *results[:n_states], *given[1 + n_states :]), "body")
    size = next((one for one in steps if isinstance(one, int)), next(iter(steps), None))
    rows = [
        TensorType(row.dtype, None if row.shape is None else (*row.shape[:axis], size, *row.shape[axis:]))
        for row in results[n_states:]
    ]
    parameters = [body.nodes[name].outputs[0] for name in body.inputs.values()]
    return (*parameters[1 : 1 + n_states], *rows)


def _element(call: Call, shape: Shape) -> TensorType:
    return TensorType(call.dtype_attr("element_dtype", "float32"), shape)


def _list(call: Call) -> tuple[TensorType, ...]:
    for index, operand in enumerate(call.operands):
        if operand.dtype == "variant":
            call.need(index == 0, "the list comes first")
    return (LIST,)


def _list_item(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "variant")
    return (_element(call, shape_operand(call, 2)),)


def _list_stack(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "variant")
    shape = shape_operand(call, 1)
    return (_element(call, None if shape is None else (None, *shape)),)


def _list_gather(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "variant")
    shape, indices = shape_operand(call, 2), call.ranked(1, 1)
    return (_element(call, None if shape is None else ((indices or (None,))[0], *shape)),)


def _list_concat(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "variant")
    shape = call.attrs.get("element_shape")
    return (_element(call, (None, *shape[1:]) if isinstance(shape, tuple) and shape else None),)


def _list_length(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "variant")
    return (TensorType("int32", ()),)


_LIST_OPS = (
    "EmptyTensorList", "TensorListFromTensor", "TensorListPushBack", "TensorListReserve", "TensorListResize",
    "TensorListScatter", "TensorListScatterV2", "TensorListSetItem",
)  # fmt: skip

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_LIST_OPS, _list),
    "Recurrence": _recurrence,
    **dict.fromkeys(("TensorListConcat", "TensorListConcatV2"), _list_concat),
    "StatelessIf": _if,
    "StatelessWhile": _while,
    "TensorListGather": _list_gather,
    "TensorListGetItem": _list_item,
    "TensorListLength": _list_length,
    "TensorListStack": _list_stack,
}

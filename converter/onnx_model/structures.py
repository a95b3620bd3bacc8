"""Sequences and optionals: they dissolve, since TF.js has neither."""

from itertools import repeat

import numpy as np

from converter.onnx_model import spelling
from converter.onnx_model.model import OnnxGraph
from converter.onnx_model.resolver import Call, Handlers
from converter.onnx_model.scope import LOST, Lost, Optional, Sequence, Value

_CONSTANT_HINT = "make the position a constant of the model"


def _sequence(call: Call, index: int = 0) -> tuple[Value, ...]:
    value = call.value(index)
    if not isinstance(value, Sequence):
        call.refuse(f"operand {index} is no sequence whose elements are known")
    return value.items


def construct(call: Call) -> None:
    """SequenceConstruct and SequenceEmpty: the operands as a sequence."""
    call.bind(Sequence(call.values))


def insert(call: Call) -> None:
    """SequenceInsert: an element before a position, at the end by default."""
    items = _sequence(call)
    at = _position(call, 2, len(items) + 1, default=len(items))
    call.bind(Sequence((*items[:at], call.tensor(1), *items[at:])))


def erase(call: Call) -> None:
    """SequenceErase: a sequence without one element, the last by default."""
    items = _sequence(call)
    at = _position(call, 1, len(items), default=len(items) - 1)
    call.bind(Sequence((*items[:at], *items[at + 1 :])))


def _position(call: Call, index: int, count: int, *, default: int) -> int:
    """A position among `count`, counted from the front; for a negative one ONNX leaves out the place at the end."""
    if call.value(index) == "":
        at = default
    else:
        array = call.known(index)
        if array is None:
            call.refuse("the position must be known before the graph runs", hint=_CONSTANT_HINT)
        at = int(np.ravel(array)[0])
    length = len(_sequence(call))
    if not -length <= at < count:
        call.refuse(f"position {at} is outside a sequence of length {length}")
    return at + length if at < 0 else at


def element(call: Call) -> None:
    """SequenceAt: one element; where only the running graph knows which, a row of all of them, if they are alike."""
    items = _sequence(call)
    if call.known(1) is not None:
        call.bind(items[_position(call, 1, len(items), default=0)])
        return
    tensors = [call.as_tensor(item) for item in items]
    types = {call.resolver.types.get(name) for name in tensors}
    if len(types) != 1 or not all(type_ is not None and type_.is_static for type_ in types):
        call.refuse("the position must be known before the graph runs: the elements differ", hint=_CONSTANT_HINT)
    call.bind(call.add("Gather", spelling.stack(call, tensors), call.tensor(1), axis=0))


def length(call: Call) -> None:
    """SequenceLength: a constant."""
    call.bind(call.constant(np.asarray(len(_sequence(call)), dtype=np.int64), "length"))


def join(call: Call) -> None:
    """ConcatFromSequence: the elements one after the other, or side by side with `new_axis`."""
    items = [call.as_tensor(item) for item in _sequence(call)]
    if not items:
        call.refuse("joins a sequence without elements")
    axis = int(call.attr("axis"))
    call.bind(spelling.stack(call, items, axis) if call.attr("new_axis", 0) else spelling.concat(call, items, axis))


def cut(call: Call) -> None:
    """SplitToSequence: a value cut along an axis; without sizes, into entries of one each."""
    value, axis = call.tensor(0), int(call.attr("axis", 0))
    count = spelling.size(call, value, axis)
    if not isinstance(count, int):
        call.refuse("splits an axis of unknown size", hint="fix it with `--bind name=size`")
    if call.value(1) == "" and not call.attr("keepdims", 1):
        call.bind(Sequence(tuple(spelling.row(call, value, index, axis) for index in range(count))))
        return
    call.bind(Sequence(tuple(spelling.split(call, value, _sizes(call, count), axis))))


def _sizes(call: Call, count: int) -> list[int]:
    if call.value(1) == "":
        return [1] * count
    array = call.known(1)
    if array is None:
        call.refuse("the sizes must be known before the graph runs", hint="make them a constant of the model")
    if array.ndim:
        return [int(size) for size in array]
    step = int(array)
    return [min(step, count - start) for start in range(0, count, step)]


def each(call: Call) -> None:
    """SequenceMap: the body once for each element; operands that are tensors are the same each time."""
    body: OnnxGraph = call.attr("body")
    n_turns = len(_sequence(call))
    columns = [value.items if isinstance(value, Sequence) else repeat(value, n_turns) for value in call.values]
    results: list[list[Value]] = []
    for turn, operands in enumerate(zip(*columns, strict=True)):
        results.append(call.inline(body, operands, f"{call.name}/{turn}"))
        if any(isinstance(value, Lost) for value in results[-1]):
            call.bind(*[LOST] * len(body.outputs))
            return
    call.bind(*[Sequence(tuple(turn[index] for turn in results)) for index in range(len(body.outputs))])


def wrap(call: Call) -> None:
    """Optional: an element, or none."""
    call.bind(Optional(call.value(0) or None))


def has_element(call: Call) -> None:
    """OptionalHasElement: a constant; what is no optional is an element itself."""
    value = call.value(0)
    has = value.element is not None if isinstance(value, Optional) else value != ""
    call.bind(call.constant(np.asarray(has), "has element"))


def unwrap(call: Call) -> None:
    """OptionalGetElement: the element."""
    value = call.value(0)
    element = value.element if isinstance(value, Optional) else value
    if element is None:
        call.refuse("takes the element of an optional that has none")
    call.bind(element)


HANDLERS: Handlers = {
    **dict.fromkeys([("Optional", 15), ("Optional", 28)], wrap),
    **dict.fromkeys([("OptionalGetElement", since) for since in (15, 18, 28)], unwrap),
    **dict.fromkeys([("OptionalHasElement", since) for since in (15, 18, 28)], has_element),
    **dict.fromkeys([("SplitToSequence", 11), ("SplitToSequence", 24)], cut),
    ("ConcatFromSequence", 11): join,
    ("SequenceAt", 11): element,
    ("SequenceConstruct", 11): construct,
    ("SequenceEmpty", 11): construct,
    ("SequenceErase", 11): erase,
    ("SequenceInsert", 11): insert,
    ("SequenceLength", 11): length,
    ("SequenceMap", 17): each,
}

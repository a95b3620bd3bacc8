"""Assignments at the positions of a mask (`y[mask] = value`), which are exported as ScatterND at NonZero's indices."""

import numpy as np

from converter.onnx_model import spelling
from converter.onnx_model.model import OnnxNode
from converter.onnx_model.resolver import Call, Handlers

_REPEATS = ("Expand", "Tile")  # each element of the result is one of the operand's
_KEEPS = ("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Identity", *_REPEATS)
_FIRST_BROADCASTING_WHERE = 9


def scatter(call: Call) -> None:
    """ScatterND: a selection where it assigns one value at the positions of a mask.

    How many positions there are is known only at run time, so the updates have a size that TF.js can't compute on
    every backend; the selection needs none of it.
    """
    selected = _selection(call)
    if selected is None:
        call.keep()
    else:
        call.bind(selected)


def _selection(call: Call) -> str | None:
    if not all(isinstance(value, str) and value for value in call.values):
        return None
    if call.attr("reduction", "none") != "none" or call.resolver.opset < _FIRST_BROADCASTING_WHERE:
        return None
    data, indices, updates = (call.tensor(index) for index in range(3))
    mask = _mask_of(call, indices)
    value = None if mask is None else _repeated_value(call, updates)
    if mask is None or value is None or not _covers(call, mask, data):
        return None
    types = call.resolver.types
    if types[mask].dtype.name != "bool":
        mask = call.add("Cast", mask, to=9)
    for axis in range(len(types[mask].shape or ()), len(types[data].shape or ())):
        mask = spelling.unsqueeze(call, mask, axis)
    if types[value].shape not in ((), (1,)):
        value = call.add("Reshape", value, spelling.vector(call, [1], "one"))
    return call.add("Where", mask, value, data)


def _mask_of(call: Call, indices: str) -> str | None:
    """The value whose nonzero positions are the rows of the indices."""
    turned = _producer(call, indices, "Transpose")
    if turned is None or list(turned.attrs.get("perm", [1, 0])) != [1, 0]:
        return None
    found = _producer(call, turned.inputs[0], "NonZero")
    return None if found is None else found.inputs[0]


def _producer(call: Call, name: str, op: str) -> OnnxNode | None:
    node = call.resolver.producers.get(name)
    return node if node is not None and node.op == op and not node.domain else None


def _repeated_value(call: Call, updates: str) -> str | None:
    """The single element of which the updates are copies."""
    name, is_repeated = updates, False
    while (type_ := call.resolver.types.get(name)) is None or not (is_repeated and _is_single(type_.shape)):
        node = call.resolver.producers.get(name)
        if node is None or node.domain:
            return None
        if node.op == "ConstantOfShape":
            filler = np.ravel(node.attrs.get("value", np.zeros(1, np.float32)))
            return call.constant(filler, "value")
        if node.op not in _KEEPS:
            return None
        is_repeated = is_repeated or node.op in _REPEATS
        name = node.inputs[0]
    return name


def _is_single(shape: tuple[int | str | None, ...] | None) -> bool:
    return shape is not None and all(dim == 1 for dim in shape)


def _covers(call: Call, mask: str, data: str) -> bool:
    """Return whether the axes of the mask are known to be the first axes of the data."""
    sizes = [call.resolver.shape(name) for name in (mask, data)]
    if sizes[0] is None or sizes[1] is None:
        return False
    return len(sizes[0]) > 0 and sizes[1][: len(sizes[0])] == sizes[0]


HANDLERS: Handlers = dict.fromkeys([("ScatterND", since) for since in (11, 13, 16, 18)], scatter)

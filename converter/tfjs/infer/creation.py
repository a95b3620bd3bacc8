"""Ops that make values out of parameters, or facts about a value."""

from collections.abc import Mapping
from math import ceil, isfinite

from converter.tfjs.graph import TensorType
from converter.tfjs.infer.call import NUMBERS, Call, Rule
from converter.tfjs.infer.layout import shape_operand


def _filled(call: Call) -> tuple[TensorType, ...]:
    dtype = call.dtype_attr("T", "float32")
    if call.op == "Fill":
        call.need(call.dtype(1) == dtype, f"the value must be {dtype}, as T says")
        call.ranked(1, 0)
    return (TensorType(dtype, shape_operand(call, 0)),)


def _random(call: Call) -> tuple[TensorType, ...]:
    dtype = "int32" if call.op == "RandomUniformInt" else "float32"
    return (TensorType(dtype, shape_operand(call, 0)),)


def _range(call: Call) -> tuple[TensorType, ...]:
    dtype = call.dtype_attr("Tidx", "float32")
    call.need(call.same_dtype((0, 1, 2), *NUMBERS) == dtype, f"the operands must be {dtype}, as Tidx says")
    values = [call.constants[index] for index in (0, 1, 2)]
    known = [float(value.reshape(-1)[0]) for value in values if value is not None]
    if len(known) < 3:
        return (TensorType(dtype, (None,)),)
    start, stop, step = known
    call.need(step != 0 and all(map(isfinite, known)), "the step must not be 0")
    return (TensorType(dtype, (max(0, ceil((stop - start) / step)),)),)


def _lin_space(call: Call) -> tuple[TensorType, ...]:
    call.same_dtype((0, 1), "float32")
    return (TensorType("float32", (call.scalar(2),)),)


def _one_hot(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "int32")
    shape, depth = call.shape(0), call.scalar(1)
    dtype = call.dtype_attr("T", "int32")
    call.need(call.same_dtype((2, 3)) == dtype, f"the values must be {dtype}, as T says")
    call.need(depth is None or depth >= 2, "the depth must be >= 2 (ops/one_hot.js)")
    return (TensorType(dtype, None if shape is None else (*shape, depth)),)


def _multinomial(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "float32")
    shape = call.ranked(0, 2)
    return (TensorType("int32", ((None if shape is None else shape[0]), call.scalar(1))),)


def _shape(call: Call) -> tuple[TensorType, ...]:
    return (TensorType("int32", (call.operands[0].rank,)),)


def _count(call: Call) -> tuple[TensorType, ...]:
    return (TensorType("int32", ()),)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(("Fill", "Ones", "Zeros"), _filled),
    **dict.fromkeys(("RandomStandardNormal", "RandomUniform", "RandomUniformInt", "TruncatedNormal"), _random),
    **dict.fromkeys(("Rank", "Size"), _count),
    "LinSpace": _lin_space,
    "Multinomial": _multinomial,
    "OneHot": _one_hot,
    "Range": _range,
    "Shape": _shape,
}

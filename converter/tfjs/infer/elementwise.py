"""Ops that work element by element."""

from collections.abc import Mapping

from converter.tfjs.graph import TensorType
from converter.tfjs.infer.call import ANY, NUMBERS, Call, Rule

_FLOAT = ("float32",)

_UNARY_OF_NUMBERS = ("Abs", "Neg", "Sign", "Square")
_UNARY_OF_FLOATS = (
    "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Cos", "Cosh", "Elu", "Erf", "Exp", "Expm1", "Floor",
    "LeakyRelu", "Log", "Log1p", "LogSoftmax", "Reciprocal", "Relu", "Relu6", "Round", "Rsqrt", "Selu", "Sigmoid",
    "Sin", "Sinh", "Softmax", "Softplus", "Sqrt", "Tan", "Tanh",
)  # fmt: skip
_PASS_THROUGH = ("Identity", "StopGradient", "OnesLike", "ZerosLike")
_BINARY = ("Add", "AddV2", "FloorMod", "Maximum", "Minimum", "Mod", "Mul", "SquaredDifference", "Sub")
_BINARY_OF_FLOATS = ("Atan2", "DivNoNan", "Pow", "RealDiv")


def _keep(call: Call, *allowed: str) -> tuple[TensorType, ...]:
    return (TensorType(call.dtype(0, *allowed), call.shape(0)),)


def _binary(call: Call, *allowed: str) -> tuple[TensorType, ...]:
    return (TensorType(call.same_dtype((0, 1), *allowed), call.broadcast(call.shape(0), call.shape(1))),)


def _test(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, *_FLOAT)
    return (TensorType("bool", call.shape(0)),)


def _equality(call: Call) -> tuple[TensorType, ...]:
    call.same_dtype((0, 1), *ANY)
    return (TensorType("bool", call.broadcast(call.shape(0), call.shape(1))),)


def _comparison(call: Call) -> tuple[TensorType, ...]:
    call.same_dtype((0, 1), *NUMBERS)
    return (TensorType("bool", call.broadcast(call.shape(0), call.shape(1))),)


def _logical(call: Call) -> tuple[TensorType, ...]:
    dtype = call.same_dtype(range(len(call.operands)), "bool")
    return (TensorType(dtype, call.broadcast(*(one.shape for one in call.operands))),)


def _select(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "bool")
    dtype = call.same_dtype((1, 2), "float32", "int32", "bool", "complex64")
    return (TensorType(dtype, call.broadcast(*(one.shape for one in call.operands))),)


def _add_n(call: Call) -> tuple[TensorType, ...]:
    dtype = call.same_dtype(range(len(call.operands)), *NUMBERS)
    return (TensorType(dtype, call.merge(*(one.shape for one in call.operands))),)


def _cast(call: Call) -> tuple[TensorType, ...]:
    call.dtype(0, "float32", "int32", "bool")
    return (TensorType(call.dtype_attr("DstT", "float32"), call.shape(0)),)


def _clip(call: Call) -> tuple[TensorType, ...]:
    for bound in (1, 2):
        call.ranked(bound, 0)
    return (TensorType(call.same_dtype((0, 1, 2), *_FLOAT), call.shape(0)),)


def _prelu(call: Call) -> tuple[TensorType, ...]:
    dtype = call.same_dtype((0, 1), *_FLOAT)
    merged = call.broadcast(call.shape(0), call.shape(1))
    rank = call.operands[0].rank
    call.need(merged is None or rank is None or len(merged) == rank, "alpha has a higher rank than x")
    return (TensorType(dtype, call.shape(0)),)


def _bias_add(call: Call) -> tuple[TensorType, ...]:
    call.ranked(1, 1)
    return _binary(call, *NUMBERS)


def _last_axis(call: Call) -> tuple[TensorType, ...]:
    call.need(call.operands[0].rank != 0, "a scalar has no last axis")
    return _keep(call, *_FLOAT)


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_UNARY_OF_NUMBERS, lambda call: _keep(call, *NUMBERS)),
    **dict.fromkeys(_UNARY_OF_FLOATS, lambda call: _keep(call, *_FLOAT)),
    **dict.fromkeys(_PASS_THROUGH, lambda call: _keep(call)),
    **dict.fromkeys(_BINARY, lambda call: _binary(call, *NUMBERS)),
    **dict.fromkeys(_BINARY_OF_FLOATS, lambda call: _binary(call, *_FLOAT)),
    **dict.fromkeys(("IsFinite", "IsInf", "IsNan"), _test),
    **dict.fromkeys(("Equal", "NotEqual"), _equality),
    **dict.fromkeys(("Greater", "GreaterEqual", "Less", "LessEqual"), _comparison),
    **dict.fromkeys(("LogicalAnd", "LogicalNot", "LogicalOr"), _logical),
    **dict.fromkeys(("LogSoftmax", "Softmax"), _last_axis),
    "AddN": _add_n,
    "BiasAdd": _bias_add,
    "Cast": _cast,
    "ClipByValue": _clip,
    "FloorDiv": lambda call: _binary(call, "int32"),  # the dtype of a float quotient differs between backends
    "IdentityN": lambda call: call.operands,
    "Prelu": _prelu,
    "SelectV2": _select,
}

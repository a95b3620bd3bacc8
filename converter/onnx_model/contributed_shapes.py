"""Shape inference for the contributed operators of ONNX Runtime: a rule for each kind of operator."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from converter.dtypes import BY_NAME, DType
from converter.onnx_model.infer import infer_outputs
from converter.onnx_model.model import Dim, OnnxNode, ValueType

FLOAT, INT32, UINT8 = BY_NAME["float32"], BY_NAME["int32"], BY_NAME["uint8"]


@dataclass(frozen=True)
class Signature:
    """The operand types of a node (None: absent or unknown) and its attributes."""

    types: tuple[ValueType | None, ...]
    attrs: Mapping[str, Any]

    def type(self, index: int) -> ValueType | None:
        """Return the type of an operand."""
        return self.types[index] if index < len(self.types) else None

    def dims(self, index: int) -> tuple[Dim, ...] | None:
        """Return the shape of an operand, None if it is absent or its rank is unknown."""
        type_ = self.type(index)
        return None if type_ is None else type_.shape

    def dtype(self, index: int, default: DType = FLOAT) -> DType:
        """Return the element type of an operand."""
        type_ = self.type(index)
        return default if type_ is None else type_.dtype


Rule = Callable[[Signature], Sequence[ValueType | None]]
_DtypeOf = Callable[[Signature], DType]


def of(index: int, default: DType = FLOAT) -> _DtypeOf:
    """Return the choice of an operand's element type."""
    return lambda call: call.dtype(index, default)


def like(index: int, dtype: _DtypeOf | None = None) -> Rule:
    """Return the rule "as an operand", with another element type where one is given."""

    def rule(call: Signature) -> Sequence[ValueType | None]:
        return [ValueType((dtype or of(index))(call), call.dims(index))]

    return rule


def twin(op: str, since: int, *operands: int, dtype: _DtypeOf, attrs: Sequence[str] = ()) -> Rule:
    """Return the rule of an operator of ONNX's own domain, applied to some of the operands."""

    def rule(call: Signature) -> Sequence[ValueType | None]:
        indices = operands or range(len(call.types))
        given = {name: call.attrs[name] for name in attrs if name in call.attrs}
        return [_inferred(op, since, [call.type(index) for index in indices], given, dtype(call))]

    return rule


def _inferred(
    op: str, since: int, types: Sequence[ValueType | None], attrs: Mapping[str, Any], dtype: DType
) -> ValueType | None:
    names = [f"operand {index}" for index in range(len(types))]
    known = {n: replace(t, dtype=FLOAT) for n, t in zip(names, types, strict=True) if t is not None}
    node = OnnxNode(op, op, "", since, tuple(names), ("result",), attrs)
    found = infer_outputs(node, {}, known).get("result")
    return ValueType(dtype, None if found is None else found.shape)


def channels_last(rule: Rule) -> Rule:
    """Return a rule for (batch, channel, *spatial) that also knows (batch, *spatial, channel)."""

    def moved(call: Signature) -> Sequence[ValueType | None]:
        dims = call.dims(0)
        if not call.attrs.get("channels_last", 0) or dims is None or call.types[0] is None:
            return rule(call)
        image = replace(call.types[0], shape=(dims[0], dims[-1], *dims[1:-1]))
        (result,) = rule(replace(call, types=(image, *call.types[1:])))
        shape = None if result is None else result.shape
        if result is None or shape is None:
            return [result]
        return [replace(result, shape=(shape[0], *shape[2:], shape[1]))]

    return moved


def concat(call: Signature) -> Sequence[ValueType | None]:
    """QLinearConcat: every third operand from the third on."""
    parts = [call.type(index) for index in range(2, len(call.types), 3)]
    return [_inferred("Concat", 13, parts, {"axis": call.attrs.get("axis", 0)}, call.dtype(1, UINT8))]


def fused_matmul(call: Signature) -> Sequence[ValueType | None]:
    """FusedMatMul: MatMul of operands with their axes reordered."""
    types = []
    for index, side in enumerate("AB"):
        type_ = call.type(index)
        if type_ is not None and type_.shape is not None:
            order = matmul_order(
                len(type_.shape), bool(call.attrs.get(f"trans{side}")), bool(call.attrs.get(f"transBatch{side}"))
            )
            type_ = replace(type_, shape=tuple(type_.shape[axis] for axis in order))
        types.append(type_)
    return [_inferred("MatMul", 13, types, {}, call.dtype(0))]


def matmul_order(rank: int, swaps: bool, moves_first: bool) -> list[int]:
    """Return the order in which FusedMatMul takes the axes of an operand.

    It swaps the last two axes, or moves the first one before the last, or does one after the other.
    """
    order = list(range(rank))
    if rank > 2 and moves_first:
        order = [*order[1:-1], order[0], order[-1]]
    return [*order[:-2], order[-1], order[-2]] if rank > 1 and swaps else order


def layer_norm(call: Signature) -> Sequence[ValueType | None]:
    """LayerNormalization and SimplifiedLayerNormalization: Y, then the statistics with 1 for what they are over."""
    return [call.type(0), *[_reduced(call, int(call.attrs.get("axis", -1)))] * 2]


def simplified_norm(call: Signature) -> Sequence[ValueType | None]:
    """SimplifiedLayerNormalization: Y and the inverse deviation."""
    return layer_norm(call)[:2]


def skip_norm(call: Signature) -> Sequence[ValueType | None]:
    """SkipLayerNormalization: Y, mean, inverse deviation, and the sum that was normalized."""
    return [call.type(0), *[_reduced(call, -1)] * 2, call.type(0)]


def _reduced(call: Signature, axis: int) -> ValueType:
    dims = call.dims(0)
    if dims is None or not -len(dims) <= axis < len(dims):
        return ValueType(FLOAT, None)
    axis %= len(dims)
    return ValueType(FLOAT, (*dims[:axis], *[1] * (len(dims) - axis)))


def embedding(dtype: _DtypeOf) -> Rule:
    """Return the rule of EmbedLayerNormalization: Y, the lengths of the sequences, and the sum of the embeddings."""

    def rule(call: Signature) -> Sequence[ValueType | None]:
        ids, table = call.dims(0), call.dims(2)
        shape = None if ids is None or table is None else (*ids, table[-1])
        lengths = ValueType(INT32, None if ids is None else ids[:1])
        return [ValueType(dtype(call), shape), lengths, ValueType(dtype(call), shape)]

    return rule


def packed_attention(past: int, dtype: _DtypeOf) -> Rule:
    """Return the rule of Attention: Y, and the keys and values stacked with those of the past."""

    def rule(call: Signature) -> Sequence[ValueType | None]:
        dims, weights = call.dims(0), call.dims(1)
        sizes = call.attrs.get("qkv_hidden_sizes") or []
        width = weights[-1] if weights else None
        hidden: Dim = int(sizes[2]) if sizes else (width // 3 if isinstance(width, int) else None)
        if dims is None or len(dims) != 3:
            return [ValueType(dtype(call), None), ValueType(dtype(call), None)]
        heads = int(call.attrs.get("num_heads", 0)) or 1
        depth = hidden // heads if isinstance(hidden, int) else None
        total = _total(dims[1], call.type(past), 3)
        present = ValueType(dtype(call), (2, dims[0], heads, total, depth))
        return [ValueType(dtype(call), (dims[0], dims[1], hidden)), present]

    return rule


def _total(length: Dim, past: ValueType | None, axis: int) -> Dim:
    """Return the number of keys: those of the past and the new ones."""
    if past is None:
        return length
    before = past.shape[axis] if past.shape is not None and len(past.shape) > axis else None
    return before + length if isinstance(before, int) and isinstance(length, int) else None


def multi_head_attention(call: Signature) -> Sequence[ValueType | None]:
    """MultiHeadAttention: Y, the present keys and values, and the scores."""
    query, key, value = (call.dims(index) for index in range(3))
    unknown = ValueType(call.dtype(0), None)
    if query is None or key is None or value is None or len(query) != 3:
        return [unknown] * 4
    heads = int(call.attrs.get("num_heads", 0)) or 1
    is_split = len(key) == 4
    depths = [_depth(query[-1], heads), value[3] if is_split else _depth(value[-1], heads)]
    width = depths[1] * heads if isinstance(depths[1], int) else None
    total = _total(key[2] if is_split else key[1], None if is_split else call.type(6), 2)
    shapes: list[tuple[Dim, ...]] = [
        (query[0], query[1], width),
        *[(query[0], heads, total, depth) for depth in depths],
        (query[0], heads, query[1], total),
    ]
    return [replace(unknown, shape=shape) for shape in shapes]


def _depth(width: Dim, heads: int) -> Dim:
    return width // heads if isinstance(width, int) else None


def lstm(call: Signature) -> Sequence[ValueType | None]:
    """DynamicQuantizeLSTM: the outputs of all time steps, and the last states."""
    x, recurrence = call.dims(0), call.dims(2)
    if x is None or recurrence is None or len(x) != 3 or len(recurrence) != 3:
        return [ValueType(FLOAT, None)] * 3
    directions, hidden = recurrence[:2]
    state = ValueType(FLOAT, (directions, x[1], hidden))
    return [ValueType(FLOAT, (x[0], directions, x[1], hidden)), state, state]

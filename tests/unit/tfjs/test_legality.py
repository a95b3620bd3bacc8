from typing import Any

import numpy as np
import pytest

from converter.errors import InternalError
from converter.tfjs.graph import DataType, TensorType
from converter.tfjs.infer import infer
from converter.tfjs.legality import check_legal, legality_problems

BOOL, FLOAT, INT = DataType("DT_BOOL"), DataType("DT_FLOAT"), DataType("DT_INT32")
ROW = tuple[str, list[Any], dict[str, Any], str]


def value(dtype: str, *shape: int | str | None) -> TensorType:
    return TensorType(dtype, shape)


def applied(op: str, operands: list[Any], attrs: dict[str, Any]) -> tuple[Any, ...]:
    arrays = [None if isinstance(one, TensorType) else np.asarray(one) for one in operands]
    arrays = [one if one is None or one.dtype.kind == "f" else one.astype(np.int32) for one in arrays]
    arrays = [one if one is None or one.dtype.kind == "i" else one.astype(np.float32) for one in arrays]
    types = [one if a is None else TensorType(a.dtype.name, a.shape) for one, a in zip(operands, arrays, strict=True)]
    return op, types, attrs, arrays, infer(op, types, attrs, arrays)


LEGAL: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("AddV2", [value("float32", *[2] * 6), value("float32", *[2] * 6)], {}),
    ("Reshape", [value("float32", *[2] * 8), [256]], {}),
    ("Tile", [value("float32", *[1] * 8), [2] * 8], {}),
    ("StridedSlice", [value("int32", 2, 2, 2, 2, 2), [0] * 5, [1] * 5, [1] * 5], {}),
    ("StridedSlice", [value("float32", 4, 4), [0, 0], [4, 4], [2, 1]], {}),
    ("Transpose", [value("float32", 2, 3, 4), [2, 0, 1]], {}),
    ("Transpose", [value("int32", 2, 3), [1, 0]], {}),
    ("Sum", [value("int32", 2, 3, 4), [2, 1]], {}),
    ("Sum", [value("int32", 2, 3, 4), [0, 1, 2]], {}),
    ("Sum", [value("int32", 2, 3), [0]], {}),
    ("Max", [value("float32", "N", 3, 4), [0]], {}),
    ("ArgMax", [value("float32", 2, 3), 1], {}),
    ("Cast", [value("bool", 2)], {"DstT": INT}),
    ("Cast", [value("bool", 2)], {"DstT": BOOL}),
    ("SelectV2", [value("bool", 2), value("int32", 2), value("int32", 2)], {}),
    ("GatherV2", [value("bool", 2), [0], 0], {}),
    ("ConcatV2", [value("string", 2), value("string", 0), 0], {"N": 2}),
    ("ConcatV2", [value("float32", 2), value("float32", 0), 0], {"N": 2}),
    ("SplitV", [value("float32", 4), [1, -1], 0], {}),
    ("Range", [3, 1, -1], {"Tidx": INT}),
    ("Sum", [value("float32", 2, 3), [0]], {"keep_dims": True}),
]

FUSED = {"fused_ops": ["BiasAdd"], "num_args": 1}
LEGAL += [
    ("_FusedMatMul", [value("float32", "n", 3), value("float32", 3, 4), value("float32", 4)], FUSED),
    ("_FusedMatMul", [value("float32", 1, "n", 3), value("float32", 3, 4), value("float32", 4)], FUSED),
]

ILLEGAL: list[ROW] = [
    ("_FusedMatMul", [value("float32", 2, 5, 3), value("float32", 3, 4), value("float32", 4)], FUSED, "a wrong bias"),
    (
        "_FusedMatMul",
        [value("float32", 5, 3), value("float32", 4, 3), value("float32", 4)],
        {**FUSED, "transpose_b": True},
        "a wrong bias",
    ),
    ("AddV2", [value("float32", *[1] * 7), value("float32")], {}, "rank 7 is more than the 6"),
    ("PadV2", [value("float32", *[2] * 5), [[0, 0]] * 5, 0.0], {}, "rank 5 is more than the 4"),
    ("SelectV2", [value("bool"), value("float32", *[2] * 5), value("float32")], {}, "rank 5 is more than the 4"),
    ("GatherNd", [value("float32", *[2] * 6), value("int32", 1, 6)], {}, "rank 6 is more than the 5"),
    ("StridedSlice", [value("float32", *[4] * 5), [0] * 5, [4] * 5, [2] * 5], {}, "rank 5 is more than the 4"),
    ("Identity", [value("complex64", 2)], {}, "complex64 does not exist on wasm"),
    ("Tile", [value("string", 2), [2]], {}, "strings can only be"),
    ("Equal", [value("string", 2), value("string", 2)], {}, "strings can only be"),
    ("SelectV2", [value("bool", 2), value("bool", 2), value("bool", 2)], {}, "1-byte bool buffers"),
    ("ReverseV2", [value("bool", 2), [0]], {}, "1-byte bool buffers"),
    ("ScatterNd", [value("int32", 1, 1), value("bool", 1), [4]], {}, "1-byte bool buffers"),
    ("Cast", [value("float32", 2)], {"DstT": BOOL}, "emit NotEqual(x, 0)"),
    ("Transpose", [value("int32", 2, 3, 4), [2, 0, 1]], {}, "invalid WGSL"),
    ("Transpose", [value("bool", 2, 3, 4), [0, 2, 1]], {}, "invalid WGSL"),
    ("Sum", [value("int32", 2, 3, 4), [0]], {}, "invalid WGSL"),
    ("All", [value("bool", 2, 3, 4), [1]], {}, "invalid WGSL"),
    ("Sum", [value("int32", 2, 3, 4), value("int32", 1)], {"keep_dims": True}, "invalid WGSL"),
    ("Cumsum", [value("int32", 2, 3, 4), 0], {}, "invalid WGSL"),
    ("SpaceToBatchND", [value("int32", 1, 4, 1), [2], [[0, 0]]], {}, "go through float32"),
    ("ResizeNearestNeighbor", [value("int32", 1, 4, 4, 1), [8, 8]], {}, "wasm returns float32"),
    ("StridedSlice", [value("int32", 4), [0], [4], [2]], {}, "wasm returns float32 bits"),
    ("StridedSlice", [value("int32", 4), [0], [4], value("int32", 1)], {}, "wasm returns float32 bits"),
    ("Sum", [value("float32", 0, 3), [0]], {}, "zero-size"),
    ("BatchMatMulV2", [value("float32", 2, 3), value("float32", 3, 0)], {}, "zero-size"),
    ("StridedSlice", [value("float32", 4), [2], [2], [1]], {}, "zero-size"),
    ("Sum", [value("float32", 2, 3), np.zeros(0, int)], {}, "no axes"),
    ("Cumsum", [value("float32", 2, 3), -1], {}, "negative axis"),
    ("ArgMax", [value("float32", 3), 0], {}, "reshape to [1, n]"),
    ("Prod", [value("float32", 2, 3), [1]], {"keep_dims": True}, "drops keep_dims"),
    ("ClipByValue", [value("float32", 3), 2.0, 1.0], {}, "lower bound"),
    ("GatherV2", [value("float32", 3), [1, -1], 0], {}, "negative indices"),
    ("SplitV", [value("float32", 4), [-1, 1], 0], {}, "comes first"),
    ("Range", [3, 1, 1], {"Tidx": INT}, "counts down"),
]


@pytest.mark.parametrize(("op", "operands", "attrs"), LEGAL, ids=[f"{row[0]}-{i}" for i, row in enumerate(LEGAL)])
def test_what_every_backend_runs_rightly_passes(op: str, operands: list[Any], attrs: dict[str, Any]) -> None:
    check_legal(*applied(op, operands, attrs))


@pytest.mark.parametrize(("op", "operands", "attrs", "why"), ILLEGAL, ids=[f"{row[0]}-{row[3]}" for row in ILLEGAL])
def test_what_some_backend_runs_wrongly_is_refused(
    op: str, operands: list[Any], attrs: dict[str, Any], why: str
) -> None:
    with pytest.raises(InternalError) as caught:
        check_legal(*applied(op, operands, attrs))
    assert why in str(caught.value)
    assert str(caught.value).startswith(f"{op}(")


def test_all_reasons_are_given_at_once() -> None:
    operands = [value("bool", 2, 2, 2, 2, 2), [0]]
    assert len(legality_problems(*applied("ReverseV2", operands, {}))) == 2

"""Values without elements: a dynamic dimension that is 0 when the graph runs."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from onnx import TensorProto as T

from tests.ops.case import Case, Dims

I64, B, TWO = {"Y": T.INT64}, {"Y": T.BOOL}, {"Y": T.FLOAT, "Z": T.FLOAT}
TOPK = {"Y": T.FLOAT, "Z": T.INT64}
BOTH = (0, 2)  # sizes, for graphs that are made otherwise where a dimension may be 0


def i64(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def filled(dims: Dims, size: int, dtype: str = "float32") -> np.ndarray:
    """Small numbers, no two the same in a row; a dimension that has a name is `size`."""
    sizes = [size if isinstance(dim, str) else dim for dim in dims]
    values = np.arange(np.prod(sizes, dtype=int)) % 7 - 3
    return values.reshape(sizes).astype(dtype)


def empty(
    op: str,
    name: str,
    values: Mapping[str, Dims | np.ndarray],
    attrs: Mapping[str, Any] | None = None,
    *,
    known: str = "",
    places: str = "",
    sizes: tuple[int, ...] = (0,),
    dtype: str = "float32",
    **rest: Any,
) -> Iterator[Case]:
    """A graph whose named dimensions are 0; the operands named in `known` are constants, those in `places` indices."""
    declared = {key: dims for key, dims in values.items() if not isinstance(dims, np.ndarray | np.generic)}
    for size in sizes:
        inputs = {
            key: one
            if isinstance(one, np.ndarray | np.generic)
            else np.zeros_like(filled(one, size), np.int64)
            if key in places
            else filled(one, size, dtype)
            for key, one in values.items()
        }
        label = f"empty-{op.lower()}-{name}-{size}"
        yield Case(label, op, inputs, attrs or {}, constants=list(known), declared=declared, **rest)


UNARY = ("Abs", "Erf", "Floor", "HardSwish", "Relu", "Round", "Sign", "Sigmoid", "Softplus")
BINARY = ("Add", "Div", "Max", "Mean", "Pow", "PRelu")
REDUCING = (
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMin",
    "ReduceProd",
    "ReduceSum",
    "ReduceSumSquare",
)
PLAIN = ("ReduceL1", "ReduceL2", "ReduceProd", "ReduceSum", "ReduceSumSquare")
ROWS, PAIRS = ("n", 3), {"A": ("n", 3), "B": ("n", 3)}


def of_rows(*ops: str) -> Iterator[Case]:
    for op in ops:
        yield from empty(op, "rows", {"X": ROWS})


def broadcasting(*ops: str, **rest: Any) -> Iterator[Case]:
    for op in ops:
        yield from empty(op, "same", PAIRS, **rest)
        yield from empty(op, "one", {"A": ROWS, "B": (1, 3)}, **rest)
        yield from empty(op, "rank", {"A": (2, "n", 3), "B": (3,)}, **rest)


def expanded(*shapes: tuple[int, ...]) -> Iterator[Case]:
    for shape in shapes:
        yield from empty("Expand", "x".join(map(str, shape)), {"X": ROWS, "S": i64(*shape)}, known="S", sizes=BOTH)


def reduced() -> Iterator[Case]:
    """What is left has elements, or none; on WebGL the largest of nothing is -1e20, on GPUs log(0) is -88."""
    for op in REDUCING:
        yield from empty(op, "kept", {"X": ROWS, "A": i64(1)}, known="A")
        yield from empty(op, "dropped", {"X": (2, "n", 3), "A": i64(2)}, {"keepdims": 0}, known="A")
    for op in PLAIN:
        yield from empty(op, "over", {"X": ROWS, "A": i64(0)}, known="A", sizes=BOTH)
        yield from empty(op, "over-last", {"X": (2, "n"), "A": i64(1)}, {"keepdims": 0}, known="A", sizes=BOTH)
        yield from empty(op, "all", {"X": ("n", "m", 3)}, {"keepdims": 0}, sizes=BOTH)
    yield from empty("ReduceSum", "int", {"X": ROWS, "A": i64(0)}, known="A", dtype="int64", outputs=I64, sizes=BOTH)
    yield from empty("ReduceMax", "int-rows", {"X": ROWS, "A": i64(1)}, known="A", dtype="int64", outputs=I64)
    yield from empty("ReduceSum", "image", {"X": (2, 3, "n", 3), "A": i64(2, 3)}, known="A", sizes=BOTH)


def shaped() -> Iterator[Case]:
    yield from empty("Expand", "row-at-run-time", {"X": (1, 3), "S": i64(0, 3)})
    yield from empty("Expand", "scalar-at-run-time", {"X": (), "S": i64(2, 0)})
    yield from empty("Expand", "longer-at-run-time", {"X": ROWS, "S": i64(2, 1, 3)}, sizes=BOTH)
    yield from empty("Expand", "shorter-at-run-time", {"X": (2, "n", 1), "S": i64(1, 3)}, sizes=BOTH)
    yield from empty("Expand", "rank-5-at-run-time", {"X": (2, 1, 3), "S": i64(0, 2, 2, 1, 3)})
    yield from empty("Expand", "int-at-run-time", {"X": (1, 3), "S": i64(0, 1)}, dtype="int64", outputs=I64)
    yield from empty("Tile", "rows", {"X": ROWS, "R": i64(2, 2)}, known="R")
    yield from empty("Tile", "none", {"X": ROWS, "R": i64(0, 2)}, known="R", sizes=BOTH)
    yield from empty("Tile", "none-at-run-time", {"X": (2, 3), "R": i64(0, 2)})
    for name, dims, target in (
        ("copied", ("n", 4), i64(0, 2, 2)),
        ("left", ("n", 4), i64(-1, 2)),
        ("left-last", (3, "n"), i64(3, 1, -1)),
        ("flat", ("n", 4, 2), i64(-1)),
    ):
        yield from empty("Reshape", name, {"X": dims, "S": target}, known="S", sizes=BOTH)
    yield from empty("Reshape", "to-zero", {"X": ("n", 0), "S": i64(0, 3, 2)}, {"allowzero": 1}, known="S")
    yield from empty("Reshape", "zero-at-run-time", {"X": (0, 4), "S": i64(2, 0, 2)}, {"allowzero": 1})
    yield from empty("Reshape", "copied-at-run-time", {"X": ("n", 4), "S": i64(0, 2, 2)}, sizes=BOTH)
    yield from empty("Flatten", "inner", {"X": (2, "n", 3)}, {"axis": 2})
    yield from empty("Squeeze", "rows", {"X": ("n", 1, 3), "A": i64(1)}, known="A")
    yield from empty("Unsqueeze", "rows", {"X": ROWS, "A": i64(0, 2)}, known="A")
    yield from empty("Transpose", "first", {"X": ("n", 4, 3)}, {"perm": (2, 1, 0)})
    yield from empty("Transpose", "int", {"X": ("n", 4, 3)}, {"perm": (2, 0, 1)}, dtype="int64", outputs=I64)
    yield from empty("ConstantOfShape", "at-run-time", {"S": i64(2, 0)})
    yield from empty("Range", "nothing", {"S": np.float32(3), "L": np.float32(3), "D": np.float32(1)})
    yield from empty("Range", "backwards", {"S": np.int64(3), "L": np.int64(1), "D": np.int64(1)}, outputs=I64)


def joined_and_cut() -> Iterator[Case]:
    yield from empty("Concat", "rows", PAIRS, {"axis": 0})
    yield from empty("Concat", "columns", PAIRS, {"axis": 1})
    yield from empty("Concat", "with-more", {"A": ROWS, "B": (2, 3)}, {"axis": 0})
    yield from empty("Concat", "bool", {"A": ROWS, "B": (2, 3)}, {"axis": 0}, dtype="bool", outputs=B)
    for name, start, end, axis in (("columns", 1, 4, 1), ("rows", 1, 9, 0), ("last", -1, 9, 0)):
        values = {"X": ("n", 5), "S": i64(start), "E": i64(end), "A": i64(axis)}
        yield from empty("Slice", name, values, known="SEA")
        yield from empty("Slice", f"{name}-at-run-time", values, known="A")
    stepped = {"X": ("n", 5), "S": i64(-1), "E": i64(-99), "A": i64(0), "P": i64(-1)}
    yield from empty("Slice", "reversed", stepped, known="SEAP", sizes=BOTH)
    yield from empty("Slice", "nothing-at-run-time", {"X": (4, 5), "S": i64(2), "E": i64(2), "A": i64(0)}, known="A")
    yield from empty("Split", "columns", {"X": ("n", 4), "S": i64(1, 3)}, {"axis": 1}, known="S", outputs=TWO)
    yield from empty("Split", "halves", {"X": (4, "n")}, {"num_outputs": 2}, outputs=TWO)
    yield from empty(
        "Split", "nothing", {"X": ("n", 4), "S": i64(0, 4)}, {"axis": 1}, known="S", outputs=TWO, sizes=BOTH
    )
    yield from empty("Pad", "columns", {"X": ("n", 4), "P": i64(0, 1, 0, 2)}, known="P")
    yield from empty("Pad", "rows", {"X": ("n", 4), "P": i64(2, 1, 1, 0), "V": np.float32(7)}, known="PV", sizes=BOTH)
    yield from empty("Pad", "at-run-time", {"X": ("n", 4), "P": i64(2, 1, 1, 0)}, sizes=BOTH)


def picked() -> Iterator[Case]:
    yield from empty("Gather", "rows", {"X": (4, 3), "I": ("n",)}, places="I")
    yield from empty("Gather", "columns", {"X": (4, 3), "I": (2, "n")}, {"axis": 1}, places="I")
    yield from empty("Gather", "of-nothing", {"X": ROWS, "I": i64(1, 2)}, {"axis": 1}, known="I", sizes=BOTH)
    yield from empty("GatherElements", "rows", {"X": (4, 3), "I": ROWS}, places="I")
    yield from empty("GatherElements", "columns", {"X": ROWS, "I": ("n", 2)}, {"axis": 1}, places="I")
    yield from empty("GatherND", "rows", {"X": (4, 3), "I": ("n", 1)}, places="I")
    yield from empty("OneHot", "rows", {"I": ("n",), "D": i64(3), "V": np.float32([0, 1])}, places="I", known="D")
    yield from empty("Compress", "nothing", {"X": (2, 3), "C": np.zeros(2, bool)}, {"axis": 0})
    yield from empty("NonZero", "rows", {"X": ("n", 4)}, outputs=I64)
    yield from empty("NonZero", "zeros", {"X": np.zeros((2, 3), np.float32)}, outputs=I64)
    for op in ("ArgMax", "ArgMin"):
        yield from empty(op, "rows", {"X": ("n", 4)}, {"axis": 1}, outputs=I64)
        yield from empty(op, "first", {"X": (4, "n")}, {"axis": 0, "keepdims": 0}, outputs=I64)
    yield from empty("ArgMax", "last", {"X": ("n", 4)}, {"axis": 1, "select_last_index": 1}, outputs=I64, sizes=BOTH)
    yield from empty("ArgMax", "long", {"X": ("n", 40)}, {"axis": 1}, outputs=I64, sizes=BOTH)
    yield from empty("TopK", "rows", {"X": ("n", 4), "K": i64(2)}, {"axis": 1}, known="K", outputs=TOPK)
    yield from empty("TopK", "smallest", {"X": ("n", 4), "K": i64(2)}, {"largest": 0}, known="K", outputs=TOPK)
    yield from empty("TopK", "none-at-run-time", {"X": (3, 4), "K": i64(0)}, {"axis": 1}, outputs=TOPK)
    condition = np.array([True, False, True])
    yield from empty("Where", "first", {"C": condition, "X": ROWS, "Z": (1, 1)}, sizes=BOTH)
    yield from empty("Where", "second", {"C": condition, "X": (1, 3), "Z": ROWS}, sizes=BOTH)


def multiplied() -> Iterator[Case]:
    for name, a, b in (
        ("rows", ("n", 4), (4, 3)),
        ("columns", (3, 4), (4, "n")),
        ("inner", (3, "n"), ("n", 2)),
        ("inner-batch", (2, 3, "n"), (2, "n", 2)),
        ("batch", ("n", 3, 4), (4, 2)),
        ("batch-rows", (2, "n", 4), (2, 4, 3)),
        ("batches", ("n", 3, 4), ("n", 4, 3)),
    ):
        yield from empty("MatMul", name, {"A": a, "B": b}, sizes=BOTH)
    yield from empty("MatMul", "spread-batches", {"A": ("n", 1, 3, 4), "B": (1, 2, 4, 3)}, sizes=(2,))
    yield from empty("MatMul", "known", {"A": ("n", 3, 4), "B": filled((4, 2), 0)}, known="B")
    yield from empty("Gemm", "rows", {"A": ("n", 4), "B": filled((4, 3), 0), "C": filled((3,), 0)}, known="BC")


def normalized() -> Iterator[Case]:
    for op in ("Softmax", "LogSoftmax", "Hardmax"):
        yield from empty(op, "rows", {"X": ("n", 4)}, {"axis": 1})
    yield from empty("Softmax", "first", {"X": (4, "n")}, {"axis": 0})
    yield from empty("LayerNormalization", "rows", {"X": ("n", 4), "S": filled((4,), 0)}, known="S")
    statistics = {key: filled((2,), 0) + 4 for key in "SBMV"}
    yield from empty("BatchNormalization", "batch", {"X": ("n", 2, 4), **statistics}, known="SBMV", opset=15)
    yield from empty("LpNormalization", "rows", {"X": ("n", 4)})
    yield from empty("CumSum", "rows", {"X": ("n", 4), "A": np.int64(1)}, known="A")
    yield from empty("CumSum", "nothing", {"X": (3, "n"), "A": np.int64(1)}, {"reverse": 1}, known="A")
    yield from empty("GlobalAveragePool", "batch", {"X": ("n", 2, 4, 6)})
    yield from empty("Trilu", "batch", {"X": ("n", 3, 3)})
    yield from empty("EyeLike", "rows", {"X": ROWS}, {"dtype": T.FLOAT})


CASES = [
    *of_rows(*UNARY),
    *broadcasting(*BINARY),
    *broadcasting("Equal", "Greater", outputs=B),
    *empty("Cast", "int", {"X": ROWS}, {"to": T.INT64}, outputs=I64),
    *empty("Clip", "rows", {"X": ROWS, "L": np.float32(-1), "H": np.float32(1)}),
    *empty("Shape", "rows", {"X": ROWS}, outputs=I64),
    *empty("Size", "rows", {"X": ROWS}, outputs=I64),
    *expanded((1, 3), (2, 1, 3), (1,), (2, 1, 1)),
    *shaped(),
    *joined_and_cut(),
    *picked(),
    *reduced(),
    *multiplied(),
    *normalized(),
]

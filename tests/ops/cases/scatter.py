import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INT32, INT64, BOOL = ({"Y": code} for code in (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL))
REDUCTIONS = ("add", "mul", "min", "max")


def i64(*values: object) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def ints(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def elements(name, x, indices, axis=0, updates=None, reduction=None, *, op="ScatterElements", known=False, **fields):
    indices = np.asarray(indices)
    attrs = {"axis": axis} if reduction is None else {"axis": axis, "reduction": reduction}
    operands = {"X": x, "I": indices, "U": indices.shape if updates is None else updates}
    return Case(f"{op.lower()}-{name}", op, operands, attrs, constants=["I"] if known else [], **fields)


def nd(name, x, indices, updates, reduction=None, *, known=False, **fields):
    attrs = {} if reduction is None else {"reduction": reduction}
    operands = {"X": x, "I": np.asarray(indices), "U": updates}
    return Case(f"scatternd-{name}", "ScatterND", operands, attrs, constants=["I"] if known else [], **fields)


ROWS = i64([1, 0, 2], [0, 2, 1])
TWICE = i64([1, 1, 1, 2], [0, -1, 0, 0])
BIG = np.stack([np.random.default_rng(3).permutation(40)[:6] for _ in range(30)])

ELEMENTS = [
    elements("9", (3, 3), ROWS, op="Scatter", opset=9),
    *(elements(f"{opset}", (3, 3), ROWS, opset=opset) for opset in (11, 13, 16, 18)),
    elements("axis-1", (2, 5), i64([1, 3], [-1, 0]), 1),
    elements("known", (2, 5), i64([1, 3], [-1, 0]), -1, known=True),
    elements("smaller", (4, 5, 3), i64([[1, 3]], [[-1, 0]]).reshape(2, 1, 2), 1),
    elements("dynamic", (2, 5), i64([1, 3], [-1, 0]), 1,
             declared={"X": ("batch", "time"), "I": ("batch", 2), "U": ("batch", 2)}),
    elements("dynamic-add", (2, 5), i64([1, 1], [-1, 0]), 1, None, "add",
             declared={"X": ("batch", "time"), "I": ("batch", 2), "U": ("batch", 2)}),
    elements("vector", (5,), i64(4, -5)),
    elements("large", (30, 40), BIG, 1),
    elements("rank-5", (2, 1, 3, 2, 2), np.tile(i64(2, 0).reshape(1, 1, 2, 1, 1), (2, 1, 1, 2, 2)), 2),
    elements("nothing", (3, 4), np.zeros((0, 4), np.int64)),
    *(elements(f"{name}-twice", (2, 5), TWICE, 1, None, name) for name in REDUCTIONS),
    *(elements(f"{name}-axis-0", (4, 3), i64([1, 1, 0], [1, 3, -1]), 0, None, name) for name in REDUCTIONS),
    *(elements(f"{name}-16", (2, 5), TWICE, 1, None, name, opset=16) for name in ("add", "mul")),
    *(elements(f"{name}-large", (30, 40), BIG % 5, 1, None, name) for name in REDUCTIONS),
    *(
        elements(f"{name}-int32", ints(4, 3) - 5, i64([1, 1, 0], [1, 3, -1]), 0, np.int32([[3, -9, 2], [5, 1, 7]]),
                 name, outputs=INT32)
        for name in REDUCTIONS
    ),
    elements("int64", ints(3, 3).astype(np.int64), ROWS, 0, -ints(2, 3).astype(np.int64), outputs=INT64),
    elements("int32-large", ints(30, 40), BIG, 1, -ints(30, 6), outputs=INT32),
    elements("bool", ints(3, 3) % 2 == 0, ROWS, 0, ints(2, 3) % 2 == 0, outputs=BOOL),
    elements("bool-large", ints(30, 40) % 2 == 0, BIG, 1, ints(30, 6) % 3 == 0, outputs=BOOL),
]  # fmt: skip

CELLS = i64([0, 1], [1, -1], [0, 2])
ROW = i64([1], [1], [-2])
MANY_ROWS = np.arange(40).reshape(40, 1) % 7
ND = [
    *(nd(f"{opset}", (2, 3, 4), CELLS, (3, 4), opset=opset) for opset in (11, 13, 16, 18)),
    nd("known", (2, 3, 4), CELLS, (3, 4), known=True),
    nd("elements", (2, 3), i64([[0, 1]], [[1, 0]]), (2, 1)),
    nd("rows", (4, 3, 2), i64([3], [0]), (2, 3, 2)),
    nd("dynamic", (4, 3), i64([3], [0]), (2, 3), declared={"X": ("batch", 3), "I": ("n", 1), "U": ("n", 3)}),
    nd("dynamic-add", (4, 3), ROW, (3, 3), "add", declared={"X": ("batch", 3), "I": ("n", 1), "U": ("n", 3)}),
    nd("large", (20, 15, 8), np.stack([np.arange(20), np.arange(20) % 15], 1), (20, 8)),
    nd("rank-5", (2, 3, 2, 2, 2), i64([0, 1, 1], [1, -1, 0]), (2, 2, 2)),
    nd("rank-6", (2, 2, 2, 2, 2, 2), i64([0, 1, 1, 0, 1, 0], [1, -1, 0, 0, 1, 1]), (2,)),
    nd("nothing", (3, 4), np.zeros((0, 1), np.int64), np.zeros((0, 4), np.float32)),
    *(nd(f"{name}-twice", (4, 3), ROW, (3, 3), name) for name in REDUCTIONS),
    *(nd(f"{name}-16", (4, 3), ROW, (3, 3), name, opset=16) for name in ("add", "mul")),
    *(nd(f"{name}-large", (20, 60), MANY_ROWS, (40, 60), name, atol=1e-4) for name in REDUCTIONS),
    *(
        nd(f"{name}-int64", ints(4, 2).astype(np.int64), ROW, i64([2, -3], [4, 5], [-1, 0]), name, outputs=INT64)
        for name in REDUCTIONS
    ),
    nd("bool", ints(3, 3) % 2 == 0, i64([0, 1], [2, 2]), np.array([True, False]), outputs=BOOL),
]

CASES = [*ELEMENTS, *ND]

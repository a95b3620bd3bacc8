import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INT32, INT64, BOOL = ({"Y": code} for code in (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL))


def i64(*values: object) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def ints(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def drawn(high: int, *shape: int) -> np.ndarray:
    """Seeded indices in [-high, high)."""
    return np.random.default_rng(7).integers(-high, high, shape)


def gather(name, x, indices, axis=0, *, op="Gather", known=True, **fields) -> Case:
    operands = {"X": x, "I": np.asarray(indices)}
    return Case(f"{op.lower()}-{name}", op, operands, {"axis": axis}, constants=["I"] if known else [], **fields)


def elements(name, x, indices, axis=0, **fields) -> Case:
    return gather(name, x, indices, axis, op="GatherElements", **fields)


def nd(name, x, indices, batch_dims=None, *, known=False, **fields) -> Case:
    attrs = {} if batch_dims is None else {"batch_dims": batch_dims}
    return Case(f"gathernd-{name}", "GatherND", {"X": x, "I": np.asarray(indices)}, attrs,
                constants=["I"] if known else [], **fields)  # fmt: skip


GATHER = [
    *(gather(f"{opset}", (4, 3), i64(0, 2, 3), opset=opset) for opset in (1, 11, 13)),
    gather("axis", (2, 5, 3), i64([0, 4], [2, 1]), 1),
    gather("negative", (2, 5, 3), i64(-1, -5, 2), -2, opset=11),
    gather("scalar", (2, 5, 3), np.int64(3), 1),
    gather("scalar-negative", (2, 5, 3), np.int64(-1), 1),
    gather("scalar-of-dynamic", (2, 5, 3), np.int64(-2), 1, declared={"X": ("batch", "time", 3)}),
    gather("scalar-last-of-dynamic", (2, 5, 3), np.int64(-1), 1, declared={"X": ("batch", "time", 3)}),
    gather("scalar-of-vector", (5,), np.int64(2)),
    gather("negative-of-dynamic", (5, 2), i64(-1, 0), declared={"X": ("batch", 2)}),
    gather("at-run-time", (4, 3), i64(0, -1, 3), known=False),
    gather("scalar-at-run-time", (4, 3), np.int64(-2), 1, known=False),
    gather("at-run-time-of-dynamic", (4, 3), i64([0, -1], [2, 3]), known=False,
           declared={"X": ("batch", 3), "I": ("n", 2)}),
    gather("int32-indices", (4, 3), np.int32([1, -1]), known=False),
    gather("embedding", (200, 16), drawn(200, 4, 20), known=False),
    gather("rank-6", (2, 1, 3, 2, 2, 2), i64(2, 0), 2),
    gather("to-rank-6", (2, 1, 3), i64([[[0, 2]]]).reshape(1, 1, 1, 2), 2),
    gather("last-axis-large", (30, 50), drawn(50, 40), 1, known=False),
    gather("no-indices", (4, 3), np.zeros((0,), np.int64)),
    gather("int64", ints(4, 3).astype(np.int64), i64(-1, 0), 1, outputs=INT64),
    gather("int32-large", ints(40, 30), i64(-1, 0, 7), 1, outputs=INT32),
    gather("bool", ints(4, 3) % 2 == 0, i64(-1, 0), 1, outputs=BOOL),
    gather("bool-large", ints(40, 30) % 2 == 0, i64(-1, 0), known=False, outputs=BOOL),
    gather("uint8", np.uint8([1, 200, 3]), i64(1, 2), outputs={"Y": TensorProto.UINT8}),
]  # fmt: skip

ELEMENTS = [
    *(elements(f"{opset}", (3, 4), i64([0, 2], [1, -1]), 0, opset=opset) for opset in (11, 13)),
    elements("axis-1", (3, 4), i64([0, 2, -1], [1, -4, 3], [0, 0, 0]), 1),
    elements("smaller", (3, 4, 2), i64([[3], [0]]), 1),
    elements("at-run-time", (2, 5, 3), drawn(5, 2, 4, 3), 1, known=False),
    elements(
        "dynamic",
        (2, 5, 3),
        drawn(5, 2, 4, 3),
        -2,
        known=False,
        declared={"X": ("batch", "time", 3), "I": ("batch", 4, 3)},
    ),
    elements("vector", (5,), i64(4, 0, -1, 2, 2, 2, 2), known=False),
    elements("large", (20, 12, 10), drawn(12, 20, 5, 10), 1, known=False),
    elements("rank-5", (2, 1, 3, 2, 4), drawn(3, 2, 1, 2, 2, 4), 2),
    elements("nothing", (3, 4), np.zeros((0, 4), np.int64)),
    elements("int64-large", ints(40, 30).astype(np.int64), drawn(40, 8, 30), 0, known=False, outputs=INT64),
    elements("bool", ints(4, 3) % 2 == 0, i64([1, 2, -1]), 0, outputs=BOOL),
]

ND = [
    nd("11", (2, 3, 4), i64([0, 1], [1, -1]), opset=11),
    nd("12", (2, 3, 4), i64([1], [0]), 1, opset=12),
    nd("13", (2, 3, 4), i64([0, 1, 3], [1, 2, -4])),
    nd("known", (2, 3, 4), i64([[0, 1]], [[1, -1]]), known=True),
    nd("rows", (5, 3), i64([0], [4], [-1])),
    nd("batch-2", (2, 3, 4, 5), drawn(4, 2, 3, 6, 1), 2),
    nd("batch-with-slices", (2, 3, 4, 5), drawn(3, 2, 4, 2, 1), 1),
    nd("batch-known", (2, 3, 4), i64([1], [0]), 1, known=True),
    nd("dynamic", (2, 3, 4), drawn(2, 5, 2), declared={"X": ("batch", "time", 4), "I": ("n", 2)}),
    nd("dynamic-batch", (2, 3, 4), drawn(3, 2, 5, 1), 1, declared={"X": ("batch", 3, 4), "I": ("batch", 5, 1)}),
    nd("five-coordinates", (2, 2, 3, 2, 2, 2), drawn(2, 4, 5)),
    nd("large", (20, 15, 8), drawn(15, 300, 2)),
    nd("int64", ints(3, 4).astype(np.int64), i64([0, 1], [2, -1]), outputs=INT64),
    nd("bool-large", ints(40, 30) % 2 == 0, drawn(30, 20, 2), outputs=BOOL),
    nd("nothing", (3, 4), np.zeros((0, 2), np.int64), known=True),
]

CASES = [*GATHER, *ELEMENTS, *ND]

import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INT64 = {"Y": TensorProto.INT64}
BOTH = {"V": TensorProto.FLOAT, "I": TensorProto.INT64}
TIES = np.float32([[1, 3, 3, 0], [2, 2, 2, 2], [-1, -5, -5, -1]])


def i64(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def ints(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def shuffled(*shape: int) -> np.ndarray:
    return np.random.default_rng(11).permutation(ints(*shape).ravel()).reshape(shape)


def arg(name, x, op="ArgMax", opset=13, *, declared=None, **attrs) -> Case:
    return Case(f"{op.lower()}-{name}", op, {"X": x}, attrs, opset=opset, outputs=INT64, declared=declared or {})


ARGS = [
    case
    for op in ("ArgMax", "ArgMin")
    for case in (
        *(arg(f"{opset}", (2, 3, 4), op, opset, axis=1) for opset in (1, 11, 12, 13)),
        arg("default", (3, 4), op),
        arg("no-keepdims", (2, 3, 4), op, axis=-1, keepdims=0),
        arg("vector", (5,), op, keepdims=0),
        arg("vector-keep", (5,), op),
        arg("ties", TIES, op, axis=1),
        arg("ties-last", TIES, op, axis=1, select_last_index=1, opset=12),
        arg("ties-axis-0-last", TIES, op, axis=0, keepdims=0, select_last_index=1),
        arg("last-dynamic", TIES, op, axis=1, select_last_index=1, declared={"X": ("batch", "time")}),
        arg("dynamic", (2, 3, 4), op, axis=1, keepdims=0, declared={"X": ("batch", "time", 4)}),
        arg("large", (12, 10, 10), op, axis=1),
        arg("long", (2, 3000), op, axis=1),
        arg("ties-large", np.float32(shuffled(20, 100) % 7), op, axis=1),
        arg("ties-large-last", np.float32(shuffled(20, 100) % 7), op, axis=1, select_last_index=1),
        arg("rank-6", (2, 1, 3, 2, 2, 2), op, axis=2, keepdims=0),
        arg("int32", shuffled(3, 4), op, axis=0),
        arg("int32-large", shuffled(12, 10, 10), op, axis=1, keepdims=0),
        arg("uint8", np.uint8([[1, 200, 3]]), op, axis=1),
    )
]

HARDMAX = [
    *(Case(f"hardmax-{opset}", "Hardmax", {"X": (2, 3, 4)}, opset=opset) for opset in (1, 11, 13)),
    Case("hardmax-axis", "Hardmax", {"X": (2, 3, 4)}, {"axis": 1}),
    Case("hardmax-flattened", "Hardmax", {"X": (2, 3, 4)}, {"axis": 2}, opset=11),
    Case("hardmax-ties", "Hardmax", {"X": TIES}),
    Case("hardmax-dynamic", "Hardmax", {"X": (2, 3, 4)}, {"axis": 1}, declared={"X": ("batch", "time", 4)}),
    Case("hardmax-large", "Hardmax", {"X": (12, 10, 10)}, {"axis": 0}),
]


def cumulative(name, x, axis, op="CumSum", opset=14, *, attrs=(), **fields) -> Case:
    return Case(f"{op.lower()}-{name}", op, {"X": x, "A": np.asarray(axis)}, dict(attrs), opset=opset,
                constants=["A"], **fields)  # fmt: skip


CUMULATIVE = [
    cumulative("11", (2, 5), np.int64(1), opset=11),
    cumulative("14", (2, 3, 4), np.int32(0)),
    cumulative("exclusive", (2, 5), np.int64(1), attrs={"exclusive": 1}),
    cumulative("reverse", (2, 5), np.int64(-1), attrs={"reverse": 1}),
    cumulative("exclusive-reverse", (2, 5, 3), np.int64(1), attrs={"exclusive": 1, "reverse": 1}),
    cumulative("vector", (5,), i64(0)),
    cumulative("dynamic", (2, 5, 3), np.int64(1), declared={"X": ("batch", "time", 3)}),
    cumulative("large", (12, 10, 10), np.int64(1), atol=1e-4),
    cumulative("rank-5", (2, 3, 2, 2, 3), np.int64(1)),
    cumulative("rank-5-last", (2, 3, 2, 2, 3), np.int64(4)),
    cumulative("rank-6-large", (2, 3, 2, 5, 3, 8), np.int64(3)),
    cumulative("rank-5-dynamic", (2, 3, 2, 2, 3), np.int64(2), declared={"X": ("batch", 3, "time", 2, 3)}),
    cumulative("int32", ints(2, 5), np.int64(1), outputs={"Y": TensorProto.INT32}),
    cumulative("int64-large", ints(12, 10, 10).astype(np.int64), np.int64(1), outputs=INT64),
    cumulative("26", (2, 3, 4), np.int64(1), "CumProd", 26, reference="evaluator"),
    cumulative("exclusive", (2, 5), np.int64(1), "CumProd", 26, attrs={"exclusive": 1, "reverse": 1},
               reference="evaluator"),
]  # fmt: skip


def top(name, x, k, opset=11, *, known=True, outputs=BOTH, declared=None, **attrs) -> Case:
    return Case(f"topk-{name}", "TopK", {"X": x, "K": i64(k)}, attrs, opset=opset, constants=["K"] if known else [],
                outputs=outputs, declared=declared or {})  # fmt: skip


TOP = [
    Case("topk-1", "TopK", {"X": (3, 5)}, {"k": 2, "axis": 1}, opset=9, outputs=BOTH),
    *(top(f"{opset}", (3, 5), 2, opset) for opset in (10, 11, 24)),
    top("axis-0", (5, 3), 3, axis=0),
    top("middle-axis", (2, 5, 3), 2, axis=1),
    top("smallest", (3, 5), 2, largest=0),
    top("smallest-axis-0", (5, 3), 4, axis=0, largest=0),
    top("ties", TIES, 3),
    top("ties-smallest", TIES, 3, largest=0),
    top("all", (3, 5), 5),
    top("one-of-one", (3, 1), 1),
    top("one-of-one-large", (1200, 1), 1),
    top("none", (3, 5), 0),
    top("host-k", (3, 5), 2, known=False),
    top("host-k-large", (30, 50), 3, known=False),
    top("dynamic", (3, 5), 2, declared={"X": ("batch", 5)}),
    top("large", (20, 100), 10),
    top("large-axis-1", (5, 30, 10), 7, axis=1, largest=0),
    top("large-ties", np.float32(shuffled(20, 100) % 7), 30),
    top("rank-5", (2, 1, 3, 2, 4), 2, axis=2),
    top("vector", (9,), 4),
    top("int64", shuffled(3, 5).astype(np.int64), 2, outputs={"V": TensorProto.INT64, "I": TensorProto.INT64}),
    top("int32-large", shuffled(20, 100), 5, outputs={"V": TensorProto.INT32, "I": TensorProto.INT64}),
    top("int32-large-smallest", shuffled(20, 100) - 900, 5, axis=0, largest=0,
        outputs={"V": TensorProto.INT32, "I": TensorProto.INT64}),
]  # fmt: skip

CASES = [*ARGS, *HARDMAX, *CUMULATIVE, *TOP]

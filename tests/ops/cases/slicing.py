import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INT32, INT64, BOOL = ({"Y": code} for code in (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL))
MAX, MIN = 2**63 - 1, -(2**63)
BATCH = ("batch", 6, 8)


def i64(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def ints(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def cut(name, x, starts, ends, axes=None, steps=None, *, known=True, **fields) -> Case:
    """A Slice; its bounds constants of the model, or (not `known`) host values of the running graph."""
    bounds = {"S": i64(*starts), "E": i64(*ends)}
    where = {} if axes is None else {"A": i64(*axes)}
    if steps is not None:
        where = {**({} if axes is None else where), **({"": ()} if axes is None else {}), "P": i64(*steps)}
    constants = [*(bounds if known else ()), *(key for key in where if key)]
    return Case(f"slice-{name}", "Slice", {"X": x, **bounds, **where}, constants=constants, **fields)


SLICE = [
    Case("slice-1", "Slice", {"X": (4, 6)}, {"starts": [1, -3], "ends": [3, MAX], "axes": [0, 1]}, opset=9),
    Case("slice-1-no-axes", "Slice", {"X": (4, 6)}, {"starts": [1], "ends": [3]}, opset=9),
    Case("slice-1-dynamic", "Slice", {"X": (4, 6)}, {"starts": [1, 0], "ends": [-1, 3]}, opset=9,
         declared={"X": ("batch", 6)}),
    *(cut(f"{opset}", (4, 6, 8), (1, 0, 2), (3, 5, MAX), opset=opset) for opset in (10, 11, 13)),
    cut("axes", (4, 6, 8), (-3,), (-1,), (1,)),
    cut("beyond", (4, 6), (-100, 2), (100, 100)),
    cut("everything", (4, 6), (0,), (MAX,), (0,), declared={"X": ("batch", 6)}),
    cut("nothing", (4, 6), (3,), (3,), (0,)),
    cut("nothing-backwards", (4, 6), (3,), (1,), (0,)),
    cut("steps", (4, 6, 8), (0, 1), (MAX, -1), (0, 2), (2, 3)),
    cut("steps-no-axes", (9,), (0,), (9,), None, (4,)),
    cut("back-to-front", (4, 6), (-1,), (MIN,), (1,), (-1,)),
    cut("backwards", (4, 6, 8), (-1, 5), (0, -100), (0, 2), (-2, -1)),
    cut("backwards-to-negative", (8,), (-2,), (-7,), (0,), (-2,)),
    cut("steps-large", (12, 12, 16), (0, 1, 3), (MAX, 11, 15), (0, 1, 2), (2, 3, 1)),
    cut("focus", (1, 3, 24, 24), (0, 1), (MAX, MAX), (2, 3), (2, 2)),
    cut("large", (30, 40, 3), (3, 7), (29, -2), (0, 1)),
    cut("rank-5", (2, 3, 4, 2, 5), (1, 1), (3, 4), (2, 4)),
    cut("rank-5-steps", (2, 3, 4, 2, 5), (0, 4), (MAX, MIN), (2, 4), (2, -2)),
    cut("rank-6-large", (2, 3, 4, 2, 5, 10), (1, 1), (3, 4), (2, 4)),
    cut("dynamic", (4, 6, 8), (1, -3), (MAX, -1), (0, 1), declared={"X": BATCH}),
    cut("dynamic-beyond", (4, 6, 8), (1,), (100,), (0,), declared={"X": BATCH}),
    cut("dynamic-steps", (4, 6, 8), (-1, 0), (MIN, MAX), (0, 1), (-1, 2), declared={"X": BATCH}),
    cut("dynamic-rank-5-steps", (4, 2, 2, 2, 3), (-1,), (MIN,), (0,), (-2,), declared={"X": ("batch", 2, 2, 2, 3)}),
    cut("host-bounds", (4, 6, 8), (1, 2), (3, 100), (0, 2), known=False),
    cut("host-bounds-negative", (4, 6), (-2,), (-1,), (1,), known=False, declared={"X": ("batch", "time")}),
    cut("host-bounds-steps", (4, 9), (7,), (1,), (1,), (-2,), known=False),
    cut("host-bounds-int64", ints(4, 9).astype(np.int64), (1,), (8,), (1,), (3,), known=False, outputs=INT64),
    cut("int64", ints(4, 6).astype(np.int64), (1,), (-1,), (1,), outputs=INT64),
    cut("int32-steps", ints(4, 6), (0,), (6,), (1,), (2,), outputs=INT32),
    cut("int32-steps-large", ints(30, 40), (0, -1), (MAX, MIN), (0, 1), (3, -2), outputs=INT32),
    cut("int32-exact", np.int32([2**30 + 1, -(2**30) - 1, 7]), (0,), (3,), (0,), (2,), outputs=INT32),
    cut("bool", ints(4, 6) % 3 == 0, (1,), (5,), (1,), outputs=BOOL),
    cut("bool-steps-large", ints(30, 40) % 3 == 0, (1,), (-1,), (1,), (2,), outputs=BOOL),
    cut("int32-indices", (4, 6), (1,), (3,), (0,), (1,)),
    Case("slice-int32-bounds", "Slice", {"X": (4, 6), "S": np.int32([1]), "E": np.int32([2**31 - 1])},
         constants=["S", "E"]),
]  # fmt: skip

CONCAT = [
    *(
        Case(f"concat-{opset}", "Concat", {"A": (2, 3), "B": (2, 1), "C": (2, 4)}, {"axis": 1}, opset=opset)
        for opset in (4, 11, 13)
    ),
    Case("concat-negative-axis", "Concat", {"A": (2, 3, 4), "B": (2, 5, 4)}, {"axis": -2}),
    Case("concat-one", "Concat", {"A": (2, 3)}, {"axis": 0}),
    Case("concat-with-nothing", "Concat", {"A": (2, 3), "B": np.zeros((0, 3), np.float32)}, {"axis": 0}),
    Case("concat-dynamic", "Concat", {"A": (2, 3), "B": (4, 3)}, {"axis": 0},
         declared={"A": ("one", 3), "B": ("other", 3)}),
    Case("concat-constant", "Concat", {"A": (2, 3), "B": (2, 3)}, {"axis": 1}, constants=["B"]),
    Case("concat-shape-parts", "Concat", {"A": i64(2), "B": i64(-1, 3)}, {"axis": 0}, constants=["B"], outputs=INT64),
    Case("concat-rank-6", "Concat", {"A": (2, 1, 2, 1, 2, 2), "B": (2, 1, 2, 1, 3, 2)}, {"axis": 4}),
    Case("concat-rank-5-large", "Concat", {"A": (2, 5, 4, 5, 8), "B": (2, 5, 4, 5, 8)}, {"axis": 1}),
    Case("concat-many-large", "Concat", {f"X{i}": (20, 30 + i) for i in range(12)}, {"axis": 1}),
    Case("concat-int64", "Concat", {"A": ints(2, 3).astype(np.int64), "B": ints(2, 3).astype(np.int64)}, {"axis": 1},
         outputs=INT64),
    Case("concat-bool-large", "Concat", {"A": ints(40, 30) % 2 == 0, "B": ints(40, 3) % 2 == 0}, {"axis": 1},
         outputs=BOOL),
]  # fmt: skip


def parts(n: int, code: int = TensorProto.FLOAT) -> dict[str, int]:
    return {f"Y{index}": code for index in range(n)}


SPLIT = [
    *(
        Case(f"split-{opset}", "Split", {"X": (2, 6)}, {"axis": 1, "split": [1, 2, 3]}, opset=opset, outputs=parts(3))
        for opset in (2, 11)
    ),
    Case("split-2-equal", "Split", {"X": (6, 2)}, opset=2, outputs=parts(3)),
    Case("split-13", "Split", {"X": (2, 6), "S": i64(4, 2)}, {"axis": -1}, opset=13, constants=["S"], outputs=parts(2)),
    Case("split-13-equal", "Split", {"X": (6, 2)}, opset=13, outputs=parts(2)),
    Case("split-18", "Split", {"X": (2, 7)}, {"axis": 1, "num_outputs": 3}, outputs=parts(3)),
    Case("split-18-sizes", "Split", {"X": (2, 7), "S": i64(3, 0, 4)}, {"axis": 1}, constants=["S"], outputs=parts(3)),
    Case("split-one", "Split", {"X": (2, 7)}, {"num_outputs": 1}, outputs=parts(1)),
    Case("split-dynamic", "Split", {"X": (5, 4)}, {"num_outputs": 2}, declared={"X": ("batch", 4)}, outputs=parts(2)),
    Case("split-dynamic-other-axis", "Split", {"X": (5, 4)}, {"axis": 1, "num_outputs": 2},
         declared={"X": ("batch", 4)}, outputs=parts(2)),
    Case("split-by-host-value", "Split", {"X": (2, 6), "S": i64(4, 2)}, {"axis": 1}, outputs=parts(2)),
    Case("split-large", "Split", {"X": (30, 60)}, {"axis": 1, "num_outputs": 4}, outputs=parts(4)),
    Case("split-rank-6", "Split", {"X": (2, 2, 1, 2, 4, 2)}, {"axis": 4, "num_outputs": 2}, outputs=parts(2)),
    Case("split-int64", "Split", {"X": i64(1, 2, 3, 4)}, {"num_outputs": 2}, outputs=parts(2, TensorProto.INT64)),
    Case("split-bool", "Split", {"X": ints(40, 30) % 2 == 0}, {"num_outputs": 2}, outputs=parts(2, TensorProto.BOOL)),
]  # fmt: skip

CASES = [*SLICE, *CONCAT, *SPLIT]

import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

I64, FLOAT = TensorProto.INT64, TensorProto.FLOAT
RNG = np.random.default_rng(17)
SPARSE = RNG.integers(-1, 2, (3, 4, 2)).astype(np.float32)
REPEATED = RNG.integers(-3, 4, 12).astype(np.float32)
ROWS = np.float32([[1, 0, 0], [1, 0, 0], [2, 3, 4], [1, -1, 0], [2, 3, 4]])
FOUR = {"Y": FLOAT, "I": I64, "V": I64, "N": I64}
CONDITION = np.array([True, False, True])


def non_zero(name, x, opset=13, **rest):
    return Case(f"nonzero-{name}", "NonZero", {"X": x}, opset=opset, outputs={"Y": I64}, **rest)


def compress(name, condition=CONDITION, axis=None, opset=11, **rest):
    attrs = {} if axis is None else {"axis": axis}
    return Case(f"compress-{name}", "Compress", {"X": (3, 4, 2), "C": condition}, attrs, opset, **rest)


def unique(name, x=REPEATED, opset=11, outputs=None, dtype=FLOAT, **rest):
    attrs = {key: rest.pop(key) for key in ("axis", "sorted") if key in rest}
    return Case(f"unique-{name}", "Unique", {"X": x}, attrs, opset, outputs=(outputs or FOUR) | {"Y": dtype}, **rest)


CASES = [
    non_zero("9", SPARSE, opset=9),
    non_zero("13", SPARSE),
    non_zero("vector", SPARSE.ravel()),
    non_zero("bool", SPARSE > 0),
    non_zero("int32", SPARSE.astype(np.int32), declared={"X": ("a", "b", "c")}),
    non_zero("rank-5", SPARSE.reshape(3, 2, 2, 1, 2)),
    compress("9", axis=0, opset=9),
    compress("11", axis=0),
    compress("28", axis=0, opset=28, reference="evaluator"),
    compress("axis", np.array([False, True, True, False]), axis=-2),
    compress("short", np.array([False, True]), axis=1),
    compress("flat", RNG.integers(0, 2, 24).astype(bool)),
    compress("constant", axis=0, constants=["C"]),
    compress("dynamic", axis=0, declared={"X": ("n", 4, "w"), "C": ("n",)}),
    unique("11"),
    unique("28", opset=28, reference="evaluator"),
    unique("unsorted", sorted=0),
    unique("only-values", outputs={"Y": FLOAT}),
    unique("int64", REPEATED.astype(np.int64), dtype=I64),
    unique("matrix", REPEATED.reshape(3, 4), sorted=0),
    unique("one", REPEATED[:1]),
    unique("all-equal", np.full(7, 2.5, dtype=np.float32), sorted=0),
    unique("rows", ROWS, axis=0),
    unique("rows-unsorted", ROWS, axis=0, sorted=0),
    unique("columns", ROWS, axis=-1),
    unique("slices", np.stack([ROWS, ROWS[::-1], ROWS], axis=1), axis=1),
    unique("dynamic", declared={"X": ("n",)}),
]

import numpy as np
from onnx import TensorProto, helper

from tests.ops.case import Case

INT32, INT64, BOOL = ({"Y": code} for code in (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL))
FLOAT_OPS = {
    "ReduceSum": (1, 11, 13), "ReduceMean": (1, 11, 13, 18), "ReduceProd": (1, 11, 13, 18),
    "ReduceMax": (1, 11, 12, 13, 18, 20), "ReduceMin": (1, 11, 12, 13, 18, 20), "ReduceL1": (1, 11, 13, 18),
    "ReduceL2": (1, 11, 13, 18), "ReduceSumSquare": (1, 11, 13, 18), "ReduceLogSum": (1, 11, 13, 18),
    "ReduceLogSumExp": (1, 11, 13, 18),
}  # fmt: skip
ARITHMETIC = ("ReduceSum", "ReduceMean", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceSumSquare")


def i64(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def ints(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def positive(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(0.5, 2, shape).astype(np.float32)


def reduced(name, op, x, axes=None, opset=18, keepdims=None, *, known=True, attrs=(), **fields) -> Case:
    """A reduction whose axes are where its opset wants them."""
    from_input = opset >= (13 if op == "ReduceSum" else 18)
    operands = {"X": positive(*x) if isinstance(x, tuple) else x}
    given = dict(attrs) if keepdims is None else {**dict(attrs), "keepdims": keepdims}
    if axes is not None and from_input:
        operands["A"] = i64(*axes)
    elif axes is not None:
        given["axes"] = list(axes)
    constants = ["A"] if known and "A" in operands else []
    return Case(f"{op.lower()}-{name}", op, operands, given, opset=opset, constants=constants, **fields)


VERSIONS = [
    case
    for op, versions in FLOAT_OPS.items()
    for opset in versions
    for case in (
        reduced(f"{opset}", op, (2, 3, 4), (1,), opset),
        reduced(f"{opset}-all", op, (2, 3, 4), None, opset, 0),
    )
]
NEWEST = [
    reduced("28", op, (2, 3, 4), (-1, 0), 28, 0, reference="evaluator") for op in ("ReduceLogSum", "ReduceLogSumExp")
]
SHAPES = [
    case
    for op in FLOAT_OPS
    for case in (
        reduced("two-axes", op, (2, 3, 4, 2), (-1, 1), keepdims=0),
        reduced("dynamic", op, (2, 3, 4), (1,), keepdims=0, declared={"X": ("batch", "time", 4)}),
        reduced("dynamic-keep", op, (2, 3, 4), (0, 2), declared={"X": ("batch", "time", 4)}),
        reduced("large", op, (12, 10, 10), (1,), keepdims=0, rtol=2e-4),
        reduced("large-keep", op, (12, 10, 10), (0, 1), rtol=1e-3),
        reduced("rank-6", op, (2, 1, 2, 3, 2, 2), (1, 4), keepdims=0),
        reduced("vector", op, (5,), (0,), keepdims=0),
        reduced("scalar", op, (), None, keepdims=0),
        reduced("noop", op, (2, 3), None, attrs={"noop_with_empty_axes": 1}),
        reduced("empty-axes-all", op, (2, 3), (), keepdims=0),
        reduced("host-axes-keep", op, (2, 3, 4), (1,), known=False) if op != "ReduceProd"
        else reduced("first", op, (2, 3, 4), (0,)),
    )
]  # fmt: skip
DTYPES = [
    case
    for op in ARITHMETIC
    for case in (
        reduced("int32", op, ints(2, 3, 4) - 5, (1,), outputs=INT32),
        reduced("int32-last", op, ints(2, 3) - 3, (1,), keepdims=0, outputs=INT32),
    )
]
SPECIAL = [
    reduced("int32-large", "ReduceSum", ints(12, 10, 10), (0,), keepdims=0, outputs=INT32),
    reduced("int64-large-all", "ReduceSum", ints(12, 10, 10).astype(np.int64), None, keepdims=0, outputs=INT64),
    reduced("int64", "ReduceSum", ints(2, 3).astype(np.int64), (0,), 13, outputs=INT64),
    reduced("int32-large-max", "ReduceMax", ints(12, 10, 10), (1,), outputs=INT32),
    reduced("int64-rank-5", "ReduceMin", ints(2, 3, 2, 2, 2).astype(np.int64), (1, 3), keepdims=0, outputs=INT64),
    reduced("int32-mean-large", "ReduceMean", ints(12, 10, 10) - 600, (1,), outputs=INT32),
    reduced("uint8", "ReduceMax", np.uint8([[1, 200], [3, 4]]), (0,), opset=12, outputs={"Y": TensorProto.UINT8}),
    reduced("int8", "ReduceMin", np.int8([[1, -20], [3, 4]]), (0,), opset=12, outputs={"Y": TensorProto.INT8}),
    reduced("bool", "ReduceMax", ints(2, 3, 4) % 5 == 0, (1,), 20, outputs=BOOL),
    reduced("bool-min", "ReduceMin", ints(40, 30) % 5 != 0, (0,), 20, 0, outputs=BOOL),
    reduced("host-axes", "ReduceSum", (2, 3, 4), (-1, 0), keepdims=0, known=False),
    reduced("host-axes-large", "ReduceMean", (12, 10, 10), (1,), known=False),
    reduced("host-axes-int32", "ReduceMax", ints(2, 3, 4), (1,), known=False, outputs=INT32),
    reduced("no-overflow", "ReduceLogSumExp", np.float32([[1000, 1001], [-1000, -1002]]), (1,)),
    reduced("one-infinite", "ReduceLogSumExp", np.float32([[-np.inf, 1], [np.inf, 2]]), (1,)),
    reduced("infinite", "ReduceMax", np.float32([[-np.inf, 1], [np.inf, 2]]), (1,)),
    reduced("negative", "ReduceProd", np.float32([[-1, 2, -3], [4, -5, 6]]), (1,), 13),
    reduced("of-nothing", "ReduceSum", np.zeros((2, 0, 3), np.float32), (1,)),
    reduced("of-nothing-prod", "ReduceProd", np.zeros((2, 0, 3), np.float32), (1,), keepdims=0),
    reduced("of-nothing-l2", "ReduceL2", np.zeros((0,), np.float32), (0,)),
    *(
        reduced(
            f"of-nothing-{np.dtype(dtype).name}",
            op,
            np.zeros((2, 0, 3), dtype),
            (1,),
            opset=20,
            outputs={"Y": helper.np_dtype_to_tensor_dtype(np.dtype(dtype))},
            reference="evaluator",
        )
        for op, dtype in (("ReduceMax", np.bool_), ("ReduceMin", np.bool_), ("ReduceMax", np.int8))
    ),
    reduced("to-nothing", "ReduceSum", np.zeros((0, 3), np.float32), (1,)),
    reduced("spatial-mean", "ReduceMean", (2, 16, 14, 14), (2, 3)),
    reduced("float16", "ReduceMean", np.float16([[1, 2], [3, 5]]), (1,), outputs={"Y": TensorProto.FLOAT16}),
    reduced("float64", "ReduceSum", np.float64([[1, 2], [3, 5]]), (1,), outputs={"Y": TensorProto.DOUBLE}),
    reduced("int32", "ReduceL2", np.int32([[3, 4], [6, 8]]), (1,), outputs=INT32),
]

CASES = [*VERSIONS, *NEWEST, *SHAPES, *DTYPES, *SPECIAL]

import numpy as np
from onnx import TensorProto, numpy_helper

from tests.ops.case import Case

INT32, INT64, BOOL = ({"Y": code} for code in (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL))
F32 = np.float32


def i64(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def ints(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


def value(number: object, dtype: type) -> dict[str, object]:
    return {"value": numpy_helper.from_array(np.asarray([number], dtype=dtype))}


def numbers(name, start, limit, delta, dtype=np.float32, known=(), **fields) -> Case:
    operands = {key: np.asarray(number, dtype=dtype) for key, number in zip("SLD", (start, limit, delta), strict=True)}
    return Case(f"range-{name}", "Range", operands, constants=list(known), **fields)


FILLED = [
    *(
        Case(f"constantofshape-{opset}", "ConstantOfShape", {"S": i64(2, 3)}, value(2.5, F32), opset=opset)
        for opset in (9, 20, 21, 23, 24, 25)
    ),
    Case("constantofshape-default", "ConstantOfShape", {"S": i64(2, 3)}),
    Case("constantofshape-scalar", "ConstantOfShape", {"S": i64()}, value(-1, F32)),
    Case("constantofshape-inf", "ConstantOfShape", {"S": i64(2)}, value(-np.inf, F32)),
    Case("constantofshape-int64-large", "ConstantOfShape", {"S": i64(40, 30)}, value(-7, np.int64), outputs=INT64),
    Case("constantofshape-bool", "ConstantOfShape", {"S": i64(2, 2)}, value(True, np.bool_), outputs=BOOL),
    Case("constantofshape-uint8", "ConstantOfShape", {"S": i64(1, 2, 1, 2, 1, 2)}, value(200, np.uint8),
         outputs={"Y": TensorProto.UINT8}),
    Case("constantofshape-float16", "ConstantOfShape", {"S": i64(3)}, value(0.5, np.float16),
         outputs={"Y": TensorProto.FLOAT16}),
    Case("constantofshape-known", "ConstantOfShape", {"S": i64(0, 3)}, constants=["S"]),
]  # fmt: skip

RANGES = [
    numbers("11", 1, 10, 2, opset=11),
    numbers("27", 1, 10, 2, opset=27, reference="evaluator"),
    numbers("down", 3, -2, -1.5),
    numbers("fraction", 0, 1, 0.1),
    numbers("long", 0, 1000, 0.37),
    numbers("int64", 3, 20, 4, np.int64, outputs=INT64),
    numbers("int64-down", 3, -20, -4, np.int64, outputs=INT64),
    numbers("int32-step-known", 3, 20, 4, np.int32, ("D",), outputs=INT32),
    numbers("int64-to-size", 0, 1500, 1, np.int64, ("S", "D"), outputs=INT64),
    numbers("wrong-side", 5, 0, 1, np.int64, ("S", "D"), outputs=INT64),
    numbers("wrong-side-down", 0, 5, -1, np.int64, ("S", "D"), outputs=INT64),
    numbers("wrong-side-unknown-step", 5, 0, 2, np.int64, outputs=INT64),
    numbers("wrong-side-fraction", 5, 0, 0.5),
    numbers("known", 5, 0, -2, np.int64, ("S", "L", "D"), outputs=INT64),
]  # fmt: skip

EYES = [
    *(Case(f"eyelike-{opset}", "EyeLike", {"X": (3, 4)}, {"k": 1}, opset=opset) for opset in (9, 22)),
    Case("eyelike-below", "EyeLike", {"X": (4, 3)}, {"k": -2}),
    Case("eyelike-int64", "EyeLike", {"X": (3, 3)}, {"dtype": TensorProto.INT64}, outputs=INT64),
    Case("eyelike-dynamic", "EyeLike", {"X": ints(3, 4)}, declared={"X": ("rows", "columns")}, outputs=INT32),
    Case("eyelike-bool", "EyeLike", {"X": (3, 2)}, {"dtype": TensorProto.BOOL}, outputs=BOOL, reference="evaluator"),
]  # fmt: skip


def triangle(name, x, k=None, *, upper=1, known=("K",), **fields) -> Case:
    operands = {"X": x} if k is None else {"X": x, "K": np.asarray(k, dtype=np.int64)}
    return Case(f"trilu-{name}", "Trilu", operands, {"upper": upper}, constants=[n for n in operands if n in known],
                **fields)  # fmt: skip


TRIANGLES = [
    triangle("upper", (4, 5)),
    triangle("lower", (4, 5), upper=0),
    triangle("upper-k", (2, 4, 5), 2),
    triangle("lower-k", (2, 4, 5), -1, upper=0),
    triangle("beyond", (3, 3), 7),
    triangle("host-k", (3, 4), -1, known=()),
    triangle("dynamic", (2, 4, 5), 1, declared={"X": ("batch", "rows", "columns")}),
    triangle("inf", np.full((3, 3), np.inf, dtype=np.float32)),
    triangle("rank-5", (2, 1, 2, 3, 3), upper=0),
    triangle("large", (2, 30, 40)),
    triangle("int64", ints(4, 4).astype(np.int64), 1, outputs=INT64),
    triangle("bool", np.ones((4, 4), dtype=bool), -1, upper=0, outputs=BOOL),
    triangle("bool-large", np.ones((40, 40), dtype=bool), outputs=BOOL),
    triangle("nothing", np.zeros((0, 3), dtype=np.float32)),
]


def onehot(name, indices, depth, values, attrs=(), known=("D", "V"), **fields) -> Case:
    operands = {"I": np.asarray(indices), "D": np.asarray(depth), "V": np.asarray(values)}
    return Case(f"onehot-{name}", "OneHot", operands, dict(attrs), constants=list(known), **fields)


PLACES = i64(0, 3, -1, 4, -6)
ONE_HOTS = [
    *(onehot(f"{opset}", PLACES, np.int64(5), F32([0, 1]), opset=opset) for opset in (9, 11)),
    onehot("28", PLACES, np.int64(5), F32([0, 1]), opset=28, reference="evaluator"),
    onehot("values", PLACES, i64(5), F32([-0.5, 2])),
    onehot("axis-0", PLACES.reshape(1, 5), np.int64(4), F32([0, 1]), {"axis": 0}),
    onehot("axis-1", ints(2, 3).astype(np.int64), np.int64(4), F32([0, 3]), {"axis": 1}),
    onehot("axis-negative", ints(2, 3).astype(np.int64), np.int64(4), F32([0, 3]), {"axis": -2}),
    onehot("float-indices", F32([0, 2]), F32([3]), F32([0, 1])),
    onehot("ints", PLACES, np.int64(5), i64(7, -2), outputs=INT64),
    onehot("all-at-run-time", PLACES, np.int64(5), F32([1, -1]), known=()),
    onehot("dynamic", PLACES, np.int64(5), F32([0, 1]), declared={"I": ("batch",)}),
    onehot("rank-5", ints(1, 2, 1, 3).astype(np.int64), np.int64(3), F32([-1, 1]), {"axis": 2}),
    onehot("large", (ints(60) % 40).astype(np.int64), np.int64(40), F32([0, 1])),
]

CASES = [*FILLED, *RANGES, *EYES, *TRIANGLES, *ONE_HOTS]

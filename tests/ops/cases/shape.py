import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

INT32, INT64, BOOL = ({"Y": code} for code in (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL))
BATCH = {"X": ("batch", 3, 4)}
TWO = {"X": ("batch", "time", 4)}
T, F = True, False


def i64(*values: int) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)


def ints(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int32).reshape(shape)


RESHAPE = [
    Case("reshape-1", "Reshape", {"X": (2, 3, 4)}, {"shape": [0, -1]}, opset=1),
    *(
        Case(f"reshape-{opset}", "Reshape", {"X": (2, 3, 4), "S": i64(4, -1)}, opset=opset, constants=["S"])
        for opset in (5, 13, 14, 19, 21, 23, 24, 25)
    ),
    Case("reshape-copies-zeros", "Reshape", {"X": (2, 3, 4), "S": i64(0, 0, 2, 2)}, constants=["S"]),
    Case("reshape-copies-dynamic", "Reshape", {"X": (2, 3, 4), "S": i64(0, 12)}, constants=["S"], declared=BATCH),
    Case("reshape-rest-dynamic", "Reshape", {"X": (2, 3, 4), "S": i64(-1, 4)}, constants=["S"], declared=BATCH),
    Case("reshape-two-dynamic", "Reshape", {"X": (2, 3, 4), "S": i64(0, 0, 2, -1)}, constants=["S"], declared=TWO),
    Case("reshape-allowzero", "Reshape", {"X": np.zeros((0, 3), np.float32), "S": i64(3, 0)}, {"allowzero": 1},
         constants=["S"]),
    Case("reshape-by-host-value", "Reshape", {"X": (2, 3, 4), "S": i64(0, 2, -1)}),
    Case("reshape-by-host-value-longer", "Reshape", {"X": (2, 3), "S": i64(0, 3, 1, 1)}),
    Case("reshape-by-host-value-allowzero", "Reshape", {"X": (2, 3), "S": i64(3, 2)}, {"allowzero": 1}),
    Case("reshape-by-host-value-scalar", "Reshape", {"X": (1, 1), "S": i64()}),
    Case("reshape-int64", "Reshape", {"X": i64(1, -2, 3, 4), "S": i64(2, 2)}, constants=["S"], outputs=INT64),
    Case("reshape-bool-rank-6", "Reshape", {"X": np.array([[T, F], [F, T]]), "S": i64(1, 2, 1, 2, 1, 1)},
         constants=["S"], outputs=BOOL),
    *(Case(f"flatten-{opset}", "Flatten", {"X": (2, 3, 4)}, opset=opset) for opset in (1, 9, 11, 13, 21, 23, 24, 25)),
    *(
        Case(f"flatten-axis{axis}", "Flatten", {"X": (2, 3, 4)}, {"axis": axis}, declared={"X": declared})
        for axis, declared in ((0, ("batch", 3, 4)), (2, ("batch", 3, 4)), (3, ("batch", 3, 4)), (-1, (2, 3, "time")),
                               (1, ("batch", "time", 4)), (-2, (2, "time", "other")))
    ),
    Case("flatten-two-dynamic-groups", "Flatten", {"X": (2, 3, 4, 5)}, {"axis": 2},
         declared={"X": ("a", "b", "c", 5)}),
]  # fmt: skip

SQUEEZE = [
    *(Case(f"squeeze-{opset}", "Squeeze", {"X": (1, 3, 1)}, {"axes": [0]}, opset=opset) for opset in (1, 11)),
    *(
        Case(f"squeeze-{opset}", "Squeeze", {"X": (1, 3, 1), "A": i64(-1)}, opset=opset, constants=["A"])
        for opset in (13, 21, 23, 24, 25)
    ),
    Case("squeeze-all", "Squeeze", {"X": (1, 3, 1, 2)}),
    Case("squeeze-to-scalar", "Squeeze", {"X": (1, 1)}),
    Case("squeeze-two-dynamic", "Squeeze", {"X": (2, 1, 3), "A": i64(1)}, constants=["A"],
         declared={"X": ("batch", 1, "time")}),
    Case("squeeze-dynamic-axis", "Squeeze", {"X": (2, 1, 3), "A": i64(1)}, constants=["A"],
         declared={"X": (2, "one", 3)}),
    Case("squeeze-bool", "Squeeze", {"X": np.array([[T, F]])}, outputs=BOOL),
    *(Case(f"unsqueeze-{opset}", "Unsqueeze", {"X": (3, 2)}, {"axes": [0, 3]}, opset=opset) for opset in (1, 11)),
    *(
        Case(f"unsqueeze-{opset}", "Unsqueeze", {"X": (3, 2), "A": i64(-1, 1)}, opset=opset, constants=["A"])
        for opset in (13, 21, 23, 24, 25)
    ),
    Case("unsqueeze-scalar", "Unsqueeze", {"X": (), "A": i64(0)}, constants=["A"]),
    Case("unsqueeze-two-dynamic", "Unsqueeze", {"X": (3, 2), "A": i64(2, 0)}, constants=["A"],
         declared={"X": ("batch", "time")}),
    Case("unsqueeze-uint8-to-rank-6", "Unsqueeze", {"X": np.uint8([[1, 255]]), "A": i64(0, 1, 2, 3)}, constants=["A"],
         outputs={"Y": TensorProto.UINT8}),
]  # fmt: skip

FACTS = [
    *(
        Case(f"shape-{opset}", "Shape", {"X": (2, 3, 4)}, opset=opset, declared=BATCH, outputs=INT64)
        for opset in (1, 13, 15, 19, 21, 23, 24, 25)
    ),
    *(
        Case(f"shape-part{index}", "Shape", {"X": (2, 3, 4)}, attrs, declared=TWO, outputs=INT64)
        for index, attrs in enumerate(({"start": 1}, {"start": -2, "end": -1}, {"end": 9}, {"start": 2, "end": 1},
                                       {"start": -9, "end": 2}))
    ),
    Case("shape-static", "Shape", {"X": (2, 3)}, outputs=INT64),
    *(
        Case(f"size-{opset}", "Size", {"X": (2, 3, 4)}, opset=opset, declared=BATCH, outputs=INT64)
        for opset in (1, 13, 19, 21, 23, 24, 25)
    ),
]  # fmt: skip

TRANSPOSE = [
    *(
        Case(f"transpose-{opset}", "Transpose", {"X": (2, 3, 4)}, {"perm": [1, 0, 2]}, opset=opset)
        for opset in (1, 13, 21, 23, 24, 25)
    ),
    Case("transpose-default", "Transpose", {"X": (2, 3, 4, 5)}),
    Case("transpose-dynamic", "Transpose", {"X": (2, 3, 4)}, {"perm": [2, 0, 1]}, declared=TWO),
    Case("transpose-rank-6", "Transpose", {"X": (2, 3, 2, 2, 3, 2)}, {"perm": [0, 3, 5, 1, 2, 4]}),
    Case("transpose-int32-large", "Transpose", {"X": ints(20, 12, 10)}, {"perm": [2, 0, 1]}, outputs=INT32),
    Case("transpose-int64-matrix", "Transpose", {"X": ints(30, 40).astype(np.int64)}, outputs=INT64),
    Case("transpose-bool-large", "Transpose", {"X": ints(20, 12, 10) % 3 == 0}, {"perm": [2, 1, 0]}, outputs=BOOL),
    Case("transpose-float16", "Transpose", {"X": np.float16([[1, 2, 3], [4, 5, 6]])},
         outputs={"Y": TensorProto.FLOAT16}),
]  # fmt: skip

EXPAND = [
    *(
        Case(f"expand-{opset}", "Expand", {"X": (3, 1), "S": i64(2, 1, 4)}, opset=opset, constants=["S"])
        for opset in (8, 13)
    ),
    Case("expand-smaller-shape", "Expand", {"X": (2, 3, 1), "S": i64(1, 4)}, constants=["S"]),
    Case("expand-same", "Expand", {"X": (2, 3), "S": i64(1, 3)}, constants=["S"], declared={"X": ("batch", 3)}),
    Case("expand-dynamic-batch", "Expand", {"X": (2, 1, 3), "S": i64(1, 5, 1)}, constants=["S"],
         declared={"X": ("batch", 1, 3)}),
    Case("expand-by-host-value", "Expand", {"X": (2, 1, 3), "S": i64(4, 1, 5, 1)}),
    Case("expand-by-shorter-host-value", "Expand", {"X": (2, 1, 3), "S": i64(5, 3)}),
    Case("expand-scalar", "Expand", {"X": (), "S": i64(2, 3)}, constants=["S"]),
    Case("expand-rank-5", "Expand", {"X": (2, 1, 3, 1, 1), "S": i64(2, 4, 1, 5, 1)}, constants=["S"]),
    Case("expand-rank-6-inf", "Expand", {"X": np.float32([[np.inf], [-1]]), "S": i64(2, 2, 1, 1, 2, 3)},
         constants=["S"]),
    Case("expand-rank-5-large", "Expand", {"X": (10, 1, 12, 1, 10), "S": i64(1, 2, 1, 3, 1)}, constants=["S"]),
    Case("expand-large", "Expand", {"X": (1, 40, 1, 30), "S": i64(3, 1, 2, 1)}, constants=["S"]),
    Case("expand-int64", "Expand", {"X": ints(3, 1).astype(np.int64), "S": i64(2, 3, 2)}, constants=["S"],
         outputs=INT64),
    Case("expand-int32-large", "Expand", {"X": ints(40, 1, 30), "S": i64(1, 2, 1)}, constants=["S"], outputs=INT32),
    Case("expand-bool", "Expand", {"X": np.array([[T], [F]]), "S": i64(2, 3)}, constants=["S"], outputs=BOOL),
    Case("expand-bool-large", "Expand", {"X": ints(40, 1, 30) % 2 == 0, "S": i64(1, 2, 1)}, constants=["S"],
         outputs=BOOL),
    Case("expand-to-nothing", "Expand", {"X": (1, 3), "S": i64(0, 3)}, constants=["S"]),
]  # fmt: skip

TILE = [
    *(
        Case(f"tile-{opset}", "Tile", {"X": (2, 3), "R": i64(2, 3)}, opset=opset, constants=["R"])
        for opset in (6, 13)
    ),
    Case("tile-dynamic", "Tile", {"X": (2, 3, 4), "R": i64(1, 2, 2)}, constants=["R"], declared=TWO),
    Case("tile-by-host-value", "Tile", {"X": (2, 3), "R": i64(1, 2)}),
    Case("tile-rank-5", "Tile", {"X": (2, 1, 3, 2, 2), "R": i64(1, 2, 2, 1, 3)}, constants=["R"]),
    Case("tile-rank-5-large", "Tile", {"X": (3, 8, 5, 4, 4), "R": i64(2, 1, 2, 1, 2)}, constants=["R"]),
    Case("tile-rank-5-dynamic", "Tile", {"X": (2, 1, 3, 2, 2), "R": i64(2, 2, 1, 1, 3)}, constants=["R"],
         declared={"X": ("batch", 1, "time", 2, 2)}),
    Case("tile-large", "Tile", {"X": (30, 40), "R": i64(2, 3)}, constants=["R"]),
    Case("tile-int32-large", "Tile", {"X": ints(30, 40), "R": i64(2, 3)}, constants=["R"], outputs=INT32),
    Case("tile-uint8", "Tile", {"X": np.uint8([[1, 200]]), "R": i64(2, 2)}, constants=["R"],
         outputs={"Y": TensorProto.UINT8}),
    Case("tile-bool", "Tile", {"X": np.array([T, F]), "R": i64(3)}, constants=["R"], outputs=BOOL),
    Case("tile-no-times", "Tile", {"X": (2, 3), "R": i64(0, 2)}, constants=["R"]),
    Case("tile-scalar", "Tile", {"X": (), "R": i64()}, constants=["R"]),
]  # fmt: skip

CASES = [*RESHAPE, *SQUEEZE, *FACTS, *TRANSPOSE, *EXPAND, *TILE]

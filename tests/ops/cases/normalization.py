import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

POSITIVE = np.float32([0.5, 1.5, 2.0])
IMAGE = {"X": (2, 3, 4, 5), "scale": (3,), "B": (3,)}
BATCH_NORM = {**IMAGE, "mean": (3,), "var": POSITIVE}
STORED = ["scale", "B", "mean", "var"]
ANY_SIZE = {"X": ("batch", 3, "height", "width")}
RUNNING = {"Y": TensorProto.FLOAT, "running_mean": TensorProto.FLOAT, "running_var": TensorProto.FLOAT}
STATISTICS = {"Y": TensorProto.FLOAT, "Mean": TensorProto.FLOAT, "InvStdDev": TensorProto.FLOAT}


def batch(name, attrs=None, inputs=BATCH_NORM, **more):
    return Case(f"batch-norm-{name}", "BatchNormalization", inputs, attrs or {}, **more)


BATCH = [
    *(batch(f"since-{opset}", {"epsilon": 1e-3}, opset=opset, constants=STORED) for opset in (7, 9, 14, 15)),
    batch("since-6", {"is_test": 1}, opset=6, constants=STORED, reference="evaluator"),
    batch("fed"),
    batch("partly-fed", constants=["scale", "mean"], declared=ANY_SIZE),
    batch("momentum", {"momentum": 0.5}, constants=STORED, declared=ANY_SIZE),
    batch("matrix", inputs={**BATCH_NORM, "X": (4, 3)}, constants=STORED, declared={"X": ("batch", 3)}),
    batch("matrix-fed", inputs={**BATCH_NORM, "X": (4, 3)}),
    batch("signal", inputs={**BATCH_NORM, "X": (2, 3, 7)}, constants=STORED),
    batch("volume", inputs={**BATCH_NORM, "X": (2, 3, 2, 3, 4)}, constants=STORED),
    batch("tiny-variance", inputs={**BATCH_NORM, "var": np.float32([0, 1e-6, 1e4])}, constants=STORED),
    batch("training", {"training_mode": 1, "momentum": 0.7}, outputs=RUNNING, opset=15, reference="evaluator"),
    batch("training-14", {"training_mode": 1}, outputs=RUNNING, opset=14, reference="evaluator", declared=ANY_SIZE),
]

INSTANCE = [
    *(Case(f"instance-norm-since-{since}", "InstanceNormalization", IMAGE, opset=since) for since in (6, 22)),
    Case("instance-norm-since-1", "InstanceNormalization", IMAGE, opset=5,
         reference="evaluator"),
    Case("instance-norm-const", "InstanceNormalization", IMAGE, {"epsilon": 0.1}, constants=["scale", "B"],
         declared=ANY_SIZE),
    Case("instance-norm-signal", "InstanceNormalization", {**IMAGE, "X": (2, 3, 9)}),
    Case("instance-norm-volume", "InstanceNormalization", {**IMAGE, "X": (2, 3, 3, 4, 2)}, constants=["scale", "B"]),
]  # fmt: skip

LAYER = [
    Case("layer-norm", "LayerNormalization", {"X": (2, 3, 8), "S": (8,), "B": (8,)}, constants=["S", "B"],
         declared={"X": ("batch", "length", 8)}),
    Case("layer-norm-no-bias", "LayerNormalization", {"X": (2, 3, 8), "S": (8,)}, {"epsilon": 0.01}),
    Case("layer-norm-outputs", "LayerNormalization", {"X": (2, 3, 8), "S": (8,), "B": (8,)}, outputs=STATISTICS),
    Case("layer-norm-axis", "LayerNormalization", {"X": (2, 3, 4, 5), "S": (4, 5), "B": (4, 5)},
         {"axis": 2, "stash_type": 1}, outputs=STATISTICS),
    Case("layer-norm-axis-negative", "LayerNormalization", {"X": (2, 3, 4, 5), "S": (3, 4, 5), "B": (3, 4, 5)},
         {"axis": -3}),
    Case("layer-norm-axis-0", "LayerNormalization", {"X": (3, 4), "S": (3, 4)}, {"axis": 0}),
    Case("layer-norm-volume", "LayerNormalization", {"X": (2, 3, 2, 3, 8), "S": (8,), "B": (8,)}, constants=["S"]),
    Case("rms-norm", "RMSNormalization", {"X": (2, 3, 8), "S": (8,)}, opset=23, constants=["S"],
         declared={"X": ("batch", "length", 8)}, reference="evaluator"),
    Case("rms-norm-axis", "RMSNormalization", {"X": (2, 3, 4, 5), "S": (4, 5)}, {"axis": -2, "epsilon": 0.1}, opset=23,
         reference="evaluator"),
]  # fmt: skip

GROUPED = {"X": (2, 6, 4, 5), "scale": (6,), "bias": (6,)}
GROUP = [
    Case("group-norm", "GroupNormalization", GROUPED, {"num_groups": 3}, opset=21, constants=["scale", "bias"],
         declared={"X": ("batch", 6, 4, 5)}),
    Case("group-norm-fed", "GroupNormalization", GROUPED, {"num_groups": 2, "epsilon": 0.1, "stash_type": 1}, opset=21),
    Case("group-norm-dynamic", "GroupNormalization", GROUPED, {"num_groups": 3}, opset=21,
         constants=["scale", "bias"], declared={"X": ("batch", 6, "height", "width")}),
    Case("group-norm-18", "GroupNormalization", {"X": (2, 6, 4, 5), "scale": (3,), "bias": (3,)}, {"num_groups": 3},
         opset=18, constants=["scale", "bias"], declared={"X": ("batch", 6, "height", 5)}),
    Case("group-norm-18-fed", "GroupNormalization", {"X": (2, 6, 7), "scale": (2,), "bias": (2,)},
         {"num_groups": 2, "epsilon": 0.1}, opset=18),
    Case("group-norm-signal", "GroupNormalization", {**GROUPED, "X": (2, 6, 7)}, {"num_groups": 6}, opset=21),
]  # fmt: skip

ROW = np.float32([[3, 4, 0], [0, 0, 0], [-1, 2, -2]])
OTHER = [
    Case("mean-variance-9", "MeanVarianceNormalization", {"X": (2, 3, 4, 5)}, opset=9),
    Case("mean-variance-13", "MeanVarianceNormalization", {"X": (2, 3, 4, 5)}, {"axes": [0, 2, 3]}, opset=13),
    Case("mean-variance-axes", "MeanVarianceNormalization", {"X": (2, 3, 4)}, {"axes": [0, -1]},
         declared={"X": ("batch", 3, "length")}, reference="evaluator"),
    *(
        Case(f"lp-norm-{name}", "LpNormalization", {"X": array}, attrs, opset=opset, reference=reference)
        for name, array, attrs, opset, reference in (
            ("default", ROW, {}, 18, "onnxruntime"),
            ("p1", ROW, {"p": 1, "axis": 0}, 18, "onnxruntime"),
            ("axis", (2, 3, 4), {"axis": -2}, 18, "onnxruntime"),
            ("since-22", (2, 3, 4), {"axis": 1}, 22, "evaluator"),
        )
    ),
    *(
        Case(f"lrn-{name}", "LRN", {"X": (5, 5, 3, 4)}, attrs, opset=opset, declared=declared, reference=reference)
        for name, attrs, opset, declared, reference in (
            ("since-1", {"size": 5}, 9, {}, "onnxruntime"),
            ("since-13", {"size": 3, "alpha": 0.5, "beta": 0.6, "bias": 1.5}, 13,
             {"X": ("batch", 5, "height", "width")}, "onnxruntime"),
            ("even", {"size": 4, "alpha": 0.5}, 13, {"X": ("batch", 5, 3, 4)}, "evaluator"),
            ("one", {"size": 1, "alpha": 0.5}, 13, {}, "onnxruntime"),
        )
    ),
]  # fmt: skip

CASES = [*BATCH, *INSTANCE, *LAYER, *GROUP, *OTHER]

import numpy as np
from onnx import TensorProto

from converter.onnx_model.contributed import DOMAIN
from tests.ops.case import Case

FLOAT = TensorProto.FLOAT
ROWS, HIDDEN, WIDTH = (2, 5, 8), ("batch", "sequence", 8), 8


def fused(name, op, inputs, attrs=None, **rest):
    return Case(f"{op.lower()}-{name}", op, inputs, attrs or {}, domain=DOMAIN, **rest)


def conv(name, activation, params=None, **rest):
    attrs = {"activation": activation, "pads": [1, 1, 1, 1], **({"activation_params": params} if params else {})}
    inputs = {"X": (2, 4, 6, 5), "W": (3, 4, 3, 3), "B": (3,), **rest.pop("more", {})}
    return fused(name, "FusedConv", inputs, attrs, constants=("W", "B"), **rest)


def gemm(name, activation, attrs=None):
    inputs = {"A": (4, 6), "B": (5, 6), "C": (5,)}
    attrs = {"activation": activation, "transB": 1, "alpha": 0.5, "beta": 2.0, **(attrs or {})}
    return fused(name, "FusedGemm", inputs, attrs, constants=("B", "C"), declared={"A": ("batch", 6)})


def matmul(name, a, b, attrs, **rest):
    return fused(name, "FusedMatMul", {"A": a, "B": b}, attrs, **rest)


def skip(name, op, names, outputs=1, **rest):
    shapes = {"X": ROWS, "S": ROWS, "G": (WIDTH,), "E": (WIDTH,), "B": (WIDTH,)}
    inputs = {key: rest.pop("skip", shapes[key]) if key == "S" else shapes.get(key, ()) for key in names}
    made = dict.fromkeys(("Y",) if outputs == 1 else ("Y", " ", "  ", "T"), FLOAT)
    return fused(name, op, inputs, {"epsilon": 1e-3}, outputs=made, constants=[n for n in "GEB" if n in names], **rest)


DYNAMIC = {"X": HIDDEN, "S": HIDDEN}
PER_TOKEN = {"X": np.linspace(-3, 3, 80, dtype=np.float32).reshape(ROWS)}

CASES = [
    fused("default", "Gelu", PER_TOKEN, declared={"X": HIDDEN}),
    fused("vector", "BiasGelu", {"X": ROWS, "B": (WIDTH,)}, constants=("B",), declared={"X": HIDDEN}),
    fused("default", "FastGelu", PER_TOKEN, declared={"X": HIDDEN}),
    fused("bias", "FastGelu", {"X": ROWS, "B": (WIDTH,)}, declared={"X": HIDDEN}),
    fused("default", "QuickGelu", PER_TOKEN, declared={"X": HIDDEN}),
    fused("alpha", "QuickGelu", {"X": ROWS}, {"alpha": -0.5}),
    fused("silu", "QuickGelu", {"X": ROWS}, {"alpha": 1.0}),
    conv("relu", "Relu", declared={"X": ("batch", 4, "height", "width")}),
    conv("leaky", "LeakyRelu", [0.3]),
    conv("clip", "Clip", [-0.5, 0.75]),
    conv("hard-sigmoid", "HardSigmoid", [0.3, 0.4]),
    conv("sigmoid", "Sigmoid"),
    conv("tanh", "Tanh", more={"Z": (2, 3, 6, 5)}),
    fused(
        "signal", "FusedConv", {"X": (2, 4, 9), "W": (4, 1, 3)}, {"activation": "Relu", "group": 4}, constants=("W",)
    ),
    gemm("relu", "Relu"),
    gemm("leaky", "LeakyRelu", {"activation_alpha": 0.2}),
    gemm("sigmoid", "Sigmoid"),
    gemm("tanh", "Tanh"),
    fused("not-constant", "FusedGemm", {"A": (6, 4), "B": (6, 5)}, {"transA": 1, "activation": "Relu"}),
    matmul("alpha", (2, 3, 4), (4, 5), {"alpha": 0.25}, constants=("B",), declared={"A": ("batch", "rows", 4)}),
    matmul(
        "trans-b", (2, 3, 5, 4), (2, 3, 6, 4), {"transB": 1}, declared={"A": ("n", 3, "q", 4), "B": ("n", 3, "k", 4)}
    ),
    matmul("trans-a", (2, 4, 3), (2, 4, 5), {"transA": 1}),
    matmul("trans-constant", (2, 3, 4), (5, 4), {"transB": 1}, constants=("B",)),
    matmul("trans-both", (4, 3), (5, 4), {"transA": 1, "transB": 1, "alpha": 2.0}),
    matmul("batch-a", (3, 2, 4, 5), (2, 4, 5, 6), {"transBatchA": 1}),
    matmul("batch-b", (2, 3, 4), (4, 2, 5), {"transBatchB": 1}, constants=("B",)),
    matmul("batch-and-trans", (3, 2, 4), (2, 3, 5), {"transBatchA": 1, "transA": 1}),
    matmul("broadcast", (1, 3, 4), (6, 4, 2), {}),
    matmul("vector", (4,), (4, 2), {"transA": 1}),
    skip("plain", "SkipLayerNormalization", "XSG", declared=DYNAMIC),
    skip("beta", "SkipLayerNormalization", "XSGE", declared=DYNAMIC),
    skip("bias", "SkipLayerNormalization", "XSGEB", 4, declared=DYNAMIC),
    skip("one-skip", "SkipLayerNormalization", "XSGE", skip=(1, 5, WIDTH)),
    skip("skip-without-batch", "SkipLayerNormalization", "XSGE", skip=(5, WIDTH)),
    skip("plain", "SkipSimplifiedLayerNormalization", "XSG", declared=DYNAMIC),
    skip("bias", "SkipSimplifiedLayerNormalization", "XSGB", 4, declared=DYNAMIC),
    Case(
        "simplifiedlayernormalization-1",
        "SimplifiedLayerNormalization",
        {"X": ROWS, "G": (WIDTH,)},
        {"epsilon": 1e-3, "axis": -1, "stash_type": 1},
        opset=13,
        declared={"X": HIDDEN},
    ),
    Case(
        "simplifiedlayernormalization-axis",
        "SimplifiedLayerNormalization",
        {"X": ROWS, "G": (5, WIDTH)},
        {"axis": 1},
        outputs={"Y": FLOAT, "I": FLOAT},
    ),
    Case(
        "layernormalization-1",
        "LayerNormalization",
        {"X": ROWS, "G": (WIDTH,), "B": (WIDTH,)},
        {"axis": -1, "epsilon": 1e-3},
        opset=13,
        declared={"X": HIDDEN},
    ),
]

import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

FLOAT = TensorProto.FLOAT
RNG = np.random.default_rng(3)
LABELS = {"": RNG.integers(0, 5, (3,)), "2d": RNG.integers(0, 5, (3, 4, 2)), "3d": RNG.integers(0, 5, (3, 2, 2, 3))}
WEIGHTS = np.float32([0.2, 0.5, 1.5, 0.9, 0.1])


def loss(op, name, kind="", weight=False, opset=13, ignored=None, outputs=None, **rest):
    labels = LABELS[kind].astype(rest.pop("dtype", np.int64))
    if ignored is not None:
        labels.flat[1] = ignored
    inputs = {"X": (3, 5, *labels.shape[1:]), "T": labels, **({"W": WEIGHTS} if weight else {})}
    attrs = rest.pop("attrs", {}) | ({} if ignored is None else {"ignore_index": ignored})
    short = "nll" if op.startswith("Neg") else "cross-entropy"
    return Case(f"{short}-{name}", op, inputs, attrs, opset, outputs=outputs or {"Y": FLOAT}, **rest)


NLL, CROSS = "NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"
BOTH = (NLL, CROSS)

CASES = [
    *(loss(op, str(opset), opset=opset) for op in BOTH for opset in (12, 13)),
    loss(NLL, "22", opset=22),
    *(loss(op, "none", "2d", attrs={"reduction": "none"}) for op in BOTH),
    *(loss(op, "sum", "2d", attrs={"reduction": "sum"}, dtype=np.int32) for op in BOTH),
    *(loss(op, "weights", "2d", weight=True) for op in BOTH),
    *(loss(op, "weights-none", weight=True, attrs={"reduction": "none"}) for op in BOTH),
    *(loss(op, "weights-constant", weight=True, constants=["W"]) for op in BOTH),
    *(loss(op, "ignored", "2d", ignored=2) for op in BOTH),
    *(loss(op, "ignored-outside", "2d", ignored=-1, weight=True) for op in BOTH),
    *(loss(op, "ignored-none", "3d", ignored=-100, attrs={"reduction": "none"}) for op in BOTH),
    *(loss(op, "dynamic", "2d", weight=True, declared={"X": ("n", 5, "h", "w"), "T": ("n", "h", "w")}) for op in BOTH),
    loss(CROSS, "log-prob", "2d", outputs={"Y": FLOAT, "L": FLOAT}),
    loss(CROSS, "log-prob-dynamic", outputs={"Y": FLOAT, "L": FLOAT}, declared={"X": ("n", 5), "T": ("n",)}),
]

import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

I64 = np.int64
SIZES = {"periodic": 1, "symmetric": 0}


def dft(name, shape, length=None, axis=None, opset=20, reference="onnxruntime", **attrs):
    inputs = {"X": shape}
    if length is not None or axis is not None:
        inputs["" if length is None else "N"] = () if length is None else I64(length)
    if axis is not None:
        inputs["A"] = I64(axis)
    constants = [key for key in inputs if key in "NA" and key]
    return Case(f"dft-{name}", "DFT", inputs, attrs, opset=opset, constants=constants, reference=reference)


def stft(name, signal, step, window=None, length=None, constants=("S", "W", "N"), **rest):
    inputs = {"X": signal, "S": I64(step)}
    if window is not None:
        inputs["W"] = np.hanning(window).astype(np.float32) + 0.1
    elif length is not None:
        inputs[""] = ()
    if length is not None:
        inputs["N"] = I64(length)
    known = [key for key in constants if key in inputs]
    return Case(f"stft-{name}", "STFT", inputs, rest.pop("attrs", {"onesided": 1}), opset=17, constants=known, **rest)


CASES = [
    dft("17", (2, 10, 1), opset=17),
    dft("17-axis", (2, 10, 6, 1), opset=17, axis=None, length=None),
    dft("20", (2, 10, 1)),
    dft("complex", (2, 10, 2)),
    dft("onesided", (2, 9, 1), onesided=1),
    dft("inverse", (3, 8, 2), inverse=1),
    dft("longer", (2, 10, 1), length=16),
    dft("shorter", (2, 10, 2), length=7),
    dft("axis", (2, 6, 5, 1), axis=1),
    dft("axis-first", (6, 2, 5, 2), axis=-4, length=6, inverse=1),
    dft("shorter-onesided", (2, 10, 1), length=7, onesided=1),
    *(
        dft(f"real-inverse-{n}", (2, 5, 2), length=n, axis=1, onesided=1, inverse=1, reference="evaluator")
        for n in (8, 9)
    ),
    dft("real-inverse", (2, 5, 2), onesided=1, inverse=1, reference="evaluator"),
    Case("dft-dynamic-batch", "DFT", {"X": (3, 8, 2)}, opset=20, declared={"X": ("batch", 8, 2)}),
    stft("window", (2, 64, 1), 8, window=16),
    stft("window-not-constant", (2, 64, 1), 8, window=16, constants=["S"]),
    stft("length", (1, 70, 1), 5, length=20, atol=5e-5),  # onnxruntime's own error: 1.6e-5 where the result is 0
    stft("both", (2, 64, 1), 16, window=16, length=16),
    stft("complex", (2, 64, 2), 8, window=16, attrs={"onesided": 0}),
    stft("dynamic", (2, 64, 1), 8, window=16, declared={"X": ("batch", "samples", 1)}),
    *(
        Case(f"{op.lower()}-{name}", op, {"N": np.int32(11)}, {"periodic": periodic}, opset=17, atol=1e-4)
        # A GPU's cosine is exact to 2 ** -11 only.
        for op in ("HannWindow", "HammingWindow", "BlackmanWindow")
        for name, periodic in SIZES.items()
    ),
    Case("hannwindow-constant", "HannWindow", {"N": I64(11)}, opset=17, constants=["N"]),
    Case(
        "melweightmatrix",
        "MelWeightMatrix",
        {"M": I64(8), "N": I64(16), "R": I64(8192), "L": np.float32(0), "U": np.float32(4096)},
        {"output_datatype": TensorProto.FLOAT},
        opset=17,
        constants="MNRLU",
    ),
]

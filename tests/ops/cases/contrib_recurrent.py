import numpy as np
from onnx import TensorProto

from converter.onnx_model.contributed import DOMAIN
from tests.ops.case import Case

FLOAT = TensorProto.FLOAT
RNG = np.random.default_rng(4)
STEPS, BATCH, INPUT, HIDDEN = 5, 3, 6, 8


def lstm(name, dtype=np.uint8, directions=1, per_column=False, attrs=None, declared=None, **more):
    """int8 weights have 7 bits: without VNNI, onnxruntime's sums of uint8 times int8 saturate at 16 bits."""
    low, high, zero = (0, 256, 128) if dtype == np.uint8 else (-64, 64, 0)
    columns = (directions, 4 * HIDDEN) if per_column else (directions,)
    scales = [RNG.uniform(0.003, 0.006, columns).astype(np.float32) for _ in range(2)]
    operands = {
        "X": (STEPS, BATCH, INPUT),
        "W": RNG.integers(low, high, (directions, INPUT, 4 * HIDDEN)).astype(dtype),
        "R": RNG.integers(low, high, (directions, HIDDEN, 4 * HIDDEN)).astype(dtype),
        "B": (directions, 8 * HIDDEN),
        "L": None,
        "H": None,
        "C": None,
        "P": None,
        "WS": scales[0],
        "WZ": np.full(columns, zero, dtype),
        "RS": scales[1],
        "RZ": np.full(columns, zero, dtype),
    } | more
    inputs = {" " * at if value is None else key: value for at, (key, value) in enumerate(operands.items())}
    return Case(
        f"dynamicquantizelstm-{name}",
        "DynamicQuantizeLSTM",
        inputs,
        {"hidden_size": HIDDEN, "direction": "bidirectional" if directions == 2 else "forward", **(attrs or {})},
        constants=[key for key in inputs if key.strip() and key not in ("X", "H", "C")],
        declared=declared or {},
        outputs=dict.fromkeys(("Y", "Y_H", "Y_C"), FLOAT),
        domain=DOMAIN,
    )


STATES = {"H": (1, BATCH, HIDDEN), "C": (1, BATCH, HIDDEN)}

CASES = [
    lstm("uint8", declared={"X": (STEPS, "batch", INPUT)}),
    lstm("int8-per-column", np.int8, per_column=True),
    lstm("bidirectional", directions=2, per_column=True, declared={"X": ("steps", "batch", INPUT)}),
    lstm("reverse", attrs={"direction": "reverse"}),
    lstm("initial-states", **STATES),
    lstm("peepholes", P=(1, 3 * HIDDEN), attrs={"clip": 1.5}),
    lstm("without-bias", B=None, L=np.full(BATCH, STEPS, np.int32)),
    lstm("coupled", np.int8, attrs={"input_forget": 1}),
]

import numpy as np
from onnx import TensorProto

from converter.onnx_model.contributed import DOMAIN
from tests.ops.case import Case

FLOAT, INT32 = TensorProto.FLOAT, TensorProto.INT32
IDS = np.int32([[1, 5, 0, 3], [2, 2, 9, 4]])
SEGMENTS = np.int32([[0, 0, 1, 1], [1, 0, 0, 0]])
MASK = np.int32([[1, 1, 0, 2], [1, 1, 1, 1]])
POSITIONS = np.int32([[3, 2, 1, 0], [0, 1, 2, 2]])
RNG = np.random.default_rng(5)
DYNAMIC = dict.fromkeys(("I", "S", "M", "PI"), ("batch", "sequence"))


def embed(name, segments=True, mask=False, positions=None, n_outputs=2, attrs=None, declared=None):
    inputs = {"I": IDS, "S" if segments else " ": SEGMENTS, "W": (10, 8), "P": (6, 8)}
    inputs |= {"T" if segments else "  ": (2, 8), "G": (8,), "B": (8,), "M" if mask else "   ": MASK}
    inputs |= {"PI": positions} if positions is not None else {}
    return Case(
        f"embedlayernormalization-{name}",
        "EmbedLayerNormalization",
        inputs if mask or positions is not None else {key: inputs[key] for key in list(inputs)[:7]},
        {"epsilon": 1e-3, **(attrs or {})},
        constants=[key for key in ("W", "P", "T", "G", "B") if key in inputs],
        declared=DYNAMIC if declared is None else declared,
        outputs=dict(list({"Y": FLOAT, "L": INT32, "SUM": FLOAT}.items())[:n_outputs]),
        domain=DOMAIN,
    )


def quantized(name, dtype, segments=True, mask=True):
    low = np.iinfo(dtype).min
    tables = {"W": (10, 8), "P": (6, 8), "T": (2, 8), "G": (8,), "B": (8,)}
    drawn = {key: RNG.integers(low, low + 256, shape).astype(dtype) for key, shape in tables.items()}
    scales = {f"{key}S": np.float32(0.01 * (index + 1)) for index, key in enumerate(tables)}
    zeros = {f"{key}Z": dtype(low + 120 + index) for index, key in enumerate(tables)}
    inputs = {"I": IDS, "S": SEGMENTS, **drawn, "M": MASK}
    inputs = {key: inputs[key] for key in ("I", "S", "W", "P", "T", "G", "B", "M")} | scales | zeros
    blanks = set() if segments else {"S", "T", "TS", "TZ"}
    blanks |= set() if mask else {"M"}
    named = {" " * (at + 1) if key in blanks else key: value for at, (key, value) in enumerate(inputs.items())}
    return Case(
        f"qembedlayernormalization-{name}",
        "QEmbedLayerNormalization",
        named,
        {"epsilon": 1e-3},
        constants=[key for key in named if key.strip() and key not in "ISM"],
        declared=DYNAMIC,
        outputs={"Y": FLOAT, "L": INT32},
        domain=DOMAIN,
    )


CASES = [
    embed("plain"),
    embed("static", declared={}),
    embed("mask", mask=True),
    embed("lengths-without-mask", attrs={"mask_index_type": 0}),
    embed("positions", positions=POSITIONS, n_outputs=3),
    embed("one-row-of-positions", mask=True, positions=POSITIONS[:1], declared={**DYNAMIC, "PI": (1, "sequence")}),
    embed("no-segments", segments=False),
    quantized("uint8", np.uint8),
    quantized("int8", np.int8, mask=False),
    quantized("no-segments", np.uint8, segments=False),
]

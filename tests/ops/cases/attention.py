import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

FLOAT = TensorProto.FLOAT
RNG = np.random.default_rng(13)
BATCH, HEADS, QUERIES, KEYS, DEPTH, PAST = 2, 4, 5, 6, 8, 3
MASK = RNG.integers(0, 2, (QUERIES, KEYS)).astype(bool) | np.eye(QUERIES, KEYS, dtype=bool)
HIDING = MASK & (np.arange(QUERIES)[:, None] != 2)
FLOATS = np.where(MASK, RNG.uniform(-1, 1, MASK.shape), -np.inf).astype(np.float32)
COUNTS = np.int64([4, 6])


def attend(name, heads=HEADS, mask=None, past=False, counts=None, flat=False, opset=23, attrs=None, **rest):
    shapes = {"Q": (BATCH, HEADS, QUERIES, DEPTH), "K": (BATCH, heads, KEYS, DEPTH), "V": (BATCH, heads, KEYS, 6)}
    if flat:
        shapes = {key: (shape[0], shape[2], shape[1] * shape[3]) for key, shape in shapes.items()}
        attrs = {**(attrs or {}), "q_num_heads": HEADS, "kv_num_heads": heads}
    operands = [mask, (BATCH, heads, PAST, DEPTH) if past else None, (BATCH, heads, PAST, 6) if past else None, counts]
    while operands and operands[-1] is None:
        operands.pop()
    for number, (key, value) in enumerate(zip("MXYN", operands, strict=False)):
        shapes[" " * number if value is None else key] = () if value is None else value
    names = rest.pop("outputs", ("O", "PK", "PV") if past else ("O",))
    outputs = dict.fromkeys(names, FLOAT)
    return Case(f"attention-{name}", "Attention", shapes, attrs or {}, opset, outputs=outputs, **rest)


def dynamic(kind="4d"):
    if kind == "3d":
        return {"Q": ("b", "s", HEADS * DEPTH), "K": ("b", "t", 2 * DEPTH), "V": ("b", "t", 12)}
    return {"Q": ("b", HEADS, "s", DEPTH), "K": ("b", 2, "t", DEPTH), "V": ("b", 2, "t", 6)}


def rotate(name, x, attrs=None, ids=True, declared=None):
    inputs = {"X": x, "C": (20, 4) if ids else (2, 3, 4), "S": (20, 4) if ids else (2, 3, 4)}
    inputs |= {"P": RNG.integers(0, 20, (2, 3))} if ids else {}
    return Case(f"rotaryembedding-{name}", "RotaryEmbedding", inputs, attrs or {}, 23, declared=declared or {})


def store(name, cache, update, write=None, attrs=None, dtype=np.float32, **rest):
    inputs = {"P": RNG.uniform(-9, 9, cache).astype(dtype), "U": RNG.uniform(-9, 9, update).astype(dtype)}
    inputs |= {} if write is None else {"W": np.int64(write)}
    code = {np.float32: FLOAT, np.int32: TensorProto.INT32}[dtype]
    rest = {"reference": "evaluator", **rest}
    return Case(f"tensorscatter-{name}", "TensorScatter", inputs, attrs or {}, 24, outputs={"Y": code}, **rest)


CAUSAL = {"is_causal": 1}
EVALUATED = {"opset": 25, "reference": "evaluator"}

CASES = [
    attend("23"),
    attend("24", opset=24),
    attend("25", **EVALUATED),
    attend("flat", flat=True),
    attend("shared-heads", heads=2),
    attend("shared-heads-flat", heads=2, flat=True, attrs=CAUSAL),
    attend("one-head", heads=1),
    attend("scale", attrs={"scale": 0.3, "softcap": 0.5}),
    attend("causal", attrs=CAUSAL),
    attend("mask", mask=MASK),
    attend("mask-causal", mask=MASK, attrs=CAUSAL),
    attend("mask-hiding", mask=HIDING, **EVALUATED),
    attend("mask-constant", mask=MASK, constants=["M"]),
    attend("mask-heads", mask=np.broadcast_to(MASK, (BATCH, HEADS, QUERIES, KEYS)).copy()),
    attend("mask-floats", mask=FLOATS),
    attend("mask-floats-constant", mask=FLOATS, constants=["M"]),
    attend("mask-finite", mask=RNG.uniform(-1, 1, MASK.shape).astype(np.float32), constants=["M"], attrs=CAUSAL),
    attend("mask-short", mask=MASK[:, :4], counts=np.int64([3, 4]), **EVALUATED),
    attend("mask-short-floats", mask=np.abs(FLOATS[:, :4].clip(-1)), counts=np.int64([3, 4]), **EVALUATED),
    attend("past", past=True),
    attend("past-causal", heads=2, past=True, attrs=CAUSAL, **EVALUATED),
    attend("past-mask", past=True, mask=np.ones((QUERIES, KEYS + PAST), dtype=bool)),
    attend("counts", counts=COUNTS, **EVALUATED),
    attend("counts-causal", counts=COUNTS, attrs=CAUSAL, **EVALUATED),
    attend("window", attrs={"left_window_size": 1, "right_window_size": 2}, **EVALUATED),
    attend("window-past", past=True, attrs={"left_window_size": 2, **CAUSAL}, **EVALUATED),
    *(
        attend(f"scores-{mode}", mask=MASK, outputs=("O", " ", "  ", "S"), attrs={"qk_matmul_output_mode": mode})
        for mode in (0, 1, 3)
    ),
    attend(
        "scores-2",
        mask=np.where(MASK, 0.25, -1).astype(np.float32),
        outputs=("O", " ", "  ", "S"),
        attrs={"qk_matmul_output_mode": 2},
    ),
    attend("dynamic", heads=2, declared=dynamic()),
    attend("dynamic-causal", heads=2, declared=dynamic(), attrs=CAUSAL),
    attend("dynamic-flat", heads=2, flat=True, declared=dynamic("3d"), attrs=CAUSAL),
    attend(
        "dynamic-past",
        heads=2,
        past=True,
        attrs=CAUSAL,
        declared={**dynamic(), "X": ("b", 2, "p", DEPTH), "Y": ("b", 2, "p", 6)},
        **EVALUATED,
    ),
    rotate("4d", (2, 4, 3, 8)),
    rotate("3d", (2, 3, 32), {"num_heads": 4}),
    rotate("interleaved", (2, 4, 3, 8), {"interleaved": 1}),
    rotate("partial", (2, 4, 3, 10), {"rotary_embedding_dim": 8}),
    rotate("no-ids", (2, 4, 3, 8), ids=False),
    rotate("dynamic", (2, 4, 3, 8), declared={"X": ("b", 4, "s", 8), "P": ("b", "s")}),
    store("prefill", (2, 3, 6, 4), (2, 3, 4, 4)),
    store("decode", (2, 3, 6, 4), (2, 3, 1, 4), [2, 5]),
    store("axis", (2, 6, 3), (2, 2, 3), [4, 0], {"axis": 1}),
    store("circular", (2, 3, 6, 4), (2, 3, 4, 4), [1, 5], {"mode": "circular"}),
    store("int32", (2, 6, 3), (2, 2, 3), [4, 0], {"axis": -2}, np.int32),
    store(
        "dynamic",
        (2, 3, 6, 4),
        (2, 3, 2, 4),
        [1, 3],
        declared={"P": ("b", 3, 6, 4), "U": ("b", 3, "s", 4), "W": ("b",)},
    ),
    Case("swiglu", "SwiGLU", {"A": (2, 4, 6), "B": (2, 4, 6)}, {"alpha": 1.5}, 28, reference="evaluator"),
]

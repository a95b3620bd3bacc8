import numpy as np
from onnx import TensorProto

from converter.onnx_model.contributed import DOMAIN
from tests.ops.case import Case

FLOAT = TensorProto.FLOAT
BATCH, LENGTH, HEADS, DEPTH, KEYS = 2, 3, 2, 4, 5
HIDDEN = HEADS * DEPTH
PADDED = np.int32([[1, 1, 0], [1, 0, 0]])
NOTHING_SEEN = np.int32([[2, -1, 0], [0, 0, 0]])
PAIRS = np.int32([[[1, 0, 0], [1, 1, 0], [0, 1, 1]], [[1, 1, 1], [0, 0, 1], [1, 0, 1]]])


def attention(name, attrs=None, mask=None, past=None, bias=None, width=3 * HIDDEN, n_outputs=1, declared=None):
    """X is (batch, sequence, input); a mask, a past and a bias take the places that Attention has for them."""
    inputs = {"X": (BATCH, LENGTH, 6), "W": (6, width), "B": (width,)}
    inputs |= {"M" if mask is not None else " ": np.zeros(0) if mask is None else mask}
    inputs |= {"P" if past else "  ": past or ()} | ({"A": bias} if bias else {})
    return Case(
        f"contrib-attention-{name}",
        "Attention",
        _without_end(inputs),
        {"num_heads": HEADS, **(attrs or {})},
        constants=("W", "B"),
        declared={"X": ("batch", "sequence", 6), **(declared or {})} if declared is not False else {},
        outputs=dict.fromkeys(("Y", "T")[:n_outputs], FLOAT),
        domain=DOMAIN,
    )


def _without_end(inputs):
    names = list(inputs)
    while not names[-1].strip():
        names.pop()
    return {name: inputs[name] for name in names}


def multi_head(name, attrs=None, n_outputs=1, declared=None, keys=(BATCH, KEYS, HIDDEN), values=None, **more):
    operands = {"B": "   ", "M": "    ", "A": "     ", "PK": "      ", "PV": "       "}
    inputs = {"Q": (BATCH, LENGTH, HIDDEN), "K": keys, "V": values or keys}
    inputs |= {key if key in more else blank: more.get(key, ()) for key, blank in operands.items()}
    return Case(
        f"multiheadattention-{name}",
        "MultiHeadAttention",
        _without_end(inputs),
        {"num_heads": HEADS, **(attrs or {})},
        constants=[name for name in ("B",) if name in more],
        declared=declared or {},
        outputs=dict.fromkeys(("Y", "PRESENT_K", "PRESENT_V", "S")[:n_outputs], FLOAT),
        domain=DOMAIN,
    )


def rotary(name, x, positions, attrs=None, depth=DEPTH, declared=None):
    angles = np.linspace(0, 6, 16 * (depth // 2), dtype=np.float32).reshape(16, depth // 2)
    return Case(
        f"contrib-rotaryembedding-{name}",
        "RotaryEmbedding",
        {"X": x, "P": positions, "C": np.cos(angles), "S": np.sin(angles)},
        attrs or {},
        constants=("C", "S"),
        declared=declared or {},
        domain=DOMAIN,
    )


ROWS = {"M": ("batch", "sequence")}
EACH = np.int64([[0, 1, 2], [7, 8, 3]])
DYNAMIC = {"Q": ("batch", "queries", HIDDEN), "K": ("batch", "keys", HIDDEN), "V": ("batch", "keys", HIDDEN)}
CACHE = (BATCH, HEADS, 2, DEPTH)
SHORT = (BATCH, LENGTH, HIDDEN)

CASES = [
    attention("plain"),
    attention("static", declared=False),
    attention("scale", {"scale": 0.25}),
    attention("mask", mask=PADDED, declared=ROWS),
    attention("mask-hides-all", mask=NOTHING_SEEN, declared=ROWS),
    attention("mask-of-pairs", mask=PAIRS, declared={"M": ("batch", "sequence", "sequence")}),
    attention("mask-placeholder", mask=np.int32([[0], [1]]), declared={"M": ("batch", 1)}),
    attention("mask-lengths", mask=np.int32([2, 1]), declared={"M": ("batch",)}),
    attention("mask-ends-and-starts", mask=np.int32([3, 2, 1, 0]), declared=False),
    attention("mask-value", {"mask_filter_value": -1.0}, mask=PADDED, declared=ROWS),
    attention("unidirectional", {"unidirectional": 1}),
    attention("unidirectional-mask", {"unidirectional": 1}, mask=np.int32([[0, 1, 0], [1, 1, 0]]), declared=False),
    attention("bias", bias=(1, HEADS, LENGTH, LENGTH), declared={"A": (1, HEADS, "sequence", "sequence")}),
    attention(
        "past",
        {"unidirectional": 1},
        past=(2, BATCH, HEADS, 2, DEPTH),
        n_outputs=2,
        declared={"P": (2, "batch", HEADS, "past", DEPTH)},
    ),
    attention("past-static", {"unidirectional": 1}, past=(2, BATCH, HEADS, 2, DEPTH), n_outputs=2, declared=False),
    attention("present", n_outputs=2),
    attention("wide-values", {"qkv_hidden_sizes": [8, 8, 12]}, width=28),
    multi_head("plain", declared=DYNAMIC),
    multi_head("wide-values", values=(BATCH, KEYS, 12), B=(28,)),
    multi_head("bias", B=(3 * HIDDEN,), declared=DYNAMIC),
    multi_head("mask", M=np.int32([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]]), declared={**DYNAMIC, "M": ("batch", "keys")}),
    multi_head("mask-lengths", M=np.int32([3, 2]), declared={**DYNAMIC, "M": ("batch",)}),
    multi_head("mask-of-pairs", M=np.int32(np.arange(30).reshape(2, 3, 5) % 3), B=(3 * HIDDEN,)),
    multi_head("scores", n_outputs=4, A=(BATCH, 1, LENGTH, KEYS), B=(3 * HIDDEN,)),
    multi_head("unidirectional", {"unidirectional": 1}, keys=SHORT),
    multi_head("past", keys=SHORT, n_outputs=3, PK=CACHE, PV=CACHE, B=(3 * HIDDEN,)),
    multi_head("past-unidirectional", {"unidirectional": 1}, keys=SHORT, n_outputs=3, PK=CACHE, PV=CACHE),
    multi_head("split-keys", keys=(BATCH, HEADS, KEYS, DEPTH), declared={"Q": ("batch", "queries", HIDDEN)}),
    multi_head("scale", {"scale": 0.1, "mask_filter_value": -5.0}, M=np.int32([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0]])),
    rotary("halves", SHORT, EACH, declared={"X": ("batch", "sequence", HIDDEN), "P": ("batch", "sequence")}),
    rotary("interleaved", SHORT, EACH, {"interleaved": 1}),
    rotary("first-position", SHORT, np.int64([4]), declared={"X": ("batch", "sequence", HIDDEN)}),
    rotary("split", (BATCH, HEADS, LENGTH, DEPTH), EACH, declared={"X": ("batch", HEADS, "sequence", DEPTH)}),
    rotary("split-first-position", (BATCH, HEADS, LENGTH, DEPTH), np.int64([0]), {"interleaved": 1}),
    rotary("partial", SHORT, EACH, {"rotary_embedding_dim": 2, "num_heads": HEADS}, depth=2),
    rotary("partial-interleaved", (1, 3, 16), EACH[:1], {"rotary_embedding_dim": 4, "num_heads": 2, "interleaved": 1}),
    rotary("scale", SHORT, EACH, {"scale": 0.5}),
]

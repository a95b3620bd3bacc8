"""Operators that hand a state on; they are made of others (ONNX's own functions)."""

from onnx import TensorProto

from tests.ops.case import Case

BATCH, TIME, HEADS, KEY, VALUE = 2, 5, 2, 3, 4
FLOAT = TensorProto.FLOAT


def linear(name, rule, queries=HEADS, past=True, scalar=False, declared=None, time=TIME, **attrs):
    inputs = {
        "Q": (BATCH, time, queries * KEY),
        "K": (BATCH, time, HEADS * KEY),
        "V": (BATCH, time, HEADS * VALUE),
        "S" if past else "": (BATCH, HEADS, KEY, VALUE) if past else (),
    }
    if "gated" in rule:
        inputs["G"] = (BATCH, time, HEADS if scalar else HEADS * KEY)
    if "delta" in rule:
        inputs |= {} if "gated" in rule else {" ": ()}
        inputs["B"] = (BATCH, time, HEADS)
    attrs = {"update_rule": rule, "q_num_heads": queries, "kv_num_heads": HEADS, **attrs}
    outputs = {"Y": FLOAT, "PS": FLOAT}
    return Case(
        f"linearattention-{name}",
        "LinearAttention",
        inputs,
        attrs,
        27,
        declared=declared or {},
        outputs=outputs,
        reference="evaluator",
    )


def causal(name, length=7, kernel=4, bias=True, past=True, constants=(), declared=None, **attrs):
    inputs = {"X": (BATCH, 3, length), "W": (3, 1, kernel), "B" if bias else "": (3,) if bias else ()}
    inputs |= {"S": (BATCH, 3, kernel - 1)} if past else {}
    return Case(
        f"causalconvwithstate-{name}",
        "CausalConvWithState",
        inputs,
        attrs,
        27,
        constants,
        declared=declared or {},
        outputs={"Y": FLOAT, "PS": FLOAT},
        reference="evaluator",
    )


CASES = [
    linear("linear", "linear"),
    linear("gated", "gated", scale=0.5),
    linear("gated-heads", "gated", scalar=True),
    linear("delta", "delta"),
    linear("gated-delta", "gated_delta"),
    linear("no-past", "gated_delta", past=False),
    linear("shared-heads", "gated_delta", queries=4),
    linear("one-step", "gated_delta", time=1),
    linear(
        "dynamic",
        "gated_delta",
        declared={
            "Q": ("batch", "time", HEADS * KEY),
            "K": ("batch", "time", HEADS * KEY),
            "V": ("batch", "time", HEADS * VALUE),
            "S": ("batch", HEADS, KEY, VALUE),
            "G": ("batch", "time", HEADS * KEY),
            "B": ("batch", "time", HEADS),
        },
    ),
    causal("bias-past"),
    causal("plain", bias=False, past=False),
    causal("silu", activation="silu", constants=["W", "B"]),
    causal("short", length=2, past=False),
    causal("dynamic", declared={"X": ("batch", 3, "time"), "S": ("batch", 3, 3)}, constants=["W", "B"]),
]

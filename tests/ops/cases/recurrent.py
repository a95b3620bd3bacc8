import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

FLOAT = TensorProto.FLOAT
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
MOMENTS, BATCH, WIDTH, HIDDEN = 4, 3, 5, 6
LENGTHS = np.int32([2, 4, 1])
EMPTY = np.int32([0, 4, 1])
DYNAMIC = {"X": ("t", "n", WIDTH)}
NO_STEPS = {"known": {}, "dynamic": DYNAMIC}
NO_ROWS = {"outputs": {"Y": FLOAT}, "reference": lambda *_: np.zeros((0, 1, BATCH, HIDDEN), dtype=np.float32)}
NO_STATE = {"outputs": {"": FLOAT, "YH": FLOAT}, "reference": lambda *_: np.zeros((1, BATCH, HIDDEN), dtype=np.float32)}
NO_CELL = {**NO_STATE, "outputs": {"": FLOAT, " ": FLOAT, "YC": FLOAT}}
PLAIN = {"Y": FLOAT, "YH": FLOAT}
BATCH_FIRST = {"X": ("n", "t", WIDTH)}
FULL = np.full(BATCH, MOMENTS, dtype=np.int32)


def recurrent(
    name,
    op,
    upto="R",
    directions=1,
    attrs=None,
    batch_first=False,
    lengths=None,
    constants="WRBP",
    steps=MOMENTS,
    **rest,
):
    """A node with its operands up to one of X, W, R, B, L (lengths), H, C (states), P; L is skipped if not given."""
    gates = GATES[op] * HIDDEN
    state = (BATCH, directions, HIDDEN) if batch_first else (directions, BATCH, HIDDEN)
    shapes = {
        "X": (BATCH, steps, WIDTH) if batch_first else (steps, BATCH, WIDTH),
        "W": (directions, gates, WIDTH),
        "R": (directions, gates, HIDDEN),
        "B": (directions, 2 * gates),
        "L": lengths,
        "H": state,
        "C": state,
        "P": (directions, 3 * HIDDEN),
    }
    names = "XWRBLHCP"[: "XWRBLHCP".index(upto) + 1]
    inputs = {("" if shapes[key] is None else key): (() if shapes[key] is None else shapes[key]) for key in names}
    attrs = {"hidden_size": HIDDEN, **({"layout": 1} if batch_first else {}), **(attrs or {})}
    attrs |= {"direction": "bidirectional"} if directions == 2 else {}
    outputs = rest.pop("outputs", {"Y": FLOAT, "YH": FLOAT, **({"YC": FLOAT} if op == "LSTM" else {})})
    known = [key for key in constants if key in inputs]
    return Case(f"{op.lower()}-{name}", op, inputs, attrs, constants=known, outputs=outputs, **rest)


HARD = {
    "activations": ["HardSigmoid", "Softsign", "LeakyRelu"],
    "activation_alpha": [0.3, 0.2],
    "activation_beta": [0.4],
}

CASES = [
    # onnxruntime begins at opset 7; the evaluator knows LSTM, GRU and RNN in their plainest form.
    *(
        recurrent(f"{opset}", op, "B", opset=opset, reference="evaluator")
        for op in GATES
        for opset in (1, 7)
        if (op, opset) != ("RNN", 1)
    ),
    recurrent("3", "GRU", "B", opset=3, reference="evaluator"),
    *(recurrent(f"{opset}", op, "B", opset=opset) for op in GATES for opset in (13, 14, 22)),
    *(recurrent("bare", op) for op in GATES),
    *(recurrent("reverse", op, "B", attrs={"direction": "reverse"}) for op in GATES),
    *(recurrent("both", op, "B", directions=2) for op in GATES),
    *(recurrent("lengths", op, "L", lengths=LENGTHS) for op in GATES),
    *(recurrent("lengths-known", op, "L", lengths=LENGTHS, constants="WRBL") for op in GATES),
    *(recurrent("lengths-full", op, "L", lengths=FULL, constants="WRBL") for op in GATES),
    *(recurrent("lengths-both", op, "H", directions=2, lengths=LENGTHS) for op in GATES),
    *(
        recurrent("dynamic-batch", op, "H", declared={"X": (MOMENTS, "n", WIDTH), "H": (1, "n", HIDDEN)})
        for op in GATES
    ),
    *(recurrent("not-constant", op, "H", directions=2, lengths=LENGTHS, constants="") for op in GATES),
    *(recurrent("clip", op, "B", attrs={"clip": 0.3}) for op in GATES),
    *(recurrent("first-output", op, "B", outputs={"Y": FLOAT}) for op in GATES),
    *(recurrent("batch-first", op, "B", batch_first=True, reference="evaluator") for op in GATES),
    recurrent("batch-first-states", "LSTM", "C", batch_first=True, reference="evaluator"),
    *(recurrent(f"linear-first-{upto}", "GRU", upto, attrs={"linear_before_reset": 1}) for upto in "RBH"),
    recurrent("linear-first-both", "GRU", "H", directions=2, lengths=LENGTHS, attrs={"linear_before_reset": 1}),
    recurrent("linear-first-not-constant", "GRU", "B", attrs={"linear_before_reset": 1}, constants=""),
    recurrent("states", "LSTM", "C"),
    recurrent("peepholes", "LSTM", "P"),
    recurrent("peepholes-both", "LSTM", "P", directions=2, lengths=LENGTHS, constants=""),
    recurrent("coupled", "LSTM", "C", attrs={"input_forget": 1}),
    recurrent("activations", "LSTM", "C", attrs=HARD),
    recurrent(
        "activations-affine",
        "RNN",
        attrs={"activations": ["Affine"], "activation_alpha": [0.5], "activation_beta": [0.1]},
    ),
    recurrent("activations-elu", "RNN", attrs={"activations": ["Elu"], "activation_alpha": [0.7]}),
    recurrent(
        "activations-scaled",
        "RNN",
        attrs={"activations": ["ScaledTanh"], "activation_alpha": [1.5], "activation_beta": [0.7]},
    ),
    recurrent("activations-thresholded", "RNN", attrs={"activations": ["ThresholdedRelu"], "activation_alpha": [0.2]}),
    recurrent("activations-plain", "GRU", attrs={"activations": ["Relu", "Softplus"]}),
    # The number of steps is only known when the graph runs: a loop.
    *(recurrent("dynamic", op, "B", declared=DYNAMIC) for op in GATES),
    *(recurrent("dynamic-reverse", op, "B", declared=DYNAMIC, attrs={"direction": "reverse"}) for op in GATES),
    *(recurrent("dynamic-both", op, "B", directions=2, declared=DYNAMIC) for op in GATES),
    *(recurrent("dynamic-steps", op, "H", declared={"X": ("t", BATCH, WIDTH)}) for op in GATES),
    *(recurrent("dynamic-states", op, "H", declared={**DYNAMIC, "H": (1, "n", HIDDEN)}) for op in GATES),
    *(recurrent("dynamic-lengths", op, "L", lengths=LENGTHS, declared=DYNAMIC | {"L": ("n",)}) for op in GATES),
    *(recurrent("dynamic-lengths-known", op, "L", lengths=LENGTHS, constants="WRBL", declared=DYNAMIC) for op in GATES),
    *(
        recurrent("dynamic-lengths-both", op, "H", directions=2, lengths=EMPTY, declared=DYNAMIC | {"L": ("n",)})
        for op in GATES
    ),
    *(recurrent("dynamic-clip", op, "B", attrs={"clip": 0.3}, declared=DYNAMIC) for op in GATES),
    *(recurrent("dynamic-first-output", op, "B", outputs={"Y": FLOAT}, declared=DYNAMIC) for op in GATES),
    *(recurrent("dynamic-last-output", op, "B", outputs={"": FLOAT, "YH": FLOAT}, declared=DYNAMIC) for op in GATES),
    *(
        recurrent("dynamic-batch-first", op, "B", batch_first=True, reference="evaluator", declared=BATCH_FIRST)
        for op in GATES
    ),
    recurrent("dynamic-batch-first-states", "LSTM", "C", batch_first=True, reference="evaluator", declared=BATCH_FIRST),
    *(recurrent("dynamic-not-constant", op, "H", directions=2, constants="", declared=DYNAMIC) for op in GATES),
    *(
        recurrent(f"dynamic-linear-first-{upto}", "GRU", upto, attrs={"linear_before_reset": 1}, declared=DYNAMIC)
        for upto in "RBH"
    ),
    recurrent("dynamic-cell-states", "LSTM", "C", directions=2, declared=DYNAMIC),
    recurrent("dynamic-peepholes", "LSTM", "P", directions=2, lengths=LENGTHS, declared=DYNAMIC),
    recurrent("dynamic-coupled", "LSTM", "C", attrs={"input_forget": 1}, declared=DYNAMIC),
    recurrent("dynamic-activations", "LSTM", "C", attrs=HARD, declared=DYNAMIC),
    # Sequences without steps: their last state is zeros, as in onnxruntime, whatever the first one was.
    *(recurrent("lengths-empty", op, "H", directions=2, lengths=EMPTY) for op in GATES),
    *(recurrent("lengths-empty-known", op, "H", directions=2, lengths=EMPTY, constants="WRBL") for op in GATES),
    *(recurrent("no-steps", op, "B", steps=0, outputs=PLAIN) for op in ("RNN", "LSTM")),
    *(recurrent("no-steps-dynamic", op, "B", steps=0, declared=DYNAMIC, outputs=PLAIN) for op in ("RNN", "LSTM")),
    *(recurrent("no-steps-both", op, "H", 2, steps=0, declared=DYNAMIC, outputs=PLAIN) for op in ("RNN", "LSTM")),
    # onnxruntime ends the process on a GRU without steps, and leaves the last cell state of an LSTM to chance.
    *(recurrent(f"no-steps-{name}", "GRU", "H", steps=0, declared=dims, **NO_ROWS) for name, dims in NO_STEPS.items()),
    *(recurrent(f"no-state-{name}", "GRU", "H", steps=0, declared=dims, **NO_STATE) for name, dims in NO_STEPS.items()),
    *(recurrent(f"no-cell-{name}", "LSTM", "C", steps=0, declared=dims, **NO_CELL) for name, dims in NO_STEPS.items()),
]

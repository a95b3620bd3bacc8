import numpy as np
from onnx import TensorProto

from tests.ops.case import Case

FLOAT = TensorProto.FLOAT
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
MOMENTS, BATCH, WIDTH, HIDDEN = 4, 3, 5, 6
LENGTHS = np.int32([2, 4, 1])
FULL = np.full(BATCH, MOMENTS, dtype=np.int32)


def recurrent(name, op, upto="R", directions=1, attrs=None, batch_first=False, lengths=None, constants="WRBP", **rest):
    """A node with its operands up to one of X, W, R, B, L (lengths), H, C (states), P; L is skipped if not given."""
    gates = GATES[op] * HIDDEN
    state = (BATCH, directions, HIDDEN) if batch_first else (directions, BATCH, HIDDEN)
    shapes = {
        "X": (BATCH, MOMENTS, WIDTH) if batch_first else (MOMENTS, BATCH, WIDTH),
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
]

"""Operators that TF.js can't express, each with the reason and with what a model's owner can do instead."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    """Why there is no lowering, and what to do."""

    reason: str
    hint: str


_TEXT = "handle text outside the model, in the application"
_UNKNOWN = Refusal("no lowering for this operator", "replace it in the model by supported operators")

_LAID_OUT = Refusal(
    "onnxruntime's optimizer laid this model out for the machine that it ran on",
    "save it at a lower level, `SessionOptions.graph_optimization_level = "
    "GraphOptimizationLevel.ORT_ENABLE_EXTENDED`, or convert the file that the optimizer read",
)

OPERATORS: Mapping[tuple[str, str], Refusal] = {
    ("", "ImageDecoder"): Refusal(
        "TF.js has no operation that decodes an image file inside a graph",
        "let the model start at the decoded pixels; a browser decodes images by itself",
    ),
    ("", "RegexFullMatch"): Refusal("TF.js has no operation that matches text against a pattern", _TEXT),
    ("", "StringConcat"): Refusal("TF.js has no operation that joins two texts", _TEXT),
    ("", "StringNormalizer"): Refusal("TF.js can't change the case of text, nor leave out words", _TEXT),
    ("", "StringSplit"): Refusal("TF.js can't split text on every backend, nor say into how many parts", _TEXT),
}
DOMAINS: Mapping[str, Refusal] = {
    "com.microsoft": Refusal(
        "only some of onnxruntime's contributed operators can be converted (docs/operators.md), and this is not one",
        "convert the model as it was before onnxruntime's optimizer or quantizer changed it",
    ),
    "com.microsoft.nchwc": _LAID_OUT,
    "com.ms.internal.nhwc": _LAID_OUT,
    "ai.onnx.ml": Refusal(
        "TF.js has no operators of classical machine learning (trees, encoders of labels, scalers)",
        "convert the network alone, and prepare its inputs in the application",
    ),
    "ai.onnx.preview.training": Refusal(
        "a TF.js graph model doesn't train", "export the model for inference, without optimizer and gradient"
    ),
}


def refusal(domain: str, op: str) -> Refusal:
    """Why an operator that has no lowering in any version has none."""
    return OPERATORS.get((domain, op)) or DOMAINS.get(domain) or _UNKNOWN

"""Small networks with random weights, as onnxruntime's optimizer and quantizer hand them on."""

import math
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.transformers.optimizer import optimize_model
from torch import nn

HIDDEN, HEADS, WORDS, LONGEST = 32, 4, 50, 16
TOKENS = ("input_ids", "token_type_ids", "attention_mask")


class Layer(nn.Module):
    """A layer of a BERT."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.dense = (nn.Linear(HIDDEN, HIDDEN) for _ in range(4))
        self.up, self.down = nn.Linear(HIDDEN, 2 * HIDDEN), nn.Linear(2 * HIDDEN, HIDDEN)
        self.norm_1, self.norm_2 = (nn.LayerNorm(HIDDEN, eps=1e-12) for _ in range(2))

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.size(0), x.size(1), HEADS, HIDDEN // HEADS).permute(0, 2, 1, 3)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        q, k, v = (self.heads(one(x)) for one in (self.query, self.key, self.value))
        scores = torch.matmul(q, k.transpose(-1, -2)) / math.sqrt(HIDDEN // HEADS) + mask
        y = torch.matmul(scores.softmax(-1), v).permute(0, 2, 1, 3).contiguous()
        x = self.norm_1(self.dense(y.view(y.size(0), y.size(1), HIDDEN)) + x)
        return self.norm_2(self.down(nn.functional.gelu(self.up(x))) + x)


class Bert(nn.Module):
    """Two layers of a BERT, its embeddings and its pooler."""

    def __init__(self) -> None:
        super().__init__()
        self.word, self.position, self.segment = (nn.Embedding(n, HIDDEN) for n in (WORDS, LONGEST, 2))
        self.norm, self.pool = nn.LayerNorm(HIDDEN, eps=1e-12), nn.Linear(HIDDEN, HIDDEN)
        self.layers = nn.ModuleList(Layer() for _ in range(2))
        self.register_buffer("positions", torch.arange(LONGEST).expand(1, -1))

    def forward(self, ids: torch.Tensor, segments: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        positions = self.positions[:, : ids.size(1)]  # type: ignore[index]
        x = self.norm(self.word(ids) + self.segment(segments) + self.position(positions))
        hidden = (1.0 - mask[:, None, None, :].float()) * -10000.0
        for layer in self.layers:
            x = layer(x, hidden)
        return x, torch.tanh(self.pool(x[:, 0]))


class Images(nn.Module):
    """Convolutions, and each of the operators that the quantizer has an integer form of."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.depthwise, self.pool, self.last = (
            nn.Conv2d(8, 8, 3, padding=1, groups=8),
            nn.AvgPool2d(2),
            nn.Linear(16, 5),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.first(x))
        x = self.pool(nn.functional.leaky_relu(self.second(x), 0.1) + x)
        gated = self.depthwise(x) * torch.sigmoid(x)
        return self.last(torch.cat([gated, x], 1).mean((2, 3))).softmax(-1)


class Sequences(nn.Module):
    """An LSTM in both directions, and what reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.last = nn.LSTM(6, 8, bidirectional=True), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.lstm(x)[0])


def exported_bert(path: Path) -> Path:
    ids = torch.zeros(2, 8, dtype=torch.int64)
    axes = {name: {0: "batch", 1: "sequence"} for name in (*TOKENS, "hidden")} | {"pooled": {0: "batch"}}
    return _exported(Bert(), (ids, ids, ids), path, TOKENS, ("hidden", "pooled"), axes)


def exported_images(path: Path) -> Path:
    return _exported(
        Images(), (torch.zeros(2, 3, 16, 16),), path, ("x",), ("y",), {"x": {0: "batch"}, "y": {0: "batch"}}
    )


def exported_sequences(path: Path) -> Path:
    return _exported(Sequences(), (torch.zeros(5, 2, 6),), path, ("x",), ("y",), {"x": {1: "batch"}, "y": {1: "batch"}})


def _exported(module: nn.Module, args, path: Path, names, outputs, axes) -> Path:
    generator = torch.Generator().manual_seed(3)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    names = {"input_names": list(names), "output_names": list(outputs), "dynamic_axes": axes}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the optimizer fuses what this older exporter writes, which warns that it is old
        torch.onnx.export(module.eval(), args, path, opset_version=17, dynamo=False, **names)
    return path


def fused_bert(source: Path, path: Path) -> Path:
    """The transformer optimizer's Attention, EmbedLayerNormalization and SkipLayerNormalization."""
    model = optimize_model(str(source), model_type="bert", num_heads=HEADS, hidden_size=HIDDEN, opt_level=0)
    model.save_model_to_file(str(path))
    return path


def optimized(source: Path, path: Path, level: str) -> Path:
    """What a session of a level saves."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(path)
    options.log_severity_level = 3
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    return path


def dynamically_quantized(source: Path, path: Path) -> Path:
    """Weights of 7 bits: without VNNI, onnxruntime's sums of uint8 times int8 saturate at 16 bits."""
    extra = {"DefaultTensorType": 1}  # what contributed operators make, which the quantizer can't infer
    quantize_dynamic(source, path, weight_type=QuantType.QUInt8, reduce_range=True, extra_options=extra)
    return path


class _Images(CalibrationDataReader):
    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.rows: Iterator[dict[str, np.ndarray]] = iter(
            [{"x": rng.standard_normal((2, 3, 16, 16)).astype(np.float32)} for _ in range(4)]
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.rows, None)


def statically_quantized(source: Path, path: Path, form: str, activations: str) -> Path:
    """Weights of 7 bits: without VNNI, onnxruntime's sums of uint8 times int8 saturate at 16 bits."""
    types = {"activation_type": QuantType[activations], "weight_type": QuantType.QInt8}
    types |= {"extra_options": {"UseQDQContribOps": activations == "QUInt16"}}
    quantize_static(
        source, path, _Images(), quant_format=QuantFormat[form], per_channel=True, reduce_range=True, **types
    )
    return path

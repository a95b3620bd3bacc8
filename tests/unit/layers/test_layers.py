"""Layers models against torch, loaded by the real `tf.loadLayersModel`; and what has no place in one."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from torch import nn

from converter.config import TensorSpec
from converter.errors import UnsupportedError
from converter.export import onnx_from_module
from converter.features import Feature, Transform
from converter.layers import layers_from_graph, write_layers
from converter.onnx_model import load_bytes
from converter.pipeline.compile import Compiled, compile_onnx
from converter.runtimes import RuntimePool
from converter.training.network import FeatureNormaliser

IMAGE = ("batch", 3, 12, 12)
SOUND = ("batch", 3, 16)
ROW = ("batch", 8)

Shape = tuple[int | str, ...]


FEATURES = [
    Feature(name=f"f{place}", unit="", low=-0.5, high=0.75, transform=transform, scale=0.5)
    for place, transform in enumerate(get_args(Transform)[:3] * 2 + ("identity", "standardize"))
]


class Clamp(nn.Module):
    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(self.low, self.high)


class Affine(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("slope", torch.linspace(0.5, 2, 8))
        self.register_buffer("offset", torch.linspace(-1, 1, 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.slope + self.offset


class MeanOver(nn.Module):
    def __init__(self, *dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(self.dims)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x).relu()


CHAINS: dict[str, tuple[Shape, list[nn.Module], list[str]]] = {
    "dense": (
        ROW,
        [nn.Linear(8, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 8, bias=False), nn.BatchNorm1d(8), nn.ELU(),
         nn.ReLU6(), nn.Tanh(), nn.BatchNorm1d(8), nn.Softmax(-1)],
        ["Dense", "Dense", *["Activation"] * 2, "BatchNormalization", "Activation"],
    ),
    "normaliser": (ROW, [Affine(), Clamp(0, 1), nn.Linear(8, 1)], ["BatchNormalization", "ReLU", "Dense"]),
    "feature-normaliser": (
        ROW, [FeatureNormaliser(FEATURES), nn.Linear(8, 1)],
        ["BatchNormalization", "ReLU", "BatchNormalization", "BatchNormalization", "ReLU", "BatchNormalization",
         "BatchNormalization", "BatchNormalization", "Dense"],
    ),
    "image": (
        IMAGE,
        [
            nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, (3, 2), stride=2, groups=8), nn.LeakyReLU(0.2), nn.Conv2d(16, 4, 1),
            nn.Flatten(), nn.Linear(4 * 2 * 3, 10), nn.Softmax(-1),
        ],
        ["Permute", "ZeroPadding2D", "Conv2D", "MaxPooling2D", "DepthwiseConv2D", "LeakyReLU", "Conv2D", "Flatten",
         "Dense", "Activation"],
    ),
    "prelu": (IMAGE, [nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.PReLU(4)], ["Permute", "ZeroPadding2D", "Conv2D",
              "PReLU", "Permute"]),
    "dilated": (IMAGE, [nn.Conv2d(3, 4, 3, dilation=2), nn.AvgPool2d(2), nn.BatchNorm2d(4)], ["Permute", "Conv2D",
                "AveragePooling2D", "DepthwiseConv2D", "Permute"]),
    "global-pools": (IMAGE, [nn.Conv2d(3, 4, 3), nn.Hardtanh(0, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten()], ["Permute",
                     "Conv2D", "ReLU", "AveragePooling2D", "AveragePooling2D", "Flatten"]),
    "sound": (
        SOUND,
        [
            nn.Conv1d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 4, 3), nn.ELU(), MeanOver(2),
            nn.Linear(4, 2),
        ],
        [],
    ),
}  # fmt: skip

REFUSED: dict[str, tuple[Shape, nn.Module, str, str]] = {
    "residual": (ROW, Residual(), "AddV2", "it reads 2 computed values"),
    "layer-norm": (ROW, nn.LayerNorm(8), "Sub", "it reads 2 computed values"),
    "gelu": (ROW, nn.Sequential(nn.Linear(8, 4), nn.GELU()), "Erf", "there is no layer for this operator"),
    "clip-below": (ROW, Clamp(-1, 1), "ClipByValue", "only a lower end of 0"),
    "max-pool-padded": (IMAGE, nn.MaxPool2d(3, 2, 1), "PadV2", "only zeros can be padded with"),
}


def compiled(module: nn.Module, shape: Shape) -> Compiled:
    torch.manual_seed(0)
    for one in module.modules():
        if isinstance(one, nn.BatchNorm1d | nn.BatchNorm2d):
            assert one.running_mean is not None
            assert one.running_var is not None
            nn.init.uniform_(one.weight, 0.5, 2)
            nn.init.normal_(one.bias)
            one.running_mean.normal_()
            one.running_var.uniform_(0.5, 2)
    proto = onnx_from_module(module.eval(), [TensorSpec(name="x", shape=shape)], ("y",), opset=18)
    return compile_onnx(load_bytes(proto.SerializeToString(), where="a module"))


@pytest.mark.parametrize("name", CHAINS)
def test_tfjs_layers_computes_what_torch_computes(name: str, tmp_path: Path, pool: RuntimePool) -> None:
    shape, modules, kinds = CHAINS[name]
    module = nn.Sequential(*modules)
    graph = compiled(module, shape).graph
    layers = layers_from_graph(graph)
    assert kinds in ([], [layer.kind for layer in layers])
    write_layers(layers, tmp_path, metadata=graph.metadata, generator="test")
    x = np.random.default_rng(1).normal(size=(3, *shape[1:])).astype(np.float32)
    runtime = pool.get("tfjs-layers-cpu@node")
    runtime.start()
    model = runtime.load(tmp_path)
    try:
        (found,) = model.run({"x": x}).outputs.values()
    finally:
        model.close()
    expected = module(torch.from_numpy(x)).detach().numpy()
    assert np.ptp(expected) > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", REFUSED)
def test_the_first_node_that_does_not_fit_is_named(name: str) -> None:
    shape, module, op, why = REFUSED[name]
    graph = compiled(module, shape).graph
    with pytest.raises(UnsupportedError, match=f"can't become a TF.js Layers model: .*{why}") as raised:
        layers_from_graph(graph)
    node, _, found = raised.value.where.partition(" ")
    assert found == f"({op})"
    assert graph.nodes[node].op == op


def test_equal_layers_give_equal_bytes_and_names_as_keras_gives_them(tmp_path: Path) -> None:
    shape, modules, _ = CHAINS["image"]
    graph = compiled(nn.Sequential(*modules), shape).graph
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        write_layers(layers_from_graph(graph), folder, metadata=graph.metadata, generator="test")
    one, two = ({file.name: file.read_bytes() for file in folder.iterdir()} for folder in folders)
    assert one == two
    document = json.loads(one["model.json"])
    assert document["format"] == "layers-model"
    weights = [weight["name"] for group in document["weightsManifest"] for weight in group["weights"]]
    assert weights[:3] == ["conv2d/kernel", "conv2d/bias", "depthwise_conv2d/depthwise_kernel"]
    assert len(one["group1-shard1of1.bin"]) == 4 * sum(
        int(np.prod(weight["shape"])) for group in document["weightsManifest"] for weight in group["weights"]
    )

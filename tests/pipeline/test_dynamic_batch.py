"""Networks that compute with the sizes of their inputs, exported by both exporters of PyTorch with a dynamic batch."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from converter.config import TensorSpec
from converter.errors import UnsupportedError
from converter.export import Exporter, onnx_from_module
from converter.onnx_model import load_bytes
from converter.parity.compare import Tolerance, compare
from converter.pipeline.compile import compile_onnx, write_graph
from converter.runtimes import RuntimePool

TOLERANCE = Tolerance(1e-5, 1e-4)


class Net(nn.Module):
    """A function of an input and of layers."""

    def __init__(self, forward: Callable[..., Tensor], *layers: nn.Module) -> None:
        super().__init__()
        self.function, self.layers = forward, nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.layers)


def assigned(x: Tensor) -> Tensor:
    y = x * 2
    y[x > 0.5] = -1.5
    return y


def cubic(x: Tensor) -> Tensor:
    return functional.interpolate(x, size=(9, 7), mode="bicubic")


def trilinear(x: Tensor) -> Tensor:
    return functional.interpolate(x, size=(3, 5, 4), mode="trilinear")


def twice_as_large(x: Tensor) -> Tensor:
    return functional.interpolate(x, size=(x.shape[2] * 2, x.shape[3] * 3), mode="bicubic")


def recurrent(x: Tensor, gru: nn.Module) -> Tensor:
    return gru(x.view(x.size(0), x.size(1), 6))[0]


def flattened(x: Tensor, gru: nn.Module) -> Tensor:
    return gru(x.flatten(2).permute(0, 2, 1))[0]


def with_token(x: Tensor, gru: nn.Module) -> Tensor:
    return gru(torch.cat([x.new_ones(1, 1, 6).expand(x.shape[0], -1, -1), x], 1))[0]


def windows(x: Tensor, linear: nn.Module) -> Tensor:
    split = x.view(x.shape[0], 2, x.shape[1] // 2, 3, x.shape[2] // 3).transpose(2, 3)
    return linear(split.reshape(-1, x.shape[1] // 2 * (x.shape[2] // 3))).view(x.shape[0], -1)


def padded(x: Tensor) -> Tensor:
    return functional.pad(x, (0, -x.shape[2] % 4, 0, 8 - x.shape[1]))


NETS = {
    "cubic": (Net(cubic), (3, 6, 5)),
    "trilinear": (Net(trilinear), (2, 2, 3, 4)),
    "twice-as-large": (Net(twice_as_large), (3, 4, 3)),
    "view-before-gru": (Net(recurrent, nn.GRU(6, 4, batch_first=True)), (5, 2, 3)),
    "flatten-before-gru": (Net(flattened, nn.GRU(6, 4, batch_first=True)), (6, 2, 2)),
    "token-before-gru": (Net(with_token, nn.GRU(6, 4, batch_first=True)), (3, 6)),
    "windows": (Net(windows, nn.Linear(6, 2)), (6, 6)),
    "padded": (Net(padded), (6, 3)),
    "assigned": (Net(assigned), (3, 4)),
}


def compiled(net: nn.Module, shape: tuple[int, ...], exporter: Exporter, folder: Path) -> None:
    spec = TensorSpec(name="x", dtype="float32", shape=("batch", *shape))
    proto = onnx_from_module(net.eval(), [spec], ["y"], opset=18, exporter=exporter)
    write_graph(compile_onnx(load_bytes(proto.SerializeToString(), where="network")), folder)


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("name", NETS)
def test_a_network_with_a_dynamic_batch_agrees_with_torch(
    name: str, exporter: Exporter, pool: RuntimePool, tmp_path: Path
) -> None:
    net, shape = NETS[name]
    compiled(net, shape, exporter, tmp_path)
    generator = torch.Generator().manual_seed(0)
    for runtime in ("tfjs-cpu@node", "tfjs-wasm@node"):
        model = pool.get(runtime).load(tmp_path)
        try:
            for size in (1, 3, 2):
                x = torch.randn((size, *shape), generator=generator)
                wanted = {"y": net(x).detach().numpy()}
                found = model.run({"x": x.numpy()}).outputs
                assert found["y"].shape == wanted["y"].shape
                assert [verdict for verdict in compare(wanted, found, TOLERANCE) if verdict.bad] == []
        finally:
            model.close()


def test_what_depends_on_the_batch_size_alone_is_still_refused(tmp_path: Path) -> None:
    def resized_by_batch(x: Tensor) -> Tensor:
        return functional.interpolate(x, size=(x.shape[0] + 3, 7), mode="bicubic")

    with pytest.raises(UnsupportedError, match="no such kernel"):
        compiled(Net(resized_by_batch), (3, 6, 5), "dynamo", tmp_path)
    with pytest.raises(UnsupportedError, match="without axes"):
        compiled(Net(torch.squeeze), (1, 5), "dynamo", tmp_path)

"""Well-known networks with random weights, the same ones each time; statistics of batch norms are not the identity."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

SEED = 20260101


def mlp() -> nn.Module:
    """Shapes: x (1, 64) -> (1, 10)."""
    return _settled(lambda: nn.Sequential(_dense(64, 256), _dense(256, 256), nn.Linear(256, 10)))


def cnn() -> nn.Module:
    """Shapes: x (1, 3, 64, 64) -> (1, 10)."""
    return _settled(
        lambda: nn.Sequential(
            _conv(3, 16),
            _conv(16, 32),
            nn.MaxPool2d(2),
            _conv(32, 64),
            nn.MaxPool2d(2),
            _conv(64, 64),
            _head(64, 10),
        )
    )


def unet() -> nn.Module:
    """Shapes: x (1, 3, 128, 128) -> (1, 2, 128, 128)."""
    return _settled(_UNet)


def lstm() -> nn.Module:
    """Shapes: x (1, 32, 40) -> (1, 10)."""
    return _settled(_Lstm)


def shufflenet_v2() -> nn.Module:
    """Shapes: x (1, 3, 224, 224) -> (1, 1000)."""
    return _settled(_shufflenet)


def mobilenet_v2() -> nn.Module:
    """Shapes: x (1, 3, 224, 224) -> (1, 1000)."""
    return _settled(_mobilenet)


def resnet18() -> nn.Module:
    """Shapes: x (1, 3, 224, 224) -> (1, 1000)."""
    return _settled(lambda: _resnet((2, 2, 2, 2), _Basic))


def resnet50() -> nn.Module:
    """Shapes: x (1, 3, 224, 224) -> (1, 1000)."""
    return _settled(lambda: _resnet((3, 4, 6, 3), _Bottleneck))


def efficientnet_b0() -> nn.Module:
    """Shapes: x (1, 3, 224, 224) -> (1, 1000)."""
    return _settled(_efficientnet)


def vit_tiny() -> nn.Module:
    """Shapes: x (1, 3, 224, 224) -> (1, 1000)."""
    from transformers import ViTConfig, ViTForImageClassification

    sizes = {"hidden_size": 192, "num_hidden_layers": 12, "num_attention_heads": 3, "intermediate_size": 768}
    return _settled(lambda: _Logits(ViTForImageClassification(ViTConfig(**sizes, num_labels=1000))))


def bert_small() -> nn.Module:
    """Shapes: x (1, 64) int64 -> (1, 3)."""
    from transformers import BertConfig, BertForSequenceClassification

    sizes = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}

    def config():
        return BertConfig(**sizes, vocab_size=8000, max_position_embeddings=128, num_labels=3)

    return _settled(lambda: _Logits(BertForSequenceClassification(config())))


def _settled(make: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(SEED)
    module = make()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.7, 1.3)
            nn.init.uniform_(part.bias, -0.2, 0.2)
            nn.init.uniform_(part.running_mean, -0.2, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return module.eval()


def _dense(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, n_out), nn.ReLU())


def _conv(
    n_in: int, n_out: int, size: int = 3, stride: int = 1, groups: int = 1, act: type | None = nn.ReLU
) -> nn.Module:
    conv = nn.Conv2d(n_in, n_out, size, stride, size // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(n_out), *([act()] if act else []))


def _head(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n_in, n_out))


class _UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        sizes = (16, 32, 64)
        self.down = nn.ModuleList(
            nn.Sequential(_conv(n_in, n, 3), _conv(n, n, 3)) for n_in, n in zip((3, 16, 32), sizes, strict=True)
        )
        self.bottom = nn.Sequential(_conv(64, 128), _conv(128, 128))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * n, n, 2, 2) for n in reversed(sizes))
        self.join = nn.ModuleList(nn.Sequential(_conv(2 * n, n), _conv(n, n)) for n in reversed(sizes))
        self.last = nn.Conv2d(16, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for down in self.down:
            x = down(x)
            kept.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for up, join, side in zip(self.up, self.join, reversed(kept), strict=True):
            x = join(torch.cat([up(x), side], 1))
        return self.last(x)


class _Lstm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 64, num_layers=2, batch_first=True)
        self.last = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.lstm(x)[0][:, -1])


class _Shuffle(nn.Module):
    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        half = n_out // 2
        n_right = n_in if stride == 2 else half
        self.left = nn.Sequential(_conv(n_in, n_in, 3, 2, n_in, None), _conv(n_in, half, 1)) if stride == 2 else None
        self.right = nn.Sequential(
            _conv(n_right, half, 1), _conv(half, half, 3, stride, half, None), _conv(half, half, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = (self.left(x), x) if self.left is not None else x.chunk(2, 1)
        joined = torch.cat([left, self.right(right)], 1)
        batch, channels, height, width = joined.shape
        return (
            joined.view(batch, 2, channels // 2, height, width).transpose(1, 2).reshape(batch, channels, height, width)
        )


def _shufflenet() -> nn.Module:
    blocks: list[nn.Module] = [_conv(3, 24, 3, 2), nn.MaxPool2d(3, 2, 1)]
    n_in = 24
    for n_out, count in ((116, 4), (232, 8), (464, 4)):
        for index in range(count):
            blocks.append(_Shuffle(n_in, n_out, 1 if index else 2))
            n_in = n_out
    return nn.Sequential(*blocks, _conv(464, 1024, 1), _head(1024, 1000))


class _Residual(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _mobilenet() -> nn.Module:
    blocks, n_in = [_conv(3, 32, 3, 2, act=nn.ReLU6)], 32
    rows = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for widen, n_out, count, stride in rows:
        for index in range(count):
            step, n_mid = 1 if index else stride, n_in * widen
            first = [_conv(n_in, n_mid, 1, act=nn.ReLU6)] if widen > 1 else []
            rest = [_conv(n_mid, n_mid, 3, step, n_mid, nn.ReLU6), _conv(n_mid, n_out, 1, act=None)]
            body = nn.Sequential(*first, *rest)
            blocks.append(_Residual(body) if step == 1 and n_in == n_out else body)
            n_in = n_out
    return nn.Sequential(*blocks, _conv(320, 1280, 1, act=nn.ReLU6), _head(1280, 1000))


class _Basic(nn.Module):
    def __init__(self, n_in: int, n: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(n_in, n, 3, stride), _conv(n, n, 3, act=None))
        self.side = _conv(n_in, n, 1, stride, act=None) if stride > 1 or n_in != n else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.side(x))


class _Bottleneck(nn.Module):
    def __init__(self, n_in: int, n: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_conv(n_in, n, 1), _conv(n, n, 3, stride), _conv(n, 4 * n, 1, act=None))
        self.side = _conv(n_in, 4 * n, 1, stride, act=None) if stride > 1 or n_in != 4 * n else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.side(x))


def _resnet(counts: tuple[int, ...], block: type[_Basic] | type[_Bottleneck]) -> nn.Module:
    blocks: list[nn.Module] = [_conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    n_in, widen = 64, 4 if block is _Bottleneck else 1
    for stage, count in enumerate(counts):
        n = 64 << stage
        for index in range(count):
            blocks.append(block(n_in, n, 2 if stage and not index else 1))
            n_in = n * widen
    return nn.Sequential(*blocks, _head(n_in, 1000))


class _Squeeze(nn.Module):
    def __init__(self, n: int, n_mid: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(n, n_mid, 1), nn.SiLU(), nn.Conv2d(n_mid, n, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate(x)


def _efficientnet() -> nn.Module:
    blocks, n_in = [_conv(3, 32, 3, 2, act=nn.SiLU)], 32
    rows = (
        (1, 16, 1, 1, 3),
        (6, 24, 2, 2, 3),
        (6, 40, 2, 2, 5),
        (6, 80, 3, 2, 3),
        (6, 112, 3, 1, 5),
        (6, 192, 4, 2, 5),
        (6, 320, 1, 1, 3),
    )
    for widen, n_out, count, stride, size in rows:
        for index in range(count):
            step, n_mid = 1 if index else stride, n_in * widen
            first = [_conv(n_in, n_mid, 1, act=nn.SiLU)] if widen > 1 else []
            rest = [_conv(n_mid, n_mid, size, step, n_mid, nn.SiLU), _Squeeze(n_mid, n_in // 4)]
            body = nn.Sequential(*first, *rest, _conv(n_mid, n_out, 1, act=None))
            blocks.append(_Residual(body) if step == 1 and n_in == n_out else body)
            n_in = n_out
    return nn.Sequential(*blocks, _conv(320, 1280, 1, act=nn.SiLU), _head(1280, 1000))


class _Logits(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x).logits

"""Networks that the chain has to convert, with weights that no layer can do without."""

import torch
from torch import Tensor, nn


class Mlp(nn.Module):
    """Shapes: x (batch, 8) float32 -> (batch, 4) float32."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4), nn.Softmax(-1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class Cnn(nn.Module):
    """Shapes: image (batch, 3, 16, 16) float32 -> (batch, 5) float32."""

    def __init__(self) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(8)
        norm.running_mean = torch.linspace(-0.5, 0.5, 8)
        norm.running_var = torch.linspace(0.5, 2.0, 8)
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            norm,
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.head = nn.Linear(8, 5)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image).flatten(1))

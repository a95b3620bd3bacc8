"""The reference network: features in their own units go in, a score in [0, 1] comes out."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from converter.config import Config, TensorSpec
from converter.errors import CheckpointError, ConfigError
from converter.features import Feature

INPUT = "features"


class FeatureMlp(nn.Module):
    """A multilayer perceptron over features, the normaliser being part of the network where `normalization` is `graph`.

    The normaliser is saved with the weights, and weights that were trained under another feature contract are refused:
    a checkpoint can neither lose its normaliser nor get a wrong one.

    Shapes: (batch, feature) float32 -> (batch, 1) float32
    Units:  each feature in its own unit (`graph`) or already in [0, 1] (`client`); the score is a probability
    """

    slope: Tensor
    offset: Tensor

    def __init__(
        self,
        features: Sequence[Feature],
        hidden: Sequence[int] = (32, 16),
        normalization: Literal["graph", "client"] = "graph",
    ) -> None:
        super().__init__()
        self.features = tuple(features)
        self.normalises = normalization == "graph"
        if self.normalises:
            slopes, offsets = zip(*(feature.affine for feature in self.features), strict=True)
            self.register_buffer("slope", torch.tensor(slopes, dtype=torch.float32))
            self.register_buffer("offset", torch.tensor(offsets, dtype=torch.float32))
            self.register_load_state_dict_pre_hook(_check_contract)  # type: ignore[no-untyped-call]
        widths = [len(self.features), *hidden]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(widths):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def normalised(self, features: Tensor) -> Tensor:
        """Each feature as the value in [0, 1] that the layers see."""
        return (features * self.slope + self.offset).clamp(0.0, 1.0) if self.normalises else features

    def logits(self, features: Tensor) -> Tensor:
        """The score before the sigmoid.

        Shapes: (batch, feature) -> (batch, 1)
        """
        logits: Tensor = self.layers(self.normalised(features))
        return logits

    def forward(self, features: Tensor) -> Tensor:
        """The score of each row."""
        return torch.sigmoid(self.logits(features))


def reference_factory(config: Config) -> Callable[[], FeatureMlp]:
    """The factory of the network that a config describes.

    Raises: ConfigError if the config has no features.
    """
    if not config.features:
        raise ConfigError("has no features", where="features", hint="list them as configs/compatibility.yaml does")
    return partial(FeatureMlp, config.features, config.network.hidden, config.network.normalization)


def input_spec(config: Config) -> TensorSpec:
    """The network's one input, bounded by the range of each feature.

    Shapes: (batch, feature) float32
    """
    is_raw = config.network.normalization == "graph"
    return TensorSpec(
        name=INPUT,
        shape=("batch", len(config.features)),
        low=tuple(feature.low if is_raw else 0.0 for feature in config.features),
        high=tuple(feature.high if is_raw else 1.0 for feature in config.features),
        unit="the unit of each feature" if is_raw else "each feature in [0, 1]",
    )


def _check_contract(module: nn.Module, state: Mapping[str, Any], prefix: str, *_: object) -> None:
    """Raises: CheckpointError where the normaliser of saved weights isn't the one of the contract."""
    if not isinstance(module, FeatureMlp):
        return
    for name, wanted in (("slope", module.slope), ("offset", module.offset)):
        saved = state.get(prefix + name)
        if not isinstance(saved, Tensor) or saved.shape != wanted.shape:
            continue  # reported with the other missing and ill-shaped names
        for feature, is_same in zip(module.features, (saved == wanted).tolist(), strict=True):
            if not is_same:
                raise CheckpointError(
                    f"was trained with another transform of {feature.name} than the config's",
                    hint="train again, or restore the features that it was trained with",
                )

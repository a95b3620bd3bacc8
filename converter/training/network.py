"""The reference network: features in their own units go in, a score in [0, 1] comes out."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from converter.config import Config, TensorSpec
from converter.errors import CheckpointError, ConfigError
from converter.features import Feature
from converter.training.normalise import Normalisation
from converter.training_settings import NetworkSection

INPUT = "features"
OUTPUT = "score"
EPSILON = 1e-6  # of a probability, so that its logit is finite
ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
}
NORMS: Mapping[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class FeatureNormaliser(nn.Module):
    """The feature contract as a layer; its numbers are saved with the weights.

    Shapes: (batch, feature) float32 -> (batch, feature) float32
    """

    low: Tensor
    high: Tensor
    is_log: Tensor
    subtract: Tensor
    divide: Tensor

    def __init__(self, features: Sequence[Feature]) -> None:
        super().__init__()
        self.names = tuple(feature.name for feature in features)
        numbers = vars(Normalisation(features))
        self.has_log = bool(numbers["is_log"].any())
        for name, vector in numbers.items():
            self.register_buffer(name, torch.from_numpy(vector))
        self.register_load_state_dict_pre_hook(_check_contract)  # type: ignore[no-untyped-call]

    def forward(self, features: Tensor) -> Tensor:
        """Each feature as the value that the layers see."""
        values = torch.maximum(torch.minimum(features, self.high), self.low)
        if self.has_log:
            logged = values * self.is_log
            values = (values - logged) + torch.log1p(logged)
        return (values - self.subtract) / self.divide


class FeatureMlp(nn.Module):
    """A multilayer perceptron over features, the normaliser being part of the network where `normalization` is `graph`.

    The normaliser is saved with the weights, and weights that were trained under another feature contract are refused:
    a checkpoint can neither lose its normaliser nor get a wrong one. So is the temperature, which the logits are
    divided by: it makes a score of 0.7 come true in 70 of 100 cases, and is 1 until it is fitted.

    Shapes: (batch, feature) float32 -> (batch, 1) float32
    Units:  each feature in its own unit (`graph`) or normalised already (`client`); the score is a probability
    """

    temperature: Tensor

    def __init__(self, features: Sequence[Feature], settings: NetworkSection | None = None) -> None:
        super().__init__()
        settings = settings or NetworkSection()
        self.normaliser = FeatureNormaliser(features) if settings.normalization == "graph" else nn.Identity()
        layers: list[nn.Module] = []
        width = len(features)
        for n_out in settings.hidden:
            layers += _block(width, n_out, settings)
            width = n_out
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))
        self.register_buffer("temperature", torch.ones(()))

    def logits(self, features: Tensor) -> Tensor:
        """The score before temperature and sigmoid.

        Shapes: (batch, feature) -> (batch, 1)
        """
        logits: Tensor = self.layers(self.normaliser(features))
        return logits

    def forward(self, features: Tensor) -> Tensor:
        """The score of each row."""
        return torch.sigmoid(self.logits(features) / self.temperature)


class Logits(nn.Module):
    """A network's score before temperature and sigmoid: its own `logits` if it has them, else from its probability.

    Shapes: (batch, feature) -> (batch,)
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, features: Tensor) -> Tensor:
        """The logit of each row."""
        logits = getattr(self.network, "logits", None)
        found: Tensor = logits(features) if callable(logits) else torch.logit(self.network(features), EPSILON)
        return found.reshape(len(features))


def _block(n_in: int, n_out: int, settings: NetworkSection) -> list[nn.Module]:
    block: list[nn.Module] = [nn.Linear(n_in, n_out)]
    if settings.norm in NORMS:
        block.append(NORMS[settings.norm](n_out))
    block.append(ACTIVATIONS[settings.activation]())
    if settings.dropout:
        block.append(nn.Dropout(settings.dropout))
    return block


def reference_factory(config: Config) -> Callable[[], FeatureMlp]:
    """The factory of the network that a config describes.

    Raises: ConfigError if the config has no features.
    """
    if not config.features:
        raise ConfigError("has no features", where="features", hint="list them as configs/compatibility.yaml does")
    return partial(FeatureMlp, config.features, config.network)


def input_spec(config: Config) -> TensorSpec:
    """The network's one input, bounded by the range of each feature.

    Shapes: (batch, feature) float32
    """
    is_raw = config.network.normalization == "graph"
    ranges = [(one.low, one.high) if is_raw else one.normalised_range for one in config.features]
    return TensorSpec(
        name=INPUT,
        shape=("batch", len(config.features)),
        low=tuple(low for low, _ in ranges),
        high=tuple(high for _, high in ranges),
        unit="the unit of each feature" if is_raw else "each feature normalised",
    )


def _check_contract(module: nn.Module, state: Mapping[str, Any], prefix: str, *_: object) -> None:
    """Raises: CheckpointError where the normaliser of saved weights isn't the one of the contract."""
    if not isinstance(module, FeatureNormaliser):
        return
    for name, wanted in module.named_buffers():
        saved = state.get(prefix + name)
        if not isinstance(saved, Tensor) or saved.shape != wanted.shape:
            continue  # reported with the other missing and ill-shaped names
        for feature, is_same in zip(module.names, (saved == wanted).tolist(), strict=True):
            if not is_same:
                raise CheckpointError(
                    f"was trained with another transform of {feature} than the config's",
                    hint="train again, or restore the features that it was trained with",
                )

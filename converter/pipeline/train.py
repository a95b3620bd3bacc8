"""Trains the reference network of a config and writes its checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from converter.config import ResolvedConfig
from converter.errors import ConfigError
from converter.fileio import sha256_of
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted, silent
from converter.pipeline.metrics import save_metrics


@dataclass(frozen=True)
class TrainOutcome:
    """A checkpoint, its digest, and what it reached on data that it never saw."""

    checkpoint: Path
    sha256: str
    metrics: dict[str, float]


def train(resolved: ResolvedConfig, *, emit: Emit = silent) -> TrainOutcome:
    """Train, and write the state dict where the config's `model.checkpoint` says.

    Raises: ConfigError if the config has no features or names no `.pth` to write.
    """
    config = resolved.config
    if not config.features:
        raise ConfigError("no features to learn from", where="features", hint="see configs/compatibility.yaml")
    if config.model.factory:
        raise ConfigError(
            "only the reference network is trained here", where="model.factory", hint="train it yourself, then convert"
        )
    if config.model.checkpoint is None or config.model.checkpoint.suffix not in (".pth", ".pt"):
        raise ConfigError("no .pth to write to", where="model.checkpoint", hint="such as ../checkpoints/model.pth")
    from converter import training

    path = resolved.path(config.model.checkpoint)
    emit(StepStarted("train", config.training.epochs))
    result = training.train(
        config, lambda epoch: emit(StepAdvanced("train", epoch.epoch, f"validation loss {epoch.validation_loss:.4f}"))
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    training.save_checkpoint(result.module, path)
    sha256 = sha256_of(path)
    save_metrics(path, sha256, dict(result.metrics))
    emit(StepFinished("train", f"held-out accuracy {result.metrics['accuracy']:.3f}"))
    return TrainOutcome(path, sha256, dict(result.metrics))

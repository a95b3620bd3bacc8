"""The record of a training, kept beside the checkpoint that it is about."""

from pathlib import Path
from typing import TYPE_CHECKING

from converter.config import ResolvedConfig
from converter.errors import CheckpointError, ConfigError
from converter.features import Feature
from converter.fileio import canonical_json, sha256_of, write_atomically

if TYPE_CHECKING:
    from converter.artifact.training_record import TrainingRecord

RETRAIN = "train again (compat-export train)"


def record_path(checkpoint: Path) -> Path:
    """Where the record of a checkpoint is."""
    return checkpoint.with_suffix(".training.json")


def save_record(checkpoint: Path, record: "TrainingRecord") -> None:
    """Write the record of a checkpoint beside it."""
    write_atomically(record_path(checkpoint), canonical_json(record.model_dump(mode="json")))


def record_of(resolved: ResolvedConfig, sha256: str | None) -> "TrainingRecord | None":
    """The record of exactly the checkpoint with this digest, None where there is none.

    Raises: CheckpointError if the record is damaged.
    """
    checkpoint = resolved.config.model.checkpoint
    if checkpoint is None or sha256 is None:
        return None
    path = record_path(resolved.path(checkpoint))
    if not path.exists():
        return None
    from converter.artifact.training_record import TrainingRecord

    try:
        record = TrainingRecord.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"can't be read: {first}", where=str(path), hint="train again, or delete it") from error
    return record if record.checkpoint_sha256 == sha256 else None


def with_learned_features(resolved: ResolvedConfig) -> ResolvedConfig:
    """The config with the statistics of its features that the training of its checkpoint learned.

    Raises: ConfigError if no training of this checkpoint and these features is on record.
    """
    config = resolved.config
    if config.model.checkpoint is None or not any(feature.lacks_statistics for feature in config.features):
        return resolved
    path = resolved.path(config.model.checkpoint)
    record = record_of(resolved, sha256_of(path)) if path.is_file() else None
    learned = {feature.name: feature for feature in record.features} if record else {}
    features = tuple(_learned(feature, learned.get(feature.name)) for feature in config.features)
    return ResolvedConfig(config.model_copy(update={"features": features}), resolved.sources, resolved.root)


def _learned(feature: Feature, known: Feature | None) -> Feature:
    if not feature.lacks_statistics:
        return feature
    if known is None or known.lacks_statistics:
        raise ConfigError(
            f"no mean and std of {feature.name} are known",
            where="features",
            hint=f"{RETRAIN}, or set them in the config",
        )
    return feature.model_copy(update={"mean": known.mean, "std": known.std})

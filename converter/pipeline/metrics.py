"""The metrics of a training run, kept beside the checkpoint that they are about."""

import json
from pathlib import Path

from converter.config import ResolvedConfig
from converter.errors import CheckpointError
from converter.fileio import canonical_json, write_atomically


def metrics_path(checkpoint: Path) -> Path:
    """Where the metrics of a checkpoint are."""
    return checkpoint.with_suffix(".metrics.json")


def save_metrics(checkpoint: Path, sha256: str, metrics: dict[str, float]) -> None:
    """Write the metrics of a checkpoint beside it."""
    write_atomically(metrics_path(checkpoint), canonical_json({"checkpoint_sha256": sha256, "metrics": metrics}))


def metrics_of(resolved: ResolvedConfig, sha256: str | None) -> dict[str, float] | None:
    """The metrics of exactly the checkpoint with this digest, None where there are none.

    Raises: CheckpointError if the metrics file is damaged.
    """
    checkpoint = resolved.config.model.checkpoint
    if checkpoint is None or sha256 is None:
        return None
    path = metrics_path(resolved.path(checkpoint))
    if not path.exists():
        return None
    try:
        data = json.loads(path.read_bytes())
        if data["checkpoint_sha256"] != sha256:
            return None
        return {str(name): float(value) for name, value in data["metrics"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"can't be read: {error}", where=str(path), hint="train again, or delete it") from error

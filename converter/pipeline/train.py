"""Trains the network of a config and writes its checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from converter.artifact.training_record import TrainingRecord
from converter.config import ResolvedConfig
from converter.errors import ConfigError
from converter.fileio import sha256_of
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted, silent
from converter.pipeline.training_record import save_record

if TYPE_CHECKING:
    from converter.training.fit import Progress

STATE_SUFFIX = ".resume"


@dataclass(frozen=True)
class TrainOutcome:
    """A checkpoint, its digest, and what is known of its training."""

    checkpoint: Path
    sha256: str
    record: TrainingRecord


def train(
    resolved: ResolvedConfig,
    *,
    resume: bool = False,
    n_local_processes: int = 1,
    n_machines: int = 1,
    emit: Emit = silent,
) -> TrainOutcome | None:
    """Train, and write the state dict where the config's `model.checkpoint` says, its record beside it.

    One of several processes returns the outcome, the others None.
    Raises: ConfigError if the config has no features, names no `.pth` to write, or its data don't fit.
    """
    path = _checkpoint_path(resolved)
    from converter.training.source import open_rows

    emit(StepStarted("read rows"))
    opened = open_rows(resolved.config, resolved.root)
    data = opened[2]
    emit(StepFinished("read rows", f"{sum(data.n_rows.values()):,} of {data.name}, {data.split_by} split"))
    from converter.training.devices import Processes  # these load torch, which what is wrong with rows can do without
    from converter.training.judge import judge
    from converter.training.state import write
    from converter.training.train import Place
    from converter.training.train import train as run

    emit(StepStarted("train", 100))
    state_path = path.with_suffix(STATE_SUFFIX)
    place = Place(resolved.root, state_path, Processes(n_local_processes, n_machines), resume)
    trained = run(resolved.config, opened, place, lambda progress: emit(_advanced(progress)))
    if trained is None:
        return None
    emit(StepFinished("train", f"{trained.n_epochs} epochs, the best is {trained.best_epoch}"))
    emit(StepStarted("judge"))
    evaluation = judge(trained)
    emit(StepFinished("judge", f"held-out accuracy {evaluation.metrics['accuracy']:.3f}"))
    write(trained.network.state_dict(), path)
    sha256 = sha256_of(path)
    record = TrainingRecord(
        checkpoint_sha256=sha256,
        features=trained.config.features,
        data=data,
        seed=resolved.config.training.seed,
        n_epochs=trained.n_epochs,
        best_epoch=trained.best_epoch,
        evaluation=evaluation,
    )
    save_record(path, record)
    state_path.unlink(missing_ok=True)
    return TrainOutcome(path, sha256, record)


def _checkpoint_path(resolved: ResolvedConfig) -> Path:
    config = resolved.config
    if not config.features:
        raise ConfigError("no features to learn from", where="features", hint="see configs/compatibility.yaml")
    if config.model.checkpoint is None or config.model.checkpoint.suffix not in (".pth", ".pt"):
        raise ConfigError("no .pth to write to", where="model.checkpoint", hint="such as ../checkpoints/model.pth")
    return resolved.path(config.model.checkpoint)


def _advanced(progress: "Progress") -> StepAdvanced:
    note = f"epoch {progress.epoch} of {progress.n_epochs}, loss {progress.train_loss:.4f}"
    if progress.validation_loss is not None:
        note += f", validation {progress.validation_loss:.4f}"
    return StepAdvanced("train", 100 * progress.step // progress.n_steps, note)

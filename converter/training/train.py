"""From a config and its rows to a trained network: the same config, rows and versions give the same bits."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from converter.artifact.training_record import TrainingData
from converter.checkpoint import resolve_factory
from converter.checkpoint.factory import build
from converter.config import Config
from converter.fileio import canonical_json
from converter.training.batches import Sampler
from converter.training.devices import Processes, launched
from converter.training.fit import Fit, Plan, Progress
from converter.training.network import reference_factory
from converter.training.normalise import Normalisation
from converter.training.rows import Rows, Split
from converter.training.source import with_statistics
from converter.training.state import load_state

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Opened = tuple[Rows, Split, TrainingData]
"""What `open_rows` gives."""


@dataclass(frozen=True)
class Place:
    """Where a training works: the folder that its paths are relative to, its state on disk, and its processes."""

    root: Path
    state_path: Path
    processes: Processes
    resume: bool


@dataclass(frozen=True)
class Trained:
    """The network of the best epoch in eval mode on the CPU, and what it learned from.

    The features of `config` have the statistics that were learned.
    """

    config: Config
    network: nn.Module
    rows: Rows
    split: Split
    n_epochs: int
    best_epoch: int


def train(
    config: Config, opened: Opened, place: Place, on_progress: Callable[[Progress], None] = lambda _: None
) -> Trained | None:
    """Train the config's network; None in all processes but the first.

    The state on disk is the caller's to delete once the weights are safe.
    Raises: ConfigError if settings don't fit the data or the machine; ConverterError if the loss diverges.
    """
    rows, split, data = opened
    config = config.model_copy(update={"features": with_statistics(config.features, rows, split.train)})
    with launched(config.training, place.processes) as fabric:
        torch.manual_seed(config.training.seed)
        network = _network(config, place.root)
        torch.manual_seed(config.training.seed + fabric.global_rank)  # dropout differs from process to process
        fingerprint = _fingerprint(config, data, fabric.world_size)
        sampler = _sampler(config, rows, split)
        plan = Plan(sampler, split.validation, config.training, fingerprint, place.state_path)
        n_epochs, best_epoch = _fit(fabric, network, plan, place, on_progress)
        is_first = fabric.is_global_zero
    return Trained(config, network.cpu(), rows, split, n_epochs, best_epoch) if is_first else None


def _fit(
    fabric: "Fabric", network: nn.Module, plan: Plan, place: Place, on_progress: Callable[[Progress], None]
) -> tuple[int, int]:
    """Train the network; how many epochs that took, and which was the best."""
    fit = Fit(fabric, network, plan, on_progress)
    if place.resume and (state := load_state(place.state_path, plan.fingerprint)):
        fit.resume(state)
    return fit.run(), fit.best_epoch


def seen_by(config: Config) -> Callable[[np.ndarray], np.ndarray]:
    """What becomes of raw features before they reach the network's input."""
    return Normalisation(config.features) if config.network.normalization == "client" else np.ascontiguousarray


def _network(config: Config, root: Path) -> nn.Module:
    if config.model.factory:
        return build(resolve_factory(config.model.factory, root), config.model.kwargs)
    return reference_factory(config)()


def _sampler(config: Config, rows: Rows, split: Split) -> Sampler:
    settings = config.training
    return Sampler(
        rows, split.train, seen_by(config), _class_weights(config, rows.labels[split.train]),
        settings.batch_size, settings.shuffle_rows, settings.seed,
    )  # fmt: skip


def _class_weights(config: Config, labels: np.ndarray) -> np.ndarray:
    """What a row of each class counts.

    Shapes: (2,) float32
    """
    wanted = config.training.class_weights
    if wanted == "none":
        return np.ones(2, np.float32)
    if wanted == "balanced":
        return np.asarray(len(labels) / (2.0 * np.bincount(labels, minlength=2)), np.float32)
    return np.array(wanted, np.float32)


def _fingerprint(config: Config, data: TrainingData, n_processes: int) -> str:
    """The digest of all that decides the weights."""
    parts = config.model_dump(mode="json", include={"data", "features", "network", "model", "training"})
    parts["training"].pop("checkpoint_s")
    parts["model"].pop("checkpoint")
    parts["data"].pop("path")
    parts |= {"rows": data.model_dump(mode="json"), "torch": torch.__version__, "processes": n_processes}
    return hashlib.sha256(canonical_json(parts)).hexdigest()

"""From a config to a trained, calibrated and judged network: the same config and versions give the same bits."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from converter.artifact.evaluation import Evaluation
from converter.artifact.training_record import TrainingData
from converter.checkpoint import resolve_factory
from converter.checkpoint.factory import build
from converter.config import Config
from converter.features import Feature
from converter.fileio import canonical_json
from converter.training.batches import Sampler
from converter.training.calibration import fit_temperature
from converter.training.devices import Processes, launched
from converter.training.evaluation import evaluate
from converter.training.fit import Fit, Plan, Progress, logits_of
from converter.training.held_out import HeldOut, Part
from converter.training.network import reference_factory
from converter.training.normalise import Normalisation
from converter.training.rows import Rows, Split, chunks
from converter.training.source import open_rows, with_statistics
from converter.training.state import load_state

MOST_JUDGED_ROWS = 200_000  # of each part: more would narrow no interval that anyone looks at


@dataclass(frozen=True)
class Place:
    """Where a training works: the folder that its paths are relative to, its state on disk, and its processes."""

    root: Path
    state_path: Path
    processes: Processes
    resume: bool


@dataclass(frozen=True)
class TrainingResult:
    """The network of the best epoch in eval mode on the CPU, what it learned from, and how good it is."""

    module: nn.Module
    features: tuple[Feature, ...]
    data: TrainingData
    n_epochs: int
    best_epoch: int
    evaluation: Evaluation


def train(config: Config, place: Place, on_progress: Callable[[Progress], None]) -> TrainingResult | None:
    """Train the config's network, fit its temperature, and judge it; None in all processes but the first.

    The state on disk is the caller's to delete once the result is safe.
    Raises: ConfigError if data or settings don't fit; ConverterError if the loss diverges.
    """
    rows, split, data = open_rows(config, place.root)
    features = with_statistics(config.features, rows, split.train)
    config = config.model_copy(update={"features": features})
    seen = _seen_by(config)
    with launched(config.training, place.processes) as fabric:
        torch.manual_seed(config.training.seed)
        network = _network(config, place.root)
        torch.manual_seed(config.training.seed + fabric.global_rank)  # dropout differs from process to process
        sampler = _sampler(config, rows, split, seen)
        fingerprint = _fingerprint(config, data, fabric.world_size)
        fit = Fit(
            fabric,
            network,
            Plan(sampler, split.validation, config.training, fingerprint, place.state_path),
            on_progress,
        )
        if place.resume and (state := load_state(place.state_path, fingerprint)):
            fit.resume(state)
        n_epochs = fit.run()
        if not fabric.is_global_zero:
            return None
        held_out = _held_out(config, rows, split, network.cpu(), seen)
        evaluation = evaluate(held_out, config.evaluation)
    return TrainingResult(network, features, data, n_epochs, fit.best_epoch, evaluation)


def _seen_by(config: Config) -> Callable[[np.ndarray], np.ndarray]:
    """What becomes of raw features before they reach the network's input."""
    return Normalisation(config.features) if config.network.normalization == "client" else np.ascontiguousarray


def _network(config: Config, root: Path) -> nn.Module:
    if config.model.factory:
        return build(resolve_factory(config.model.factory, root), config.model.kwargs)
    return reference_factory(config)()


def _sampler(config: Config, rows: Rows, split: Split, seen: Callable[[np.ndarray], np.ndarray]) -> Sampler:
    settings = config.training
    return Sampler(
        rows, split.train, seen, _class_weights(config, rows.labels[split.train]),
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


def _held_out(
    config: Config, rows: Rows, split: Split, network: nn.Module, seen: Callable[[np.ndarray], np.ndarray]
) -> HeldOut:
    """The three parts and the network as its judge wants them, the temperature being in the network by then."""

    def logits(raw: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.concatenate([logits_of(network, seen(raw[one])).numpy() for one in chunks(np.arange(len(raw)))])

    def part(numbers: np.ndarray, *, is_judged: bool) -> Part:
        if len(numbers) > MOST_JUDGED_ROWS:
            rng = np.random.default_rng([config.training.seed, 3])
            numbers = np.sort(rng.choice(numbers, MOST_JUDGED_ROWS, replace=False))
        raw = np.asarray(rows.features[numbers])
        probability = None if rows.probability is None else rows.probability[numbers]
        found = logits(raw) if is_judged else None
        return Part(raw, rows.labels[numbers], found, probability, rows.groups_of(numbers))

    validation = part(split.validation, is_judged=True)
    temperature = _set_temperature(network, validation)

    def score(raw: np.ndarray) -> np.ndarray:
        return np.asarray(1.0 / (1.0 + np.exp(-logits(raw).astype(np.float64) / temperature)))

    return HeldOut(
        tuple(feature.name for feature in config.features),
        part(split.train, is_judged=False),
        validation,
        part(split.test, is_judged=True),
        Normalisation(config.features),
        score,
        temperature,
        config.training.seed,
    )


def _set_temperature(network: nn.Module, validation: Part) -> float:
    """Fit the temperature on the validation rows, and put it into the network if that has a place for it."""
    buffer = getattr(network, "temperature", None)
    if not isinstance(buffer, Tensor) or validation.logits is None:
        return 1.0
    buffer.fill_(fit_temperature(validation.logits, validation.labels))
    return float(buffer)

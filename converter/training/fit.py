"""Seeded training: the same config and versions give the same weights, bit for bit."""

import contextlib
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from converter.config import Config
from converter.errors import CheckpointError, ConverterError
from converter.fileio import write_atomically
from converter.training.data import Pairs, generate_pairs
from converter.training.metrics import evaluate
from converter.training.network import FeatureMlp, reference_factory

VALIDATION_SHARE = 0.15
TEST_SHARE = 0.15


@dataclass(frozen=True)
class EpochReport:
    """What one pass over the training rows came to.

    Units: losses in nats; accuracy a share in [0, 1]
    """

    epoch: int
    n_epochs: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class TrainingResult:
    """The network of the best epoch in eval mode, and its metrics on rows that training never saw."""

    module: FeatureMlp
    metrics: Mapping[str, float]
    best_epoch: int


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def train(config: Config, on_epoch: Callable[[EpochReport], None] | None = None) -> TrainingResult:
    """Train the config's network on the synthetic world, and measure it on held-out rows.

    Raises: ConfigError if the features aren't those of the synthetic world; ConverterError if the loss diverges.
    """
    build = reference_factory(config)
    settings = config.training
    pairs = generate_pairs([feature.name for feature in config.features], settings.n_rows, settings.seed)
    split = split_rows(settings.n_rows, settings.seed)
    with _deterministic(settings.seed):
        network = build()
        inputs = _inputs(config, pairs)
        labels = torch.from_numpy(pairs.matched.astype(np.float32)).unsqueeze(1)
        best_epoch = _fit(network, inputs, labels, split, config, on_epoch)
        scores = _scores(network, inputs[split.test])
    metrics = evaluate(scores, pairs.matched[split.test], pairs.probability[split.test])
    return TrainingResult(network, metrics, best_epoch)


def split_rows(n_rows: int, seed: int) -> Split:
    """A seeded partition of the rows: 70 % train, 15 % validation, 15 % test."""
    order = np.random.default_rng([seed, 1]).permutation(n_rows)
    n_validation, n_test = round(n_rows * VALIDATION_SHARE), round(n_rows * TEST_SHARE)
    validation, test, rest = np.split(order, [n_validation, n_validation + n_test])
    return Split(rest, validation, test)


def save_checkpoint(module: nn.Module, path: Path) -> None:
    """Write a module's state dict whole or not at all; equal weights give equal bytes.

    Raises: CheckpointError if it can't be written.
    """
    buffer = io.BytesIO()  # torch.save names the archive after a path, which would make the bytes depend on it
    torch.save(module.state_dict(), buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise CheckpointError(
            f"can't be written: {error.strerror}", where=str(path), hint="check the folder and the free space"
        ) from error


def _inputs(config: Config, pairs: Pairs) -> Tensor:
    if config.network.normalization == "graph":
        return torch.from_numpy(pairs.features)
    slope, offset = np.array([feature.affine for feature in config.features], dtype=np.float32).T
    return torch.from_numpy(np.clip(pairs.features * slope + offset, 0.0, 1.0).astype(np.float32))


@contextlib.contextmanager
def _deterministic(seed: int) -> Iterator[None]:
    """One thread (sums don't depend on how work is shared) and a seed of our own; both are put back."""
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            torch.set_num_threads(1)
            yield
    finally:
        torch.set_num_threads(threads)


def _fit(
    network: FeatureMlp,
    inputs: Tensor,
    labels: Tensor,
    split: Split,
    config: Config,
    on_epoch: Callable[[EpochReport], None] | None,
) -> int:
    settings = config.training
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    rows = torch.from_numpy(split.train)
    n_batches = math.ceil(len(rows) / settings.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.epochs * n_batches)
    best_loss, best_epoch, best_state = math.inf, 0, network.state_dict()
    for epoch in range(1, settings.epochs + 1):
        network.train()
        total = 0.0
        for batch in torch.split(rows[torch.randperm(len(rows))], settings.batch_size):
            loss = binary_cross_entropy_with_logits(network.logits(inputs[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        report = _report(network, inputs, labels, split, epoch, settings.epochs, total / len(rows))
        if report.validation_loss < best_loss:
            best_loss, best_epoch = report.validation_loss, epoch
            best_state = {name: value.clone() for name, value in network.state_dict().items()}
        if on_epoch is not None:
            on_epoch(report)
    if not best_epoch:
        raise ConverterError("the loss diverged", where="training", hint="lower training.learning_rate")
    network.load_state_dict(best_state)
    network.eval()
    return best_epoch


def _report(
    network: FeatureMlp, inputs: Tensor, labels: Tensor, split: Split, epoch: int, n_epochs: int, train_loss: float
) -> EpochReport:
    rows = torch.from_numpy(split.validation)
    network.eval()
    with torch.no_grad():
        logits = network.logits(inputs[rows])
        loss = float(binary_cross_entropy_with_logits(logits, labels[rows]))
        accuracy = float(((logits >= 0) == (labels[rows] > 0.5)).float().mean())
    return EpochReport(epoch, n_epochs, train_loss, loss, accuracy)


def _scores(network: FeatureMlp, inputs: Tensor) -> np.ndarray:
    with torch.no_grad():
        return network(inputs).squeeze(1).numpy()  # type: ignore[no-any-return]

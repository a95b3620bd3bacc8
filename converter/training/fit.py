"""The loop: seeded, on whatever Fabric launched, and able to go on from where it was killed."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from converter.errors import ConverterError
from converter.training.batches import Batch, Sampler
from converter.training.network import Logits
from converter.training.rows import chunks
from converter.training.state import State, Weights, save_state
from converter.training_settings import TrainingSection

if TYPE_CHECKING:
    from lightning_fabric import Fabric

TOLD_EVERY_S = 0.1


@dataclass(frozen=True)
class Progress:
    """Where a training is; the validation's numbers are those of the last whole epoch, None before it.

    Units: losses in nats, of the rows of this epoch so far; accuracy a share in [0, 1]
    """

    epoch: int
    n_epochs: int
    step: int
    n_steps: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None


@dataclass(frozen=True)
class Plan:
    """What is fitted to what: the batches to learn from, the rows that stop it, and where its state is kept.

    Shapes: validation (row,), row numbers
    """

    sampler: Sampler
    validation: np.ndarray
    settings: TrainingSection
    fingerprint: str
    state_path: Path


class Fit:
    """A network being trained; `run` leaves it with the weights of its best epoch, in eval mode."""

    def __init__(
        self, fabric: "Fabric", network: nn.Module, plan: Plan, on_progress: Callable[[Progress], None]
    ) -> None:
        self.fabric, self.network, self.plan, self.on_progress = fabric, network, plan, on_progress
        settings = plan.settings
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=settings.learning_rate,
            weight_decay=settings.weight_decay,
            fused=fabric.device.type == "cpu",  # on a GPU, Fabric can't clip what a fused optimizer scales
        )
        self.model, self.optimizer = fabric.setup(Logits(network), optimizer)
        self.n_batches = plan.sampler.n_batches
        self.epoch, self.step, self.stale = 1, 0, 0
        self.loss_sum, self.weight_sum = torch.zeros((), device=fabric.device), 0.0
        self.best_loss, self.best_epoch, self.best_network = math.inf, 0, self._weights()
        self.validation: tuple[float, float] | None = None
        self._saved_s = self._told_s = time.monotonic()

    def resume(self, state: State) -> None:
        """Go on from a state."""
        self.network.load_state_dict(state.network)
        self.optimizer.load_state_dict(state.optimizer)
        if self.fabric.world_size == 1:
            torch.set_rng_state(state.random)
        self.epoch, self.step, self.stale = state.epoch, state.step, state.stale
        self.loss_sum, self.weight_sum = self.loss_sum + state.loss_sum, state.weight_sum
        self.best_loss, self.best_epoch, self.best_network = state.best_loss, state.best_epoch, state.best_network

    def run(self) -> int:
        """Train to the end, and say how many epochs that took.

        Raises: ConverterError if the loss diverges.
        """
        settings = self.plan.settings
        while self.epoch <= settings.epochs and not (settings.patience and self.stale >= settings.patience):
            self._run_epoch()
            self._end_epoch()
        self.network.load_state_dict(self.best_network)
        self.network.eval()
        return self.epoch - 1

    def _run_epoch(self) -> None:
        self.network.train()
        skipped = self.step
        share = self.fabric.global_rank, self.fabric.world_size
        for number, batch in enumerate(self.plan.sampler.epoch(self.epoch, share), start=1):
            if number <= skipped:
                continue
            self._learn(batch)
            self.step = number
            now = time.monotonic()
            if now - self._told_s > TOLD_EVERY_S:
                self._tell(now)
            if now - self._saved_s > self.plan.settings.checkpoint_s:
                self._save(now)

    def _learn(self, batch: Batch) -> None:
        device = self.fabric.device
        done = (self.epoch - 1) * self.n_batches + self.step
        self._set_rate(done)
        logits = self.model(batch.inputs.to(device))
        loss = binary_cross_entropy_with_logits(
            logits, batch.labels.to(device), batch.weights.to(device), reduction="sum"
        )
        self.optimizer.zero_grad()
        # gradients are averaged over the processes, each of which has its share of the batch
        self.fabric.backward(loss * (self.fabric.world_size / batch.total_weight))
        if self.plan.settings.clip_norm is not None:
            self.fabric.clip_gradients(
                self.model, self.optimizer, max_norm=self.plan.settings.clip_norm, error_if_nonfinite=False
            )
        self.optimizer.step()
        self.loss_sum += loss.detach()
        self.weight_sum += batch.total_weight

    def _set_rate(self, done: int) -> None:
        settings = self.plan.settings
        share = rate_share(done, settings.epochs * self.n_batches, round(settings.warmup_epochs * self.n_batches))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * share

    def _end_epoch(self) -> None:
        loss, accuracy = self._validate()
        if not (math.isfinite(loss) and math.isfinite(float(self.loss_sum))):
            raise ConverterError(
                f"the loss diverged in epoch {self.epoch}", where="training", hint="lower training.learning_rate"
            )
        self.validation = loss, accuracy
        self.stale += 1
        if loss < self.best_loss:
            self.best_loss, self.best_epoch, self.best_network, self.stale = loss, self.epoch, self._weights(), 0
        self._tell(time.monotonic())
        self.epoch, self.step, self.weight_sum = self.epoch + 1, 0, 0.0
        self.loss_sum = torch.zeros_like(self.loss_sum)
        self._save(time.monotonic())

    @torch.no_grad()
    def _validate(self) -> tuple[float, float]:
        """Loss and accuracy on the validation rows, each process having taken its share of them."""
        self.network.eval()
        sampler, fabric = self.plan.sampler, self.fabric
        sums = torch.zeros(4)  # loss, weight, right, rows
        for rows in chunks(np.array_split(self.plan.validation, fabric.world_size)[fabric.global_rank]):
            logits = logits_of(self.network, sampler.inputs(sampler.source.features[rows]), fabric.device)
            labels = torch.from_numpy(sampler.source.labels[rows])
            weights = torch.from_numpy(sampler.class_weights)[labels.long()]
            loss = binary_cross_entropy_with_logits(logits, labels.float(), weights, reduction="sum")
            right = ((logits >= 0) == labels).sum()
            sums += torch.stack([loss, weights.sum(), right, torch.tensor(len(rows))])
        reduced = fabric.all_reduce(sums.to(fabric.device), reduce_op="sum")
        assert isinstance(reduced, Tensor), "one tensor went in"
        total: list[float] = reduced.tolist()
        return total[0] / total[1], total[2] / total[3]

    def _weights(self) -> Weights:
        return {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}

    def _tell(self, now: float) -> None:
        self._told_s = now
        loss, accuracy = self.validation or (None, None)
        n_processes = self.fabric.world_size  # this one has seen its share of the weight
        self.on_progress(
            Progress(
                epoch=self.epoch,
                n_epochs=self.plan.settings.epochs,
                step=(self.epoch - 1) * self.n_batches + self.step,
                n_steps=self.plan.settings.epochs * self.n_batches,
                train_loss=float(self.loss_sum) * n_processes / self.weight_sum,
                validation_loss=loss,
                validation_accuracy=accuracy,
            )
        )

    def _save(self, now: float) -> None:
        self._saved_s = now
        if not self.fabric.is_global_zero:
            return
        state = State(
            fingerprint=self.plan.fingerprint,
            network=self._weights(),
            optimizer=self.optimizer.state_dict(),
            random=torch.get_rng_state(),
            epoch=self.epoch,
            step=self.step,
            loss_sum=float(self.loss_sum),
            weight_sum=self.weight_sum,
            best_loss=self.best_loss,
            best_epoch=self.best_epoch,
            best_network=self.best_network,
            stale=self.stale,
        )
        save_state(state, self.plan.state_path)


def rate_share(done: int, n_steps: int, n_warmup: int) -> float:
    """The share of the learning rate that a step gets: growing in a line, then falling along half a cosine."""
    if done < n_warmup:
        return (done + 1) / (n_warmup + 1)
    remaining = (done - n_warmup) / max(n_steps - n_warmup, 1)
    return 0.5 * (1.0 + math.cos(math.pi * min(remaining, 1.0)))


def logits_of(network: nn.Module, inputs: np.ndarray, device: torch.device | None = None) -> Tensor:
    """The logits of rows, before temperature, on the CPU.

    Shapes: inputs (row, feature) float32 -> (row,) float32
    """
    logits: Tensor = Logits(network)(torch.from_numpy(inputs).to(device or "cpu"))
    return logits.float().cpu()

"""The training rows of one epoch, shuffled and cut into batches by the seed and the number of the epoch alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from converter.training.rows import Rows

PIECES = 64  # of the table, drawn from all over it, that are shuffled together


@dataclass(frozen=True)
class Batch:
    """Rows to learn from in one step, or this process's share of them.

    `total_weight` is that of the whole batch, over all processes.
    Shapes: inputs (row, feature) float32; labels and weights (row,) float32
    """

    inputs: Tensor
    labels: Tensor
    weights: Tensor
    total_weight: float


@dataclass(frozen=True)
class Sampler:
    """The training rows, and how they become batches.

    Batches of one shuffled buffer differ in size by one row at most, so that none is left over.
    Shapes: rows (row,), row numbers in ascending order; class_weights (2,) float32
    """

    source: Rows
    rows: np.ndarray
    inputs: Callable[[np.ndarray], np.ndarray]
    class_weights: np.ndarray
    batch_size: int
    shuffle_rows: int
    seed: int

    @property
    def n_batches(self) -> int:
        """How many steps an epoch has."""
        return sum(-(-n // self.batch_size) for n in self._buffer_sizes())

    def epoch(self, number: int, share: tuple[int, int] = (0, 1)) -> Iterator[Batch]:
        """The batches of an epoch; of each, the share of one process (its rank, how many there are)."""
        rank, n_processes = share
        rng = np.random.default_rng([self.seed, 2, number])
        for block in self._buffers(rng):
            order = torch.from_numpy(rng.permutation(len(block)))
            inputs = torch.from_numpy(self.inputs(self.source.features[block]))[order]
            labels = torch.from_numpy(self.source.labels[block])[order]
            weights = torch.from_numpy(self.class_weights)[labels.long()]
            n_batches = -(-len(block) // self.batch_size)
            parts = [torch.tensor_split(one, n_batches) for one in (inputs, labels.float(), weights)]
            for columns in zip(*parts, strict=True):
                x, y, weight = (torch.tensor_split(one, n_processes)[rank] for one in columns)
                yield Batch(x, y, weight, float(columns[2].sum()))

    def _buffer_sizes(self) -> list[int]:
        pieces = self._pieces()
        return [sum(map(len, pieces[start : start + PIECES])) for start in range(0, len(pieces), PIECES)]

    def _pieces(self) -> list[np.ndarray]:
        n_pieces = PIECES * -(-len(self.rows) // self.shuffle_rows)
        return np.array_split(self.rows, min(n_pieces, len(self.rows)))

    def _buffers(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        pieces = self._pieces()
        order = rng.permutation(len(pieces))
        for start in range(0, len(order), PIECES):
            yield np.concatenate([pieces[place] for place in np.sort(order[start : start + PIECES])])

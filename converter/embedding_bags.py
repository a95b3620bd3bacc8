"""EmbeddingBag over bags of one size, exported as a lookup and a reduction instead of a loop over the bags."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.nn import functional


@contextmanager
def bags_as_reductions() -> Iterator[None]:
    """Replace `embedding_bag` while a network is exported: the rows of a matrix are bags of one size, without offsets.

    Bags given by offsets, and weights that the lookup renormalises, are left to PyTorch.
    """
    original = functional.embedding_bag

    def embedding_bag(
        input: torch.Tensor,
        weight: torch.Tensor,
        offsets: torch.Tensor | None = None,
        max_norm: float | None = None,
        norm_type: float = 2,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        per_sample_weights: torch.Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> torch.Tensor:
        if offsets is not None or input.dim() != 2 or max_norm is not None or input.shape[1] == 0:
            return original(
                input,
                weight,
                offsets,
                max_norm=max_norm,
                norm_type=norm_type,
                scale_grad_by_freq=scale_grad_by_freq,
                mode=mode,
                sparse=sparse,
                per_sample_weights=per_sample_weights,
                include_last_offset=include_last_offset,
                padding_idx=padding_idx,
            )
        return _reduced(input, weight, mode, per_sample_weights, padding_idx)

    functional.embedding_bag = embedding_bag
    try:
        yield
    finally:
        functional.embedding_bag = original


def _reduced(
    input: torch.Tensor, weight: torch.Tensor, mode: str, factors: torch.Tensor | None, padding_idx: int | None
) -> torch.Tensor:
    """Return the sum, mean or maximum of the embeddings of each row, those at `padding_idx` left out."""
    rows = functional.embedding(input, weight)
    if factors is not None:
        rows = rows * factors[..., None]
    if padding_idx is None:
        return rows.amax(1) if mode == "max" else rows.mean(1) if mode == "mean" else rows.sum(1)
    kept = (input != padding_idx % weight.shape[0])[..., None]
    count = kept.sum(1)
    if mode == "max":
        largest = torch.where(kept, rows, -torch.inf).amax(1)
        return torch.where(count > 0, largest, 0.0)
    total = torch.where(kept, rows, 0.0).sum(1)
    return total / count.clamp(min=1) if mode == "mean" else total

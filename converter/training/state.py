"""The state of a training under way, on disk: what a killed one goes on from, to the same bits."""

import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from converter.errors import CheckpointError, ConfigError
from converter.fileio import write_atomically

Weights = dict[str, Tensor]


@dataclass
class State:
    """All that a step depends on, beside the settings and the data, of which `fingerprint` is the digest.

    `step` counts the steps done in `epoch`; `stale` the epochs since the best one.
    Units:  losses in nats; loss_sum is summed over rows weighted as the classes are, weight_sum is their weight
    """

    fingerprint: str
    network: Weights
    optimizer: dict[str, Any]
    random: Tensor
    epoch: int
    step: int
    loss_sum: float
    weight_sum: float
    best_loss: float
    best_epoch: int
    best_network: Weights
    stale: int


def save_state(state: State, path: Path) -> None:
    """Write a state whole or not at all.

    Raises: CheckpointError if it can't be written.
    """
    write(vars(state), path)


def write(content: Any, path: Path) -> None:
    """Write tensors whole or not at all; equal ones give equal bytes.

    Raises: CheckpointError if they can't be written.
    """
    buffer = io.BytesIO()  # torch.save names the archive after a path, which would make the bytes depend on it
    torch.save(content, buffer)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise CheckpointError(
            f"can't be written: {error.strerror}", where=str(path), hint="check the folder and the free space"
        ) from error


def load_state(path: Path, fingerprint: str) -> State | None:
    """The state of an interrupted training, None where there is none.

    Raises: CheckpointError if it is damaged; ConfigError if it is of other settings or data.
    """
    if not path.exists():
        return None
    hint = f"delete {path.name}, or train without --resume"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        state = State(**{field.name: content[field.name] for field in fields(State)})
    except Exception as error:  # torch raises RuntimeError, UnpicklingError, EOFError and others for a damaged file
        raise CheckpointError("is no state of a training", where=str(path), hint=hint) from error
    if state.fingerprint != fingerprint:
        raise ConfigError("was begun with other settings, data or versions", where=str(path), hint=hint)
    return state

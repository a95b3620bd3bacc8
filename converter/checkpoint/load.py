"""One call from a path to a module."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from converter.checkpoint.archive import Format, recognise
from converter.checkpoint.factory import build
from converter.checkpoint.program import module_from_pt2
from converter.checkpoint.state_dict import fit, read_state_dict
from converter.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A network in eval mode on the CPU, and the digest of the very bytes that its weights came from."""

    module: nn.Module
    sha256: str
    format: Format
    size_bytes: int


def load_module(
    path: Path,
    factory: Callable[..., nn.Module] | None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    allow_nonfinite: bool = False,
) -> LoadedCheckpoint:
    """The network of a `.pth`, `.pt` or `.safetensors` state dict (built by `factory(**kwargs)`), or of a `.pt2`.

    Raises: CheckpointError if the file can't be read safely, its weights don't fit the network or aren't finite;
            ConfigError if a state dict comes without a factory, or a `.pt2` with one.
    """
    where = str(path)
    data = _read(path)
    sha256 = hashlib.sha256(data).hexdigest()
    kind = recognise(data, path.suffix, where)
    if kind == "pt2":
        if factory is not None:
            raise ConfigError(
                "an exported program brings its own network", where=where, hint="drop model.factory (--factory)"
            )
        module, weights = module_from_pt2(data, where)
    else:
        if factory is None:
            raise ConfigError(
                "holds weights only; the code of the network is missing",
                where=where,
                hint="set model.factory, or give --factory path/file.py:Class",
            )
        state = read_state_dict(data, kind, where)
        module = build(factory, kwargs or {}).cpu()
        fit(module, state, where)
        weights = {name: tensor for name, tensor in module.state_dict().items() if isinstance(tensor, torch.Tensor)}
        module.eval()
    if not allow_nonfinite:
        _check_finite(weights, where)
    return LoadedCheckpoint(module, sha256, kind, len(data))


def _read(path: Path) -> bytes:
    where = str(path)
    if path.is_dir():
        raise CheckpointError("is a folder, not a checkpoint", where=where, hint="give the file inside it")
    if path.exists() and not path.is_file():
        raise CheckpointError("is not a regular file", where=where, hint="give a file")
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError("no such file", where=where, hint="check the path") from error
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "not enough memory"
        raise CheckpointError(f"can't be read: {reason}", where=where, hint="check the file") from error


def _check_finite(weights: Mapping[str, torch.Tensor], where: str) -> None:
    for name, tensor in weights.items():
        if not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        n_bad = int((~torch.isfinite(tensor)).sum())
        if n_bad:
            raise CheckpointError(
                f"{name} holds {n_bad} value(s) that are NaN or infinite",
                where=where,
                hint="the training diverged, or the file is damaged; use an earlier checkpoint",
            )

"""Load a module from the path of its checkpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from converter.checkpoint.archive import Format, recognise
from converter.checkpoint.factory import build
from converter.checkpoint.files import (
    HUGGING_FACE_CONFIG,
    INDEX_SUFFIX,
    CheckpointFile,
    combined_sha256,
    read_file,
    read_shards,
    weights_path,
)
from converter.checkpoint.fit import KeyRules, fit
from converter.checkpoint.hugging_face import module_of_folder
from converter.checkpoint.program import module_from_pt2
from converter.checkpoint.state_dict import StateDict, read_state_dict
from converter.config import TensorSpec
from converter.errors import CheckpointError, ConfigError


@dataclass(frozen=True)
class LoadedCheckpoint:
    """A network in eval mode on the CPU, and the digest of the very bytes that its weights came from.

    `inputs` are those that an exported program declares; `notes` say what was chosen, renamed and left out.
    """

    module: nn.Module
    sha256: str
    format: Format
    size_bytes: int
    inputs: tuple[TensorSpec, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StateOptions:
    """The state dict to take from a checkpoint that holds several, and the rules for its names."""

    state_key: str | None = None
    rules: KeyRules = field(default_factory=KeyRules)


Loaded = tuple[LoadedCheckpoint, Mapping[str, torch.Tensor]]  # the network, and the tensors that must be finite


def load_module(
    path: Path,
    factory: Callable[..., nn.Module] | None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    options: StateOptions | None = None,
    allow_nonfinite: bool = False,
) -> LoadedCheckpoint:
    """Load the network of a checkpoint.

    A state dict (`.pth`, `.pt`, `.ckpt`, `.bin`, `.safetensors`, or an index of shards) is loaded into what
    `factory(**kwargs)` builds, a `.pt2` brings its own network, and transformers builds that of a folder of Hugging
    Face without a factory.

    Raises: CheckpointError if a file can't be read safely, its weights don't fit the network or aren't finite;
            ConfigError if a state dict comes without a factory, or a `.pt2` with one.
    """
    options = options or StateOptions()
    file = read_file(weights_path(path))
    kind = _kind(file)
    if kind == "pt2":
        loaded, weights = _from_program(file, factory)
    elif factory is None and path.is_dir() and (path / HUGGING_FACE_CONFIG).exists():
        loaded, weights = _from_hugging_face(path, file, kind, options)
    elif factory is None:
        raise ConfigError(
            "holds weights only; the code of the network is missing",
            where=str(path),
            hint="set model.factory, or give --factory path/file.py:Class",
        )
    else:
        loaded, weights = _from_state(path, file, kind, build(factory, kwargs or {}).cpu(), options)
    if not allow_nonfinite:
        _check_finite(weights, str(path))
    return loaded


def _kind(file: CheckpointFile) -> Format:
    if file.path.name.endswith(INDEX_SUFFIX):
        return "sharded"
    return recognise(file.data, file.path.suffix, str(file.path))


def _from_program(file: CheckpointFile, factory: Callable[..., nn.Module] | None) -> Loaded:
    where = str(file.path)
    if factory is not None:
        raise ConfigError(
            "an exported program brings its own network", where=where, hint="drop model.factory (--factory)"
        )
    module, weights, inputs = module_from_pt2(file.data, where)
    return LoadedCheckpoint(module, file.sha256, "pt2", len(file.data), inputs), weights


def _from_state(path: Path, file: CheckpointFile, kind: Format, module: nn.Module, options: StateOptions) -> Loaded:
    where = str(path)
    digests, size_bytes = [(file.path.name, file.sha256)], len(file.data)
    if kind == "sharded":
        entries: dict[str, Any] = {}
        for shard, names in read_shards(file):
            entries |= _entries_of_shard(shard, names)
            digests.append((shard.path.name, shard.sha256))
            size_bytes += len(shard.data)
        state = StateDict(entries, (f"{len(digests) - 1} shards",))
    else:
        state = read_state_dict(file.data, kind, where, options.state_key)
    notes = (*state.notes, *fit(module, state, where, options.rules))
    module.eval()
    return LoadedCheckpoint(module, combined_sha256(digests), kind, size_bytes, (), notes), _tensors(module)


def _entries_of_shard(shard: CheckpointFile, names: list[str]) -> Mapping[str, Any]:
    where = str(shard.path)
    entries = read_state_dict(shard.data, recognise(shard.data, shard.path.suffix, where), where).entries
    if difference := sorted(entries.keys() ^ set(names)):
        raise CheckpointError(
            f"its tensors are not those that the index names: {difference[0]!r} is in only one of the two",
            where=where,
            hint="save the checkpoint again, all files at once",
        )
    return entries


def _from_hugging_face(folder: Path, file: CheckpointFile, kind: Format, options: StateOptions) -> Loaded:
    config = read_file(folder / HUGGING_FACE_CONFIG)
    files = [config, file]
    if kind == "sharded":
        files += [shard for shard, _ in read_shards(file)]
        for shard in files[2:]:
            recognise(shard.data, shard.path.suffix, str(shard.path))
    digest = combined_sha256([(one.path.name, one.sha256) for one in files])
    size_bytes = sum(len(one.data) for one in files)
    module, notes = module_of_folder(folder, options.rules)
    return LoadedCheckpoint(module.eval(), digest, kind, size_bytes, (), notes), _tensors(module)


def _tensors(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}


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

"""Load a state dict into a network that needs exactly its entries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from converter.checkpoint.quiet import first_line, torch_is_quiet
from converter.checkpoint.state_dict import NAMES_SHOWN, StateDict
from converter.errors import CheckpointError, ConverterError

NAMES_IN_LINE = 3
LAZY = (UninitializedParameter, UninitializedBuffer)
# DataParallel and DistributedDataParallel, torch.compile, FullyShardedDataParallel, activation checkpointing
WRAPPERS = ("module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")


@dataclass(frozen=True)
class KeyRules:
    """Patterns of entries to leave out of a state dict, and of entries that it may lack; `*` stands for any text."""

    ignore: tuple[str, ...] = ()
    allow_missing: tuple[str, ...] = ()


def fit(module: nn.Module, state: StateDict, where: str, rules: KeyRules | None = None) -> tuple[str, ...]:
    """Load a state dict into a network, and return notes on the names that were changed or left out.

    A prefix that all names share, and the names of wrappers in them, are removed where the network fits without.

    Raises: CheckpointError with all missing, unexpected and ill-shaped names.
    """
    rules = rules or KeyRules()
    wanted = module.state_dict()
    entries, ignored = _without(state.entries, rules.ignore, where)
    entries, note = _renamed(entries, wanted.keys())
    shapes = {name: value for name, value in wanted.items() if isinstance(value, torch.Tensor)}
    ill_shaped = {
        name: f"{name} is {_shape(entries[name])}, the network has {_shape(value)}"
        for name, value in shapes.items()
        if name in entries and not isinstance(value, LAZY) and getattr(entries[name], "shape", None) != value.shape
    }
    missing, unexpected = _loaded(module, {k: v for k, v in entries.items() if k not in ill_shaped}, where)
    missing = [name for name in missing if name not in ill_shaped]
    tied = _tied_names(module, entries.keys())
    allowed = [name for name in missing if name not in tied and _matches(name, rules.allow_missing)]
    missing = [name for name in missing if name not in tied and name not in allowed]
    raise_unless_fitting(missing, unexpected, list(ill_shaped.values()), where)
    notes = [note, summary("ignored", ignored), summary("missing, as allowed", allowed)]
    return tuple(text for text in notes if text)


def raise_unless_fitting(
    missing: Sequence[str], unexpected: Sequence[str], ill_shaped: Sequence[str], where: str
) -> None:
    """Raise CheckpointError with the names, unless there are none."""
    problems = [
        *_listed("missing", missing),
        *_listed("unexpected", unexpected),
        *_listed("wrong shape", ill_shaped),
    ]
    if problems:
        raise CheckpointError(
            "the weights don't fit the network:\n" + "\n".join(problems), where=where, hint=_hint(missing, unexpected)
        )


def summary(what: str, names: Sequence[str]) -> str:
    """Return the first names of a list in one line, the empty text if there are none."""
    if not names:
        return ""
    more = f" and {len(names) - NAMES_IN_LINE} more" if len(names) > NAMES_IN_LINE else ""
    return f"{what}: {', '.join(names[:NAMES_IN_LINE])}{more}"


def _loaded(module: nn.Module, entries: Mapping[str, Any], where: str) -> tuple[list[str], list[str]]:
    try:
        with torch_is_quiet():
            missing, unexpected = module.load_state_dict(entries, strict=False)
    except ConverterError as error:
        error.where = error.where or where
        raise
    except Exception as error:  # the network's own hooks may raise anything
        raise CheckpointError(
            f"the network can't take these weights: {first_line(error)}", where=where, hint="check the factory"
        ) from error
    return list(missing), list(unexpected)


def _without(entries: Mapping[str, Any], patterns: Sequence[str], where: str) -> tuple[dict[str, Any], list[str]]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in entries):
            raise CheckpointError(
                f"--ignore-keys {pattern!r} matches none of the {len(entries)} entries",
                where=where,
                hint=f"they are named as {', '.join(list(entries)[:3])}",
            )
    ignored = [name for name in entries if _matches(name, patterns)]
    return {name: value for name, value in entries.items() if name not in set(ignored)}, ignored


def _renamed(entries: dict[str, Any], wanted: Iterable[str]) -> tuple[dict[str, Any], str]:
    """Return the entries under the names that fit the network best, and a note if they are not their own."""
    wanted = set(wanted)
    best, note = entries, ""
    for renamed, how in _renamings(entries):
        if len(renamed.keys() & wanted) > len(best.keys() & wanted):
            best, note = renamed, how
    return best, note


def _renamings(entries: dict[str, Any]) -> Iterable[tuple[dict[str, Any], str]]:
    for wrappers in (False, True):
        names = {name: _unwrapped(name) if wrappers else name for name in entries}
        if wrappers and (len(set(names.values())) < len(names) or all(old == new for old, new in names.items())):
            return
        removed = [wrapper for wrapper in WRAPPERS if wrappers and any(wrapper in name.split(".") for name in entries)]
        prefix = ""
        while True:
            yield (
                {new.removeprefix(prefix): entries[old] for old, new in names.items()},
                _removed([*removed, *([prefix.rstrip(".")] if prefix else [])]),
            )
            heads = {new.removeprefix(prefix).partition(".")[0] for new in names.values()}
            is_shared = len(heads) == 1 and all("." in new.removeprefix(prefix) for new in names.values())
            if not is_shared:
                break
            prefix += heads.pop() + "."


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _removed(parts: list[str]) -> str:
    return f"prefix {', '.join(f'{part}.' for part in parts)} removed" if parts else ""


def _tied_names(module: nn.Module, loaded: Iterable[str]) -> set[str]:
    """Return the names of tensors that share all their memory with one that was loaded."""
    tensors = {name: value for name, value in module.state_dict().items() if _has_memory(value)}
    held = {_memory(tensors[name]) for name in loaded if name in tensors}
    return {name for name, value in tensors.items() if _memory(value) in held}


def _has_memory(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and not isinstance(value, LAZY) and value.numel() > 0


def _memory(tensor: torch.Tensor) -> tuple[Any, ...]:
    return tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride()


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _hint(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    hint = "the factory and its keyword arguments (--kwargs) must build the network that was saved"
    if unexpected:
        hint += f"; entries that it has no use for can be left out: --ignore-keys '{unexpected[0]}'"
    elif missing:
        hint += f"; what may keep its initial value can be allowed: --allow-missing '{missing[0]}'"
    return hint


def _listed(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    rest = f", and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return [f"  {what} ({len(names)}): {', '.join(names[:NAMES_SHOWN])}{rest}"]


def _shape(value: Any) -> str:
    return f"({', '.join(map(str, value.shape))})" if isinstance(value, torch.Tensor) else type(value).__name__

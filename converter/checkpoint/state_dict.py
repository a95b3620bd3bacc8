"""Find the state dict among what a checkpoint holds."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import load as load_safetensors

from converter.checkpoint.archive import SAVE_A_STATE_DICT, Format
from converter.checkpoint.quiet import torch_is_quiet
from converter.checkpoint.unpickle import Unread, read_pickle, unreadable
from converter.errors import CheckpointError

STATE_KEYS = (
    "state_dict",
    "model",
    "model_state",
    "model_state_dict",
    "net",
    "network",
    "module",
    "params",
    "params_ema",
    "ema",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
)
EXTRA_STATE = "_extra_state"
NESTING_LIMIT = 4
NAMES_SHOWN = 10


@dataclass(frozen=True)
class StateDict:
    """The entries of a state dict, and notes on what was chosen and left out.

    Values are tensors, but for the entries named `_extra_state`, which `set_extra_state` of their module gets.
    """

    entries: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def read_state_dict(data: bytes, kind: Format, where: str, state_key: str | None = None) -> StateDict:
    """Return the state dict of a checkpoint's bytes, the one under `state_key` where that is given.

    Raises: CheckpointError if the bytes are damaged, hold no state dict, or hold several without a `state_key`.
    """
    if kind == "safetensors":
        try:
            with torch_is_quiet():
                return StateDict(load_safetensors(data))
        except Exception as error:  # damaged headers raise nearly any type
            raise unreadable(error, where) from error
    content, unread = read_pickle(data, where)
    if isinstance(content, Unread):
        raise CheckpointError(
            f"is a pickled {content.pickled}, not only weights; unpickling could run any code, so it is refused",
            where=where,
            hint=SAVE_A_STATE_DICT,
        )
    key, state = _chosen(content, state_key, where)
    notes = [f"state dict {key!r}"] if key else []
    if unread:
        notes.append(f"not read: pickled {', '.join(sorted(unread))}")
    return StateDict(_checked(state, where), tuple(notes))


def _chosen(content: Any, state_key: str | None, where: str) -> tuple[str, Mapping[Any, Any]]:
    if not isinstance(content, Mapping):
        what = f"holds a {type(content).__name__}, not a state dict"
        raise CheckpointError(what, where=where, hint=SAVE_A_STATE_DICT)
    if state_key is not None:
        return state_key, _under(content, state_key, where)
    if _is_state_dict(content):
        return "", content
    found = dict(_state_dicts(content))
    known = {key: state for key, state in found.items() if all(part in STATE_KEYS for part in key.split("."))}
    if len(known) == 1:
        return next(iter(known.items()))
    if found:
        raise CheckpointError(
            f"holds {len(known or found)} state dicts: {', '.join(_described(known or found))}",
            where=where,
            hint=f"choose one: --state-key {next(iter(known or found))}",
        )
    raise _without_state_dict(content, where)


def _state_dicts(content: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if not isinstance(key, str) or not isinstance(value, Mapping):
            continue
        if _is_state_dict(value):
            yield prefix + key, value
        elif depth + 1 < NESTING_LIMIT:
            yield from _state_dicts(value, f"{prefix}{key}.", depth + 1)


def _is_state_dict(content: Mapping[Any, Any]) -> bool:
    values = [value for name, value in content.items() if not str(name).endswith(EXTRA_STATE)]
    return bool(values) and all(isinstance(value, torch.Tensor) for value in values)


def _under(content: Mapping[Any, Any], state_key: str, where: str) -> Mapping[Any, Any]:
    found: Any = content
    for part in state_key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, Mapping) and _is_state_dict(found):
        return found
    held = ", ".join(_described(dict(_state_dicts(content)))) or "none"
    raise CheckpointError(
        f"holds no state dict under {state_key!r}", where=where, hint=f"the state dicts it holds: {held}"
    )


def _described(found: Mapping[str, Mapping[Any, Any]]) -> list[str]:
    return [f"{key} ({len(state)} entries)" for key, state in list(found.items())[:NAMES_SHOWN]]


def _without_state_dict(content: Mapping[Any, Any], where: str) -> CheckpointError:
    if not content:
        return CheckpointError("holds an empty state dict", where=where, hint=SAVE_A_STATE_DICT)
    inner = next((content[key] for key in STATE_KEYS if isinstance(content.get(key), Mapping | Unread)), None)
    if isinstance(inner, Mapping):
        return _without_state_dict(inner, where)
    if isinstance(inner, Unread):
        return CheckpointError(
            f"holds a pickled {inner.pickled} where the weights should be; unpickling could run any code, "
            "so it is refused",
            where=where,
            hint=SAVE_A_STATE_DICT,
        )
    held = ", ".join(f"{key}: {type(value).__name__}" for key, value in list(content.items())[:NAMES_SHOWN])
    return CheckpointError(f"holds no state dict, but {held}", where=where, hint=SAVE_A_STATE_DICT)


def _checked(state: Mapping[Any, Any], where: str) -> dict[str, Any]:
    for name, value in state.items():
        if not isinstance(name, str):
            raise CheckpointError(f"a tensor's name is {name!r}, not text", where=where, hint=SAVE_A_STATE_DICT)
        if not isinstance(value, torch.Tensor):
            _check_extra_state(name, value, where)
        elif value.layout is not torch.strided or value.device.type != "cpu" or value.is_quantized:
            raise CheckpointError(
                f"{name} is a {'quantized' if value.is_quantized else value.layout} tensor on {value.device}",
                where=where,
                hint="only dense tensors are read; convert it before saving",
            )
    return dict(state)


def _check_extra_state(name: str, value: Any, where: str) -> None:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    if isinstance(value, Unread):
        raise CheckpointError(
            f"{name} is a pickled {value.pickled}; unpickling could run any code, so it is refused",
            where=where,
            hint=f"leave the entry out: --ignore-keys {name!r}",
        )
    for item in inner:
        _check_extra_state(name, item, where)

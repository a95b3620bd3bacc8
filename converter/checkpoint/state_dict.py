"""Named tensors out of a checkpoint's bytes, and into a network that must want exactly those."""

import io
import re
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load as load_safetensors
from torch import nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter

from converter.checkpoint.archive import SAVE_A_STATE_DICT, Format
from converter.checkpoint.quiet import first_line, torch_is_quiet
from converter.errors import CheckpointError, ConverterError

NESTED_UNDER = ("state_dict", "model_state_dict", "model", "net")
LAZY = (UninitializedParameter, UninitializedBuffer)
WRAPPERS = ("module.", "_orig_mod.")  # DataParallel, torch.compile
NESTING_LIMIT = 4
NAMES_SHOWN = 10
FORBIDDEN_GLOBAL = re.compile(r"GLOBAL (\S+) was not an allowed global|module (\S+) is blocked|find (?:class )?(\S+)")


def read_state_dict(data: bytes, kind: Format, where: str) -> dict[str, torch.Tensor]:
    """The named tensors of a checkpoint, unwrapped from whatever dictionary they were saved in.

    Raises: CheckpointError if the bytes are damaged, or hold something else than tensors.
    """
    try:
        with torch_is_quiet():
            if kind == "safetensors":
                return load_safetensors(data)
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged pickles raise nearly any type
        raise _unreadable(error, where) from error
    return _unwrapped(content, where)


def fit(module: nn.Module, state: Mapping[str, torch.Tensor], where: str) -> None:
    """Load tensors into a network that has exactly these names and shapes.

    Raises: CheckpointError with all missing, unexpected and ill-shaped names.
    """
    wanted = {name: value for name, value in module.state_dict().items() if isinstance(value, torch.Tensor)}
    state = _without_wrappers(state, wanted.keys())
    ill_shaped = {
        name: f"{name} is {_shape(state[name])}, the network has {_shape(value)}"
        for name, value in wanted.items()
        if name in state and not isinstance(value, LAZY) and state[name].shape != value.shape
    }
    fitting = {name: value for name, value in state.items() if name not in ill_shaped}
    try:
        with torch_is_quiet():
            missing, unexpected = module.load_state_dict(fitting, strict=False)
    except ConverterError as error:
        error.where = error.where or where
        raise
    except Exception as error:  # the network's own hooks may raise anything
        raise CheckpointError(
            f"the network can't take these weights: {first_line(error)}", where=where, hint="check the factory"
        ) from error
    problems = [
        *_listed("missing", [name for name in missing if name not in ill_shaped]),
        *_listed("unexpected", list(unexpected)),
        *_listed("wrong shape", list(ill_shaped.values())),
    ]
    if problems:
        raise CheckpointError(
            "the weights don't fit the network:\n" + "\n".join(problems),
            where=where,
            hint="the factory and model.kwargs must build the network that was saved",
        )


def _unreadable(error: Exception, where: str) -> CheckpointError:
    if match := FORBIDDEN_GLOBAL.search(str(error)):
        name = next(group for group in match.groups() if group)
        return CheckpointError(
            f"holds a pickled {name}, not only weights; unpickling could run any code, so it is refused",
            where=where,
            hint=SAVE_A_STATE_DICT,
        )
    return CheckpointError(
        f"can't be read as weights: {type(error).__name__}: {_plain(first_line(error))}",
        where=where,
        hint="the file is damaged, or is no state dict; " + SAVE_A_STATE_DICT,
    )


def _plain(text: str) -> str:
    """The text without torch's advice to load unsafely."""
    return text.removeprefix("Weights only load failed. ").split("In PyTorch 2.6")[0].split("Re-running")[0].strip()


def _unwrapped(content: Any, where: str) -> dict[str, torch.Tensor]:
    for _ in range(NESTING_LIMIT):
        if not isinstance(content, Mapping) or not content:
            break
        if all(isinstance(value, torch.Tensor) for value in content.values()):
            return _checked(content, where)
        inner = next((content[key] for key in NESTED_UNDER if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping):
        raise CheckpointError(f"holds a {type(content).__name__}, no state dict", where=where, hint=SAVE_A_STATE_DICT)
    if not content:
        raise CheckpointError("holds an empty state dict", where=where, hint=SAVE_A_STATE_DICT)
    held = ", ".join(f"{key}: {type(value).__name__}" for key, value in list(content.items())[:NAMES_SHOWN])
    raise CheckpointError(
        f"holds no state dict at its top or under {', '.join(NESTED_UNDER)}, but {held}",
        where=where,
        hint=SAVE_A_STATE_DICT,
    )


def _checked(state: Mapping[Any, torch.Tensor], where: str) -> dict[str, torch.Tensor]:
    for name, tensor in state.items():
        if not isinstance(name, str):
            raise CheckpointError(f"a tensor's name is {name!r}, not text", where=where, hint=SAVE_A_STATE_DICT)
        if tensor.layout is not torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
            raise CheckpointError(
                f"{name} is a {'quantized' if tensor.is_quantized else tensor.layout} tensor on {tensor.device}",
                where=where,
                hint="only dense tensors are read; convert it before saving",
            )
    return dict(state)


def _without_wrappers(state: Mapping[str, torch.Tensor], wanted: Any) -> dict[str, torch.Tensor]:
    stripped = dict(state)
    while stripped.keys() != wanted:
        wrapper = next((prefix for prefix in WRAPPERS if all(name.startswith(prefix) for name in stripped)), None)
        if wrapper is None or not stripped:
            break
        stripped = {name.removeprefix(wrapper): value for name, value in stripped.items()}
    return stripped if stripped.keys() & wanted else dict(state)


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    rest = f", and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return [f"  {what} ({len(names)}): {', '.join(names[:NAMES_SHOWN])}{rest}"]


def _shape(tensor: torch.Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"

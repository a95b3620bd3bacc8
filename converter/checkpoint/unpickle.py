"""Read a pickled checkpoint with torch's restricted reader; objects beside the weights become empty stand-ins."""

import io
import re
from collections import OrderedDict
from typing import Any

import torch
from torch.serialization import get_unsafe_globals_in_checkpoint, safe_globals

from converter.checkpoint.archive import SAVE_A_STATE_DICT, ZIP_START
from converter.checkpoint.quiet import first_line, torch_is_quiet
from converter.errors import CheckpointError

FORBIDDEN_GLOBAL = re.compile(r"GLOBAL (\S+) was not an allowed global|module (\S+) is blocked|find (?:class )?(\S+)")
STAND_INS_LIMIT = 64
# callables in lower case that build data; any other function is refused, although no stand-in runs anything
BUILTIN_DATA = (
    "bool",
    "bytes",
    "complex",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "set",
    "str",
    "tuple",
)
DATA_CONSTRUCTORS = frozenset(
    {
        *(f"builtins.{name}" for name in BUILTIN_DATA),
        *(
            f"builtins.{name}"
            for name in [
                "bool",
                "bytes",
                "complex",
                "dict",
                "float",
                "frozenset",
                "int",
                "list",
                "object",
                "set",
                "str",
                "tuple",
            ]
        ),
        "collections.defaultdict",
        "collections.deque",
        "copyreg._reconstructor",
        "datetime.date",
        "datetime.datetime",
        "datetime.timedelta",
        "datetime.timezone",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy.dtype",
        "numpy.ndarray",
    }
)
NEVER = ("torch.jit.", "torch.fx.")


class Unread:
    """A stand-in for a pickled object that was not read; `pickled` is the name of its class."""

    pickled = ""

    def __new__(cls, *_: object, **__: object) -> "Unread":
        """Ignore the arguments."""
        return super().__new__(cls)

    def __setstate__(self, _: object) -> None:
        """Ignore the state."""


def read_pickle(data: bytes, where: str) -> tuple[Any, tuple[str, ...]]:
    """Return what a checkpoint's pickle holds, and the names of the classes that stand-ins replaced.

    Nothing is imported and nothing in the file is called.

    Raises: CheckpointError if the bytes are damaged, or name a function or a class that no stand-in may replace.
    """
    names = _unknown_globals(data)
    while True:
        for name in names:
            _check_is_data(name, where)
        try:
            with torch_is_quiet(), safe_globals([(_stand_in(name), name) for name in names]):
                return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True), tuple(names)
        except Exception as error:  # damaged pickles raise nearly any type
            unknown = _forbidden(error)
            if unknown is None or unknown in names or len(names) == STAND_INS_LIMIT:
                raise unreadable(error, where) from error
            names.append(unknown)


def unreadable(error: Exception, where: str) -> CheckpointError:
    """Return the error for a checkpoint that torch's reader refuses."""
    name = _forbidden(error)
    if name is not None:
        return _refused(name, where)
    return CheckpointError(
        f"can't be read as weights: {type(error).__name__}: {_plain(first_line(error))}",
        where=where,
        hint="the file is damaged, or is not a state dict; " + SAVE_A_STATE_DICT,
    )


def _refused(name: str, where: str) -> CheckpointError:
    return CheckpointError(
        f"holds a pickled {name}, not only weights; unpickling could run any code, so it is refused",
        where=where,
        hint=SAVE_A_STATE_DICT,
    )


def _unknown_globals(data: bytes) -> list[str]:
    if not data.startswith(ZIP_START):
        return []
    try:
        with torch_is_quiet():
            return sorted(get_unsafe_globals_in_checkpoint(io.BytesIO(data)))[: STAND_INS_LIMIT + 1]
    except Exception:  # torch.load reports the damage
        return []


def _check_is_data(name: str, where: str) -> None:
    is_class = name.rpartition(".")[2][:1].isupper()
    if name.startswith(NEVER) or not (is_class or name in DATA_CONSTRUCTORS):
        raise _refused(name, where)


def _stand_in(name: str) -> type:
    # torch fills only plain dictionaries with items, so a class that is a dictionary by name becomes one
    if "dict" in name.rpartition(".")[2].lower():
        return type("UnreadDict", (), {"__new__": lambda *_, **__: OrderedDict()})
    return type("Unread", (Unread,), {"pickled": name})


def _forbidden(error: Exception) -> str | None:
    match = FORBIDDEN_GLOBAL.search(str(error))
    name = next((group for group in match.groups() if group), None) if match else None
    return name if name is None or "." in name else f"builtins.{name}"  # as torch abbreviates them


def _plain(text: str) -> str:
    """Return the text without torch's advice to load unsafely."""
    return text.removeprefix("Weights only load failed. ").split("In PyTorch 2.6")[0].split("Re-running")[0].strip()

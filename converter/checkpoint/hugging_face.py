"""Load the network of a folder that `save_pretrained` of transformers wrote; nothing is downloaded or executed."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from torch import nn

from converter.checkpoint.files import HUGGING_FACE_CONFIG
from converter.checkpoint.fit import KeyRules, raise_unless_fitting, summary
from converter.checkpoint.quiet import first_line, torch_is_quiet
from converter.errors import CheckpointError, ConfigError

CODE_IN_FOLDER = "auto_map"
NAME_THE_CODE = "name the code that builds the network: --factory FILE.py:NAME"


def module_of_folder(folder: Path, rules: KeyRules) -> tuple[nn.Module, tuple[str, ...]]:
    """Return the network that a folder's `config.json` describes, with its weights in float32, and notes on them.

    Raises: CheckpointError if transformers doesn't know the network or the weights don't fit;
            ConfigError if transformers isn't installed.
    """
    where = str(folder)
    class_name = _class_name(folder)
    network_class = _network_class(class_name, where)
    try:
        with torch_is_quiet():
            module, info = network_class.from_pretrained(
                where, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:  # transformers raises OSError, ValueError, KeyError, RuntimeError and others
        raise CheckpointError(
            f"transformers can't load it as {class_name}: {type(error).__name__}: {first_line(error)}",
            where=where,
            hint="save it again with model.save_pretrained(folder), or update transformers",
        ) from error
    for name, value in (("use_cache", False), ("return_dict", True)):
        setattr(module.config, name, value)
    return module, (f"transformers.{class_name}", *_notes(info, rules, where))


def _notes(info: dict[str, Any], rules: KeyRules, where: str) -> list[str]:
    unexpected, missing = sorted(info["unexpected_keys"]), sorted(info["missing_keys"])
    ignored = [name for name in unexpected if any(fnmatchcase(name, pattern) for pattern in rules.ignore)]
    allowed = [name for name in missing if any(fnmatchcase(name, pattern) for pattern in rules.allow_missing)]
    raise_unless_fitting(
        [name for name in missing if name not in allowed],
        [name for name in unexpected if name not in ignored],
        [f"{name} is {tuple(held)}, the network has {tuple(shape)}" for name, held, shape in info["mismatched_keys"]],
        where,
    )
    return [text for text in (summary("ignored", ignored), summary("missing, as allowed", allowed)) if text]


def _class_name(folder: Path) -> str:
    where = str(folder / HUGGING_FACE_CONFIG)
    try:
        config = json.loads((folder / HUGGING_FACE_CONFIG).read_bytes())
        names = config.get("architectures")
    except (ValueError, OSError, AttributeError, RecursionError) as error:
        raise CheckpointError("is not the config of a model", where=where, hint=NAME_THE_CODE) from error
    if CODE_IN_FOLDER in config:
        raise CheckpointError("names code inside the folder, which is not executed", where=where, hint=NAME_THE_CODE)
    if not isinstance(names, list) or not names or not isinstance(names[0], str):
        raise CheckpointError("names no architecture", where=where, hint=NAME_THE_CODE)
    return names[0]


def _network_class(class_name: str, where: str) -> Any:
    try:
        with torch_is_quiet():
            import transformers
    except ImportError as error:
        raise ConfigError(
            "a folder of Hugging Face needs transformers", where=where, hint="pip install 'compat-export[hugging-face]'"
        ) from error
    network_class = getattr(transformers, class_name, None)
    if not (isinstance(network_class, type) and issubclass(network_class, nn.Module)):
        raise CheckpointError(
            f"transformers {transformers.__version__} has no network {class_name!r}",
            where=where,
            hint=f"update transformers, or {NAME_THE_CODE}",
        )
    return network_class

"""Find out what kind of file the SOURCE of a command is."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from converter.errors import CheckpointError, ConfigError

CONFIGS = (".yaml", ".yml")
STATE_DICTS = (".pth", ".pt", ".ckpt", ".bin", ".pth.tar", ".safetensors", ".safetensors.index.json", ".bin.index.json")
PROGRAMS = (".pt2", ".onnx")
EXPECTED = ".pth, .pt, .ckpt, .bin, .safetensors, .pt2, .onnx, .yaml or a folder of Hugging Face"


def settings_of(source: Path, flags: Mapping[str, Any]) -> tuple[Path | None, dict[str, Any]]:
    """Return the config file that a source is, or the settings that stand for one.

    Raises: CheckpointError or ConfigError if there is no such file, its kind is unknown, or the code of the network
            is missing.
    """
    kind = _suffix(source)
    if not source.exists():
        error = ConfigError if kind in CONFIGS else CheckpointError
        raise error("no such file", where=str(source), hint="check the path")
    if kind in CONFIGS:
        return source, {}
    if not source.is_dir():
        _check_kind(source, kind, flags)
    return None, {"name": _name_from(source, kind), "model.checkpoint": source}


def _check_kind(source: Path, kind: str, flags: Mapping[str, Any]) -> None:
    if kind not in (*STATE_DICTS, *PROGRAMS):
        raise ConfigError(
            f"cannot convert {source.name}: expected {EXPECTED}",
            where=str(source),
            hint="save the weights, torch.save(model.state_dict(), 'model.pth'), or export the model to .onnx",
        )
    if kind in STATE_DICTS and "model.factory" not in flags:
        raise ConfigError(
            "a state dict holds weights only, not the network they belong to",
            where=str(source),
            hint="name the code that builds it: --factory net.py:Net",
        )


def _suffix(source: Path) -> str:
    """Return the longest known suffix of a file's name, in lower case."""
    name = source.name.lower()
    known = [suffix for suffix in (*CONFIGS, *STATE_DICTS, *PROGRAMS) if name.endswith(suffix)]
    return max(known, key=len, default="")


def _name_from(source: Path, suffix: str) -> str:
    source = source.absolute()
    name = source.name.lower().removesuffix(suffix)
    return re.sub(r"[^a-z0-9._-]+", "-", name).lstrip("._-") or "model"

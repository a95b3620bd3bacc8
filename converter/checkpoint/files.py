"""Read the files of a checkpoint: one file, the shards that an index names, or a folder as Hugging Face saves it."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from converter.errors import CheckpointError

INDEX_SUFFIX = ".index.json"
HUGGING_FACE_CONFIG = "config.json"
# as `save_pretrained` of transformers names them, the safe format first
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors" + INDEX_SUFFIX,
    "pytorch_model.bin",
    "pytorch_model.bin" + INDEX_SUFFIX,
)


@dataclass(frozen=True)
class CheckpointFile:
    """The path and the bytes of one file."""

    path: Path
    data: bytes

    @property
    def sha256(self) -> str:
        """The digest of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


def weights_path(path: Path) -> Path:
    """Return the file that holds a checkpoint's weights or their index: the path itself unless it is a folder.

    Raises: CheckpointError if a folder holds no such file.
    """
    if not path.is_dir():
        return path
    found = next((path / name for name in WEIGHT_FILES if (path / name).exists()), None)
    if found is None:
        raise CheckpointError(
            f"is a folder without {' or '.join(WEIGHT_FILES)}", where=str(path), hint="give the file inside it"
        )
    return found


def read_file(path: Path) -> CheckpointFile:
    """Return a regular file's bytes.

    Raises: CheckpointError if it can't be read.
    """
    where = str(path)
    if path.exists() and not path.is_file():
        raise CheckpointError("is not a regular file", where=where, hint="give a file")
    try:
        return CheckpointFile(path, path.read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError("no such file", where=where, hint="check the path") from error
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "not enough memory"
        raise CheckpointError(f"can't be read: {reason}", where=where, hint="check the file") from error


def read_shards(index: CheckpointFile) -> Iterator[tuple[CheckpointFile, list[str]]]:
    """Yield each file that an index names, with the names of the tensors that it must hold.

    Raises: CheckpointError if the index is damaged, or names a file that isn't next to it.
    """
    where = str(index.path)
    by_file: dict[str, list[str]] = {}
    for name, file in _weight_map(index).items():
        by_file.setdefault(file, []).append(name)
    for file, names in sorted(by_file.items()):
        path = index.path.parent / file
        if Path(file).name != file or path.is_symlink():
            what = f"names {file!r}, which is not a file next to it"
            raise CheckpointError(what, where=where, hint="save the checkpoint again, all files in one folder")
        yield read_file(path), names


def combined_sha256(files: list[tuple[str, str]]) -> str:
    """Return one digest of several files: that of the lines `sha256  name` in the order of the names.

    A single file's digest is its own.
    """
    if len(files) == 1:
        return files[0][1]
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def _weight_map(index: CheckpointFile) -> dict[str, str]:
    try:
        weight_map = json.loads(index.data)["weight_map"]
        is_map = isinstance(weight_map, dict) and bool(weight_map)
        if is_map and all(isinstance(file, str) and file for file in weight_map.values()):
            return weight_map  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise CheckpointError(
        "has no weight_map of tensor names to files",
        where=str(index.path),
        hint="save the checkpoint again: model.save_pretrained(folder)",
    )

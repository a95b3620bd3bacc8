"""How people name a version: `NAME@VERSION`, `NAME@CHANNEL`, `NAME` for its latest, or its folder."""

import re
from collections.abc import Iterable
from pathlib import Path

from converter.artifact.index import INDEX_NAME, LATEST, Index, read_index
from converter.artifact.manifest import MANIFEST_NAME
from converter.artifact.versions import newest_first
from converter.config import NAME_PATTERN
from converter.errors import ArtifactError


def folder_of(text: str, root: Path) -> Path:
    """The folder that a reference names: a path that exists is itself, anything else is looked up in the store.

    Raises: ArtifactError if the store under `root` has no such model, version or channel.
    """
    name, _, wanted = text.partition("@")
    if Path(text).exists() or not re.fullmatch(NAME_PATTERN, name) or not ("@" in text or (root / name).is_dir()):
        return Path(text)
    if name not in model_names(root):
        raise ArtifactError(f"no model {name} in this store", where=str(root), hint=_choice(model_names(root)))
    version = version_in(read_index(root / name), wanted or LATEST, where=str(root / name))
    if not (root / name / version).is_dir():
        raise ArtifactError(f"{name} {version} is in the index, but not here", where=str(root), hint="restore it")
    return root / name / version


def version_in(index: Index, wanted: str, *, where: str) -> str:
    """The version that a version or a channel names in an index.

    Raises: ArtifactError if there is none.
    """
    version = index.version_of(wanted)
    if version is None:
        known = [*newest_first(index.versions), *sorted(index.channels)]
        raise ArtifactError(f"{index.name} has no version or channel {wanted!r}", where=where, hint=_choice(known))
    return version


def model_names(root: Path) -> list[str]:
    """The models that a store holds."""
    if not root.is_dir():
        return []
    folders = (path for path in root.iterdir() if re.fullmatch(NAME_PATTERN, path.name))
    return sorted(path.name for path in folders if _holds_a_model(path))


def _holds_a_model(folder: Path) -> bool:
    return (folder / INDEX_NAME).is_file() or any(folder.glob(f"*/{MANIFEST_NAME}"))


def _choice(known: Iterable[str]) -> str:
    return f"there is: {', '.join(known) or 'nothing yet; convert a model first'}"

"""Removes what nobody was promised: versions that were never released, and drafts whose process died."""

import os
import secrets
from functools import partial
from pathlib import Path

from converter.artifact.index import Index, change_index, read_index
from converter.artifact.locks import held
from converter.artifact.store import DRAFT_SUFFIX, remove_abandoned
from converter.artifact.versions import newest_first


def collectable(index: Index, *, keep: int) -> list[str]:
    """The versions that may go, newest first: never released, on no channel, and not among the `keep` newest."""
    spared = {*index.channels.values(), *newest_first(index.versions)[:keep]}
    return [
        version
        for version in newest_first(index.versions)
        if index.versions[version].released is False and version not in spared
    ]


def collect(model_folder: Path, *, keep: int, dry_run: bool = False) -> list[str]:
    """Remove the collectable versions of a model and its abandoned drafts; returns the versions.

    A version leaves in one step, so that a kill leaves it whole, or out of sight.
    """
    if dry_run:
        return collectable(read_index(model_folder), keep=keep)
    with held(model_folder):
        versions = collectable(read_index(model_folder), keep=keep)
        for version in versions:
            hidden = f".{version}.{secrets.token_hex(4)}{DRAFT_SUFFIX}"
            os.rename(model_folder / version, model_folder / hidden)  # noqa: PTH104 - as Draft gives it its place
            change_index(model_folder, partial(Index.without, version=version))
        remove_abandoned(model_folder)
    return versions

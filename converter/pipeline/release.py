"""Publishes a proved artifact: the same bytes, in another place."""

import os
import shutil
from pathlib import Path

from converter.artifact.manifest import Contents, Manifest
from converter.artifact.store import Artifact, Draft, FormatPlan, open_artifact, verify_files
from converter.errors import ArtifactError, InternalError


def release(folder: Path, to: Path) -> Path:
    """Copy an artifact to `to/<name>/<version>`, whole or not at all; nothing changes if it is there already.

    Raises: ArtifactError if the artifact is damaged or unproved, or another one has this name and version.
    """
    artifact = open_artifact(folder)
    manifest = artifact.manifest
    verify_files(artifact)
    if manifest.parity.status != "passed":
        raise ArtifactError(
            "not proved: its parity was not run", where=str(folder), hint="convert it without --no-verify, then release"
        )
    final = to / manifest.name / manifest.version
    if _is_there(final, manifest):
        return final
    with Draft(to, manifest.name, manifest.version) as draft:
        for entry in manifest.files:
            target = draft.folder / entry.path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / entry.path, target)
        published = draft.publish(_contents_of(manifest), _formats_of(manifest))
    if published.manifest != manifest:
        raise InternalError(f"the manifest of {published.folder} is not the one that was released")
    return published.folder


def _is_there(final: Path, manifest: Manifest) -> bool:
    if not final.is_dir():
        return False
    published: Artifact = open_artifact(final)
    verify_files(published)
    return published.manifest.digest == manifest.digest


def _contents_of(manifest: Manifest) -> Contents:
    return Contents.model_validate(manifest.model_dump(include=set(Contents.model_fields), by_alias=False))


def _formats_of(manifest: Manifest) -> list[FormatPlan]:
    return [
        FormatPlan(
            one.name,
            path=os.path.commonpath(one.files) if one.files else None,
            sha256=None if one.files else one.sha256,
            parent=one.parent.format if one.parent else None,
        )
        for one in manifest.formats
    ]

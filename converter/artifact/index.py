"""The index of a model: its versions with their digests, and the channels that name some of them.

It is what a reader starts from, and the one file of a store that changes: each change replaces it whole.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from converter.artifact.locks import sync
from converter.artifact.manifest import INTEGRITY_PATTERN, MANIFEST_NAME, Frozen, Sha256, manifest_from_bytes
from converter.artifact.versions import is_version, moves_latest, newest_first
from converter.config import NAME_PATTERN, SEMVER_PATTERN
from converter.errors import ArtifactError
from converter.fileio import canonical_json, digests_of, write_atomically

INDEX_NAME = "index.json"
INDEX_SCHEMA_VERSION: Final = "1.0"
LATEST = "latest"
CHANNEL_PATTERN = r"^[a-z][a-z0-9-]*$"

VersionName = Annotated[str, Field(pattern=SEMVER_PATTERN)]
ChannelName = Annotated[str, Field(pattern=CHANNEL_PATTERN)]


class VersionEntry(Frozen):
    """One version: the digest that its manifest gives itself, and the integrity of `manifest.json`, for browsers.

    `released` is null where that is not known: of a version that was found in the store, and not put there.
    """

    digest: Sha256
    integrity: str = Field(pattern=INTEGRITY_PATTERN)
    released: bool | None


class Index(Frozen):
    """What `index.json` says; `revision` grows with every change, so that an older one is known for what it is."""

    schema_version: Literal["1.0"] = INDEX_SCHEMA_VERSION
    name: str = Field(pattern=NAME_PATTERN)
    revision: int = Field(default=0, ge=0)
    versions: dict[VersionName, VersionEntry] = Field(default={})
    channels: dict[ChannelName, VersionName] = Field(default={})

    @model_validator(mode="after")
    def _channels_name_versions(self) -> Self:
        if lost := sorted(set(self.channels.values()) - self.versions.keys()):
            raise ValueError(f"channels name {lost}, which are not among the versions")
        return self

    def version_of(self, wanted: str) -> str | None:
        """The version that a version or a channel names, None if there is none."""
        return wanted if wanted in self.versions else self.channels.get(wanted)

    def with_version(self, version: str, entry: VersionEntry) -> "Index":
        """The index with a version, and `latest` moved to it if it comes after the one there.

        A version that is known stays released once it was; a pre-release is `latest` only where no final version is.
        Raises: ArtifactError if the index has that version with another digest, and it may have been released.
        """
        known = self.versions.get(version)
        if known and known.digest != entry.digest and known.released is not False:
            raise ArtifactError(
                f"{self.name} {version} was released with the digest {known.digest}, this one has {entry.digest}",
                where=INDEX_NAME,
                hint="choose the next version; a released one never changes",
            )
        if known and known.released:
            entry = entry.model_copy(update={"released": True})
        moves = moves_latest(version, self.channels.get(LATEST))
        channels = self.channels | ({LATEST: version} if moves else {})
        return self._changed(versions=self.versions | {version: entry}, channels=channels)

    def with_channel(self, channel: str, version: str) -> "Index":
        """The index with a channel moved to one of its versions.

        Raises: ArtifactError if it has no such version, or the channel's name is none.
        """
        if version not in self.versions:
            raise ArtifactError(
                f"{self.name} has no version {version}", where=f"channel {channel}", hint="release it first"
            )
        if not is_channel(channel):
            raise ArtifactError(
                f"{channel!r} is not the name of a channel", where="channel", hint="such as stable: a-z, 0-9 and -"
            )
        return self._changed(channels=self.channels | {channel: version})

    def without(self, version: str) -> "Index":
        """The index without a version; the channels that named it go with it."""
        versions = {key: entry for key, entry in self.versions.items() if key != version}
        channels = {key: named for key, named in self.channels.items() if named != version}
        return self._changed(versions=versions, channels=channels)

    def revised(self, change: "Callable[[Index], Index]") -> "Index":
        """The next revision, however many steps `change` makes of it; the same index if it changes nothing.

        That each is one more than the last is what lets a store refuse the second of two that are made at once.
        """
        changed = change(self).model_copy(update={"revision": self.revision})
        return self if changed == self else changed.model_copy(update={"revision": self.revision + 1})

    def _changed(self, **changes: Any) -> "Index":
        changed = self.model_copy(update=changes)
        return self if changed == self else changed.model_copy(update={"revision": self.revision + 1})


def is_channel(text: str) -> bool:
    """Whether a text can name a channel."""
    return re.fullmatch(CHANNEL_PATTERN, text) is not None


def bytes_from_index(index: Index) -> bytes:
    """What `index.json` holds: equal indexes give equal bytes."""
    return canonical_json(index.model_dump(mode="json"))


def index_from_bytes(data: bytes, *, name: str, where: str) -> Index:
    """The index of the model `name` that `bytes_from_index` wrote; what a newer minor version adds is ignored.

    Raises: ArtifactError if the bytes are damaged, of another model, or of a schema version that isn't read.
    """
    try:
        value = json.loads(data)
        major = str(value["schema_version"]).partition(".")[0]
        if major != INDEX_SCHEMA_VERSION.partition(".")[0]:
            raise ArtifactError(
                f"schema version {value['schema_version']!r}, this tool reads {INDEX_SCHEMA_VERSION}",
                where=where,
                hint="use a newer version of compat-export",
            )
        index = Index.model_validate(value | {"schema_version": INDEX_SCHEMA_VERSION}, extra="ignore")
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise ArtifactError(
            f"can't be read: {error}", where=where, hint="restore it, or release a version again"
        ) from error
    if index.name != name:
        raise ArtifactError(f"the index of {index.name}, not of {name}", where=where, hint="restore the right one")
    return index


def entry_from(manifest: Path, *, released: bool | None) -> VersionEntry:
    """What the index says of the version with that `manifest.json`."""
    _, integrity = digests_of(manifest)
    digest = manifest_from_bytes(manifest.read_bytes(), where=str(manifest)).digest
    return VersionEntry(digest=digest, integrity=integrity, released=released)


def read_index(model_folder: Path) -> Index:
    """The index of a model's folder, in the light of what the folder holds.

    A version that the index lacks was published by a process that then died: it is there, and may be released.
    Raises: ArtifactError if the index or a manifest is damaged.
    """
    path = model_folder / INDEX_NAME
    index = Index(name=model_folder.name)
    if path.exists():
        index = index_from_bytes(path.read_bytes(), name=model_folder.name, where=str(path))
    for version in newest_first(set(index.versions) - _versions_in(model_folder)):
        if index.versions[version].released is False:
            index = index.without(version)
    for version in reversed(newest_first(_versions_in(model_folder) - set(index.versions))):
        index = index.with_version(version, entry_from(model_folder / version / MANIFEST_NAME, released=None))
    return index


def change_index(model_folder: Path, change: Callable[[Index], Index]) -> Index:
    """Replace the index by what `change` makes of it; whoever calls this holds the model's folder."""
    changed = read_index(model_folder).revised(change)
    data, path = bytes_from_index(changed), model_folder / INDEX_NAME
    if not path.exists() or path.read_bytes() != data:
        write_atomically(path, data)
        sync(model_folder)
    return changed


def _versions_in(model_folder: Path) -> set[str]:
    if not model_folder.is_dir():
        return set()
    folders = (path for path in model_folder.iterdir() if is_version(path.name) and not path.is_symlink())
    return {path.name for path in folders if (path / MANIFEST_NAME).is_file()}

"""Publishes to any store that fsspec knows, such as S3, in an order that never shows half a version.

A version belongs to the first artifact that claims it. Its files follow, `manifest.json` last of them, then the index.
Every write but that of `index.json` is refused where something is there already. So is a new revision of the index,
which is kept as `.index/REVISION.json`: of two that are made at once, one is made again from the other.
"""

import hashlib
import mimetypes
from collections.abc import Callable, Sequence

from converter.artifact.files import SIGNATURE_NAME
from converter.artifact.index import INDEX_NAME, Index, VersionEntry, bytes_from_index, index_from_bytes
from converter.artifact.manifest import MANIFEST_NAME
from converter.errors import ArtifactError
from converter.fileio import canonical_json, digests_of
from converter.publish.base import IMMUTABLE, SHORT_LIVED, OnFile, Parcel, Plan, PlannedFile, taken
from converter.publish.objects import Objects

CLAIMS = ".claims"
REVISIONS = ".index"


class ObjectStore:
    """Versions at URL/NAME/VERSION/, and the index of a model at URL/NAME/index.json."""

    def __init__(self, url: str) -> None:
        self._objects = Objects(url)

    def plan(self, parcel: Parcel, channels: Sequence[str]) -> Plan:
        """What `publish` will do.

        Raises: ArtifactError if another artifact has this version there, or the store can't be read.
        """
        files = tuple(PlannedFile(path, size, IMMUTABLE) for path, size in parcel.sizes().items())
        index = self._index(parcel.name)
        moved = {channel: index.channels.get(channel) for channel in channels}
        claim = self._objects.read(_claim_path(parcel))
        if claim is not None and claim != _claim(parcel):
            raise taken(parcel, self._place(parcel))
        manifest = self._objects.read(f"{parcel.name}/{parcel.version}/{MANIFEST_NAME}")
        if manifest is not None and manifest != parcel.manifest_bytes():
            raise taken(parcel, self._place(parcel))
        return Plan(self._place(parcel), manifest is not None, files, moved)

    def publish(self, parcel: Parcel, channels: Sequence[str], on_file: OnFile) -> str:
        """Publish a version whole, then move channels to it; returns its URL. What a killed try left is used.

        Raises: ArtifactError if another artifact has claimed this version, or the store refuses.
        """
        if not self.plan(parcel, channels).is_there:
            self._create(_claim_path(parcel), _claim(parcel), parcel)
            for path in parcel.sizes():
                self._put(parcel, path)
                on_file(path)
        elif parcel.signature is not None:
            self._require_signature(parcel)
        _, integrity = digests_of(parcel.artifact.folder / MANIFEST_NAME)
        entry = VersionEntry(digest=parcel.artifact.manifest.digest, integrity=integrity, released=True)

        def promoted(index: Index) -> Index:
            index = index.with_version(parcel.version, entry)
            for channel in channels:
                index = index.with_channel(channel, parcel.version)
            return index

        self._change_index(parcel.name, promoted)
        return self._place(parcel)

    def _put(self, parcel: Parcel, path: str) -> None:
        key, source = f"{parcel.name}/{parcel.version}/{path}", parcel.artifact.folder / path
        if path == MANIFEST_NAME:
            self._create(key, parcel.manifest_bytes(), parcel)
        elif path == SIGNATURE_NAME:
            # Two signatures of the same bytes differ, and each is good: the first stays.
            self._objects.create(key, parcel.signature or b"", cache_control=IMMUTABLE, content_type=_type_of(path))
        elif not self._objects.create_from(key, source, cache_control=IMMUTABLE, content_type=_type_of(path)):
            entry = next(entry for entry in parcel.artifact.manifest.files if entry.path == path)
            if self._objects.sha256(key) != entry.sha256:
                raise taken(parcel, self._objects.url_of(key))

    def _create(self, key: str, data: bytes, parcel: Parcel) -> None:
        is_new = self._objects.create(key, data, cache_control=IMMUTABLE, content_type=_type_of(key))
        if not is_new and self._objects.read(key) != data:
            raise taken(parcel, self._place(parcel))

    def _require_signature(self, parcel: Parcel) -> None:
        if self._objects.read(f"{parcel.name}/{parcel.version}/{SIGNATURE_NAME}") is None:
            raise ArtifactError(
                "was published without a signature, and versions are never changed",
                where=self._place(parcel),
                hint="sign the next version, or release this one without a key",
            )

    def _index(self, name: str) -> Index:
        """The newest revision of a model's index."""
        revisions = [one for one in self._objects.names(f"{name}/{REVISIONS}") if one.endswith(".json")]
        if not revisions:
            return Index(name=name)
        key = f"{name}/{REVISIONS}/{max(revisions)}"
        return index_from_bytes(self._objects.read(key) or b"", name=name, where=self._objects.url_of(key))

    def _change_index(self, name: str, change: Callable[[Index], Index]) -> None:
        current, is_made = self._index(name), False
        while not is_made:
            changed = current.revised(change)
            is_made = changed == current or self._objects.create(
                f"{name}/{REVISIONS}/{changed.revision:08}.json",
                bytes_from_index(changed),
                cache_control=IMMUTABLE,
                content_type="application/json",
            )
            current = changed if is_made else self._index(name)
        while current != self._shown(name):
            self._objects.replace(
                f"{name}/{INDEX_NAME}",
                bytes_from_index(current),
                cache_control=SHORT_LIVED,
                content_type="application/json",
            )
            current = self._index(name)  # another may have made a newer one, and shown it before us

    def _shown(self, name: str) -> Index | None:
        data = self._objects.read(f"{name}/{INDEX_NAME}")
        return None if data is None else index_from_bytes(data, name=name, where=self._objects.url_of(name))

    def _place(self, parcel: Parcel) -> str:
        return self._objects.url_of(f"{parcel.name}/{parcel.version}")


def _claim_path(parcel: Parcel) -> str:
    return f"{parcel.name}/{CLAIMS}/{parcel.version}.json"


def _claim(parcel: Parcel) -> bytes:
    return canonical_json({"manifest_sha256": hashlib.sha256(parcel.manifest_bytes()).hexdigest()})


def _type_of(path: str) -> str:
    if path.endswith(SIGNATURE_NAME):
        return "application/json"
    return mimetypes.guess_type(path)[0] or "application/octet-stream"

"""Publishes to a folder: a store like the one that artifacts come from."""

from collections.abc import Sequence
from pathlib import Path

from converter.artifact.files import SIGNATURE_NAME
from converter.artifact.index import Index, change_index, entry_from, read_index
from converter.artifact.locks import held
from converter.artifact.manifest import MANIFEST_NAME
from converter.artifact.store import Draft, open_artifact, verify_files
from converter.errors import ArtifactError
from converter.publish.base import OnFile, Parcel, Plan, PlannedFile, taken


class Folder:
    """A store on a file system, as DIR/NAME/VERSION with DIR/NAME/index.json."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def plan(self, parcel: Parcel, channels: Sequence[str]) -> Plan:
        """What `publish` will do.

        Raises: ArtifactError if another artifact has this version there, or it is damaged.
        """
        files = tuple(PlannedFile(path, size) for path, size in parcel.sizes().items())
        index = read_index(self._root / parcel.name)
        moved = {channel: index.channels.get(channel) for channel in channels}
        return Plan(str(self._place(parcel)), self._is_there(parcel), files, moved)

    def publish(self, parcel: Parcel, channels: Sequence[str], on_file: OnFile) -> str:
        """Publish a version whole, then move channels to it; returns its folder.

        Raises: ArtifactError if another artifact has this version there, or the folder can't be written.
        """
        place = self._place(parcel)
        if not self._is_there(parcel):
            self._add(parcel, on_file)

        def promoted(index: Index) -> Index:
            index = index.with_version(parcel.version, entry_from(place / MANIFEST_NAME, released=True))
            for channel in channels:
                index = index.with_channel(channel, parcel.version)
            return index

        with held(self._root / parcel.name):
            change_index(self._root / parcel.name, promoted)
        return str(place)

    def _add(self, parcel: Parcel, on_file: OnFile) -> None:
        try:
            with Draft(self._root, parcel.name, parcel.version, released=True) as draft:
                draft.publish_copy(parcel.artifact, parcel.signature, on_file=on_file)
        except ArtifactError:
            if not self._is_there(parcel):  # another process may have published the same meanwhile
                raise

    def _place(self, parcel: Parcel) -> Path:
        return self._root / parcel.name / parcel.version

    def _is_there(self, parcel: Parcel) -> bool:
        place = self._place(parcel)
        if not place.is_dir():
            return False
        published = open_artifact(place)
        verify_files(published)
        if (place / MANIFEST_NAME).read_bytes() != parcel.manifest_bytes():
            raise taken(parcel, str(place))
        if parcel.signature is not None and not (place / SIGNATURE_NAME).is_file():
            raise ArtifactError(
                "was published without a signature, and versions are never changed",
                where=str(place),
                hint="sign the next version, or release this one without a key",
            )
        return True

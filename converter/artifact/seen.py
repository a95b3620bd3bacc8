"""What was seen of published indexes, so that an older or rewritten one is refused when it is shown again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from converter.artifact.index import Index
from converter.errors import ArtifactError
from converter.fileio import canonical_json, write_atomically

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True)
class Seen:
    """For each place, the newest index that was seen there."""

    indexes: Mapping[str, Index] = field(default_factory=dict)

    def check(self, place: str, index: Index) -> None:
        """Nothing, if this index can follow the one that was seen at a place.

        Raises: ArtifactError if it is older, or says otherwise of a released version than before.
        """
        known = self.indexes.get(place)
        if known is None:
            return
        if index.revision < known.revision:
            raise _refused(f"revision {index.revision}, but {known.revision} was seen there before", place)
        if index.revision == known.revision and index != known:
            raise _refused(f"another revision {index.revision} than the one that was seen there before", place)
        for version, entry in known.versions.items():
            now = index.versions.get(version)
            if entry.released is not False and (now is None or now.digest != entry.digest):
                raise _refused(f"it says of the released version {version} what it didn't say before", place)

    def having(self, place: str, index: Index) -> "Seen":
        """What was seen, with this index as the newest of its place."""
        return Seen({**self.indexes, place: index})


def load_seen(file: Path) -> Seen:
    """What a file remembers; nothing if it isn't there.

    Raises: ArtifactError if it is damaged: then nobody knows what was seen.
    """
    if not file.exists():
        return Seen()
    try:
        value = json.loads(file.read_bytes())
        return Seen({place: Index.model_validate(index) for place, index in value["indexes"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"can't be read: {error}", where=str(file), hint="restore it, or delete it to trust what comes next"
        ) from error


def save_seen(file: Path, seen: Seen) -> None:
    """Write what was seen; a file's folder is made if it is missing."""
    file.parent.mkdir(parents=True, exist_ok=True)
    indexes = {place: index.model_dump(mode="json") for place, index in seen.indexes.items()}
    write_atomically(file, canonical_json({"schema_version": SCHEMA_VERSION, "indexes": indexes}))


def _refused(what: str, place: str) -> ArtifactError:
    return ArtifactError(
        what, where=place, hint="someone may be showing an old or a changed index; ask who publishes these models"
    )

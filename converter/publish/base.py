"""What every destination has in common: it takes a parcel, and says beforehand what it will do with it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from converter.artifact.files import SIGNATURE_NAME
from converter.artifact.manifest import MANIFEST_NAME
from converter.artifact.store import Artifact
from converter.errors import ArtifactError

IMMUTABLE = "public, max-age=31536000, immutable"
SHORT_LIVED = "public, max-age=60, must-revalidate"

OnFile = Callable[[str], None]
"""Is told of each file that has arrived."""


@dataclass(frozen=True)
class Parcel:
    """An artifact to be published, with a signature of it if there is one."""

    artifact: Artifact
    signature: bytes | None = None

    @property
    def name(self) -> str:
        """The model's name."""
        return self.artifact.manifest.name

    @property
    def version(self) -> str:
        """The model's version."""
        return self.artifact.manifest.version

    def sizes(self) -> dict[str, int]:
        """Each file with its size in bytes, in the order of publishing: a folder without its manifest is no version."""
        sizes = {entry.path: entry.size_bytes for entry in self.artifact.manifest.files}
        if self.signature is not None:
            sizes[SIGNATURE_NAME] = len(self.signature)
        return sizes | {MANIFEST_NAME: (self.artifact.folder / MANIFEST_NAME).stat().st_size}

    def manifest_bytes(self) -> bytes:
        """What `manifest.json` holds."""
        return (self.artifact.folder / MANIFEST_NAME).read_bytes()


@dataclass(frozen=True)
class PlannedFile:
    """A file to be published.

    Units: size_bytes in bytes.
    """

    path: str
    size_bytes: int
    cache_control: str = ""


@dataclass(frozen=True)
class Plan:
    """What publishing will do: nothing but move channels where the same artifact is there already.

    `channels` has for each channel the version that it names before, None if none.
    """

    location: str
    is_there: bool
    files: tuple[PlannedFile, ...]
    channels: dict[str, str | None]


class Destination(Protocol):
    """A place that keeps versions for good."""

    def plan(self, parcel: Parcel, channels: Sequence[str]) -> Plan:
        """What `publish` will do.

        Raises: ArtifactError if another artifact has this version there.
        """
        ...

    def publish(self, parcel: Parcel, channels: Sequence[str], on_file: OnFile) -> str:
        """Publish a version whole, then move channels to it; returns where it is.

        Raises: ArtifactError if another artifact has this version there, or the destination refuses.
        """
        ...


def taken(parcel: Parcel, where: str) -> ArtifactError:
    """The error where another artifact has that version."""
    return ArtifactError(
        f"{parcel.name} {parcel.version} was published with other bytes, and versions are never changed",
        where=where,
        hint="choose the next version (`version:` in the config, --version, or --bump)",
    )

"""Brings a published version here, each file held against the manifest as it comes."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from converter.artifact.files import SIGNATURE_NAME, UNLISTED, entry_of
from converter.artifact.index import INDEX_NAME, LATEST, Index, index_from_bytes
from converter.artifact.manifest import MANIFEST_NAME, FileEntry, Manifest, manifest_from_bytes
from converter.artifact.references import version_in
from converter.artifact.store import MANIFEST_LIMIT_BYTES
from converter.config import NAME_PATTERN, SEMVER_PATTERN
from converter.errors import ArtifactError, ConfigError
from converter.fileio import digests_of
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted
from converter.publish.reading import Reader, reader_of

SIGNATURE_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True)
class Address:
    """A model behind a URL, and the version or channel that is wanted of it."""

    base: str
    name: str
    wanted: str


@dataclass(frozen=True)
class Fetched:
    """A version that was brought here, and the index it was found in, with the index's address."""

    folder: Path
    index: Index | None
    index_url: str


def is_url(text: str) -> bool:
    """Whether a reference is the address of something published."""
    return "://" in text


def address_of(url: str) -> Address:
    """What `URL/NAME@VERSION`, `URL/NAME@CHANNEL` or `URL/NAME/VERSION` names; nothing after NAME@ is the latest.

    Raises: ConfigError if the URL has another form.
    """
    head, _, last = url.rstrip("/").rpartition("/")
    name, at, wanted = last.partition("@")
    if not at and re.fullmatch(SEMVER_PATTERN, last):
        head, _, name = head.rpartition("/")
        wanted = last
    elif not at:
        name = ""
    if not re.fullmatch(NAME_PATTERN, name) or "://" not in head:
        raise ConfigError(
            "not the address of a version",
            where=url,
            hint="write URL/NAME@VERSION, URL/NAME@CHANNEL or URL/NAME/VERSION",
        )
    return Address(head, name, wanted or LATEST)


@contextmanager
def fetched(url: str, *, with_files: bool = True, emit: Emit) -> Iterator[Fetched]:
    """Yield a published version in a folder that lasts as long as the context; without files, its manifest alone.

    Raises: ArtifactError if it isn't there, is not what the index says, or a file is not what the manifest says.
    """
    address = address_of(url)
    reader = reader_of(address.base)
    index = _index(reader, address)
    if index is None and not re.fullmatch(SEMVER_PATTERN, address.wanted):
        raise ArtifactError("no index here", where=_index_url(reader, address), hint="name a version instead")
    version = address.wanted if index is None else version_in(index, address.wanted, where=url)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, address.name, version)
        folder.mkdir(parents=True)
        manifest = _manifest(reader, f"{address.name}/{version}", folder, index)
        if (manifest.name, manifest.version) != (address.name, version):
            raise ArtifactError(
                f"this is {manifest.name} {manifest.version}",
                where=reader.url_of(f"{address.name}/{version}"),
                hint="it was put in the wrong place; ask who publishes these models",
            )
        if with_files:
            _fetch_files(reader, f"{address.name}/{version}", folder, manifest, emit)
        yield Fetched(folder, index, _index_url(reader, address))


def _index_url(reader: Reader, address: Address) -> str:
    return reader.url_of(f"{address.name}/{INDEX_NAME}")


def _index(reader: Reader, address: Address) -> Index | None:
    data = reader.read(f"{address.name}/{INDEX_NAME}")
    return None if data is None else index_from_bytes(data, name=address.name, where=_index_url(reader, address))


def _manifest(reader: Reader, path: str, folder: Path, index: Index | None) -> Manifest:
    where = reader.url_of(f"{path}/{MANIFEST_NAME}")
    _stream(reader, f"{path}/{MANIFEST_NAME}", folder / MANIFEST_NAME, MANIFEST_LIMIT_BYTES)
    entry = index.versions.get(folder.name) if index else None
    if entry and digests_of(folder / MANIFEST_NAME)[1] != entry.integrity:
        raise ArtifactError("not the manifest that the index names", where=where, hint="don't use this artifact")
    return manifest_from_bytes((folder / MANIFEST_NAME).read_bytes(), where=where)


def _fetch_files(reader: Reader, path: str, folder: Path, manifest: Manifest, emit: Emit) -> None:
    listed = {entry.path for entry in manifest.files} | UNLISTED
    if extra := sorted(set(reader.listing(path) or ()) - listed):
        raise ArtifactError(
            f"{', '.join(extra)}: not in the manifest", where=reader.url_of(path), hint="don't use this artifact"
        )
    emit(StepStarted("fetch", len(manifest.files)))
    for done, entry in enumerate(manifest.files, 1):
        _fetch(reader, path, folder, entry)
        emit(StepAdvanced("fetch", done, entry.path))
    signature = reader.read(f"{path}/{SIGNATURE_NAME}")
    if signature is not None and len(signature) <= SIGNATURE_LIMIT_BYTES:
        (folder / SIGNATURE_NAME).write_bytes(signature)
    emit(StepFinished("fetch", f"{reader.url_of(path)}, {len(manifest.files)} files"))


def _fetch(reader: Reader, path: str, folder: Path, entry: FileEntry) -> None:
    target = folder / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    _stream(reader, f"{path}/{entry.path}", target, entry.size_bytes)
    if entry_of(folder, entry.path) != entry:
        raise ArtifactError(
            f"{entry.path}: not what the manifest says",
            where=reader.url_of(f"{path}/{entry.path}"),
            hint="don't use this artifact",
        )


def _stream(reader: Reader, path: str, target: Path, limit_bytes: int) -> None:
    with target.open("w+b") as file:
        reader.stream(path, file, limit_bytes)

"""List the models of a store behind a URL."""

import re
from typing import Any

from converter.artifact.index import INDEX_NAME, index_from_bytes
from converter.artifact.manifest import MANIFEST_NAME, Manifest, manifest_from_bytes
from converter.artifact.versions import newest_first
from converter.config import NAME_PATTERN
from converter.errors import ArtifactError, ConfigError
from converter.publish.reading import Reader, reader_of


def published_names(store: str, name: str | None) -> list[str]:
    """Return the models of a remote store: all, or the one that is named.

    Raises: ConfigError if the store can't be listed and no model is named.
    """
    if name is not None:
        return [name]
    listing = reader_of(store).listing("")
    if listing is None:
        raise ConfigError(
            "a web server does not list what it has",
            where=store,
            hint=f"name a model: compat-export list NAME --artifacts {store}",
        )
    found = (re.fullmatch(rf"([^/]+)/{re.escape(INDEX_NAME)}", path) for path in listing)
    return sorted(match[1] for match in found if match and re.fullmatch(NAME_PATTERN, match[1]))


def published_model(store: str, name: str) -> dict[str, Any]:
    """Return a model of a remote store with its channels and its versions, newest first.

    Raises: ArtifactError if it isn't there, or its index or a manifest is damaged.
    """
    reader = reader_of(store)
    where = reader.url_of(f"{name}/{INDEX_NAME}")
    data = reader.read(f"{name}/{INDEX_NAME}")
    if data is None:
        raise ArtifactError(f"no model {name} here", where=where, hint="release a version of it first")
    index = index_from_bytes(data, name=name, where=where)
    versions = [
        {"version": version, "released": index.versions[version].released}
        | _described(_manifest(reader, f"{name}/{version}/{MANIFEST_NAME}"))
        for version in newest_first(index.versions)
    ]
    return {"name": index.name, "revision": index.revision, "channels": index.channels, "versions": versions}


def _manifest(reader: Reader, path: str) -> Manifest | None:
    data = reader.read(path)
    return None if data is None else manifest_from_bytes(data, where=reader.url_of(path))


def _described(manifest: Manifest | None) -> dict[str, Any]:
    return {"is_here": False} if manifest is None else {"is_here": True} | described(manifest)


def described(manifest: Manifest) -> dict[str, Any]:
    """Return what a list shows of a version."""
    return {
        "digest": manifest.digest,
        "size_bytes": sum(entry.size_bytes for entry in manifest.files),
        "parity": manifest.parity.status,
        "metrics": manifest.metrics,
    }

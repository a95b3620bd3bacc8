"""What a store holds, as plain JSON values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.artifact.collect import collect
from converter.artifact.index import Index, read_index
from converter.artifact.manifest import MANIFEST_NAME, Manifest
from converter.artifact.references import model_names
from converter.artifact.store import open_artifact
from converter.artifact.versions import Part, bumped, newest_first
from converter.config import ResolvedConfig
from converter.errors import ArtifactError
from converter.pipeline.fetch import is_url
from converter.pipeline.locate import located, url_of
from converter.pipeline.remote_store import described, published_model, published_names


@dataclass(frozen=True)
class Collected:
    """The versions of a model that were removed, or would be."""

    name: str
    versions: list[str]


def list_models(store: str, name: str | None = None) -> list[dict[str, Any]]:
    """Return each model of a local or remote store with its channels and its versions, newest first.

    Raises: ArtifactError if there is no model of that name, or an index or manifest is damaged; ConfigError if the
            store is behind a web server, which lists nothing, and no model is named.
    """
    if is_url(store):
        return [published_model(store, one) for one in published_names(store, name)]
    root = Path(store)
    return [_model(root / one) for one in _chosen(root, name)]


def show(reference: str, store: str) -> dict[str, Any]:
    """Return all that is known of one version: its manifest, and what the index says of it.

    Raises: ArtifactError if there is no such version, or its manifest is damaged.
    """
    with located(reference, store, with_files=False) as place:
        manifest = open_artifact(place.folder).manifest
        document = manifest.model_dump(mode="json", by_alias=True)
        folder = url_of(reference, store) or str(place.folder)
        return document | {"folder": folder} | _standing(place.index, manifest)


def collect_models(root: Path, name: str | None, *, keep: int, dry_run: bool) -> list[Collected]:
    """Remove the versions that were never released, are on no channel, and aren't among the `keep` newest."""
    return [Collected(one, collect(root / one, keep=keep, dry_run=dry_run)) for one in _chosen(root, name)]


def next_version(resolved: ResolvedConfig, part: Part) -> str:
    """The version after the newest that the store has of a config's model; the config's own if there is none."""
    index = read_index(resolved.path(resolved.config.artifacts) / resolved.config.name)
    known = newest_first(index.versions)
    return bumped(known[0], part) if known else resolved.config.version


def _chosen(root: Path, name: str | None) -> list[str]:
    known = model_names(root)
    if name is not None and name not in known:
        raise ArtifactError(
            f"no model {name} in this store",
            where=str(root),
            hint=f"there is: {', '.join(known)}" if known else "convert a model first, or name another --artifacts",
        )
    return known if name is None else [name]


def _model(folder: Path) -> dict[str, Any]:
    index = read_index(folder)
    versions = [_version(folder / one, index.versions[one].released) for one in newest_first(index.versions)]
    return {
        "name": index.name,
        "revision": index.revision,
        "channels": index.channels,
        "versions": versions,
    }


def _version(folder: Path, released: bool | None) -> dict[str, Any]:
    version = folder.name
    if not (folder / MANIFEST_NAME).is_file():
        return {"version": version, "released": released, "is_here": False}
    manifest = open_artifact(folder).manifest
    return {"version": version, "released": released, "is_here": True} | described(manifest)


def _standing(index: Index | None, manifest: Manifest) -> dict[str, Any]:
    if index is None:
        return {"channels": [], "released": None}
    entry = index.versions.get(manifest.version)
    channels = [channel for channel, version in index.channels.items() if version == manifest.version]
    return {"channels": sorted(channels), "released": entry.released if entry else None}

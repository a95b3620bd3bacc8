"""Find the version that a reference names: a folder, NAME@VERSION in a local or remote store, or a URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from converter.artifact.index import INDEX_NAME, Index, read_index
from converter.artifact.references import folder_of
from converter.artifact.store import open_artifact
from converter.artifact.versions import is_version
from converter.errors import ArtifactError
from converter.pipeline.events import Emit, silent
from converter.pipeline.fetch import Fetched, fetched, is_url


def url_of(reference: str, store: str) -> str | None:
    """Return the URL that a reference stands for, None if it is a folder or a version of a local store."""
    if is_url(reference):
        return reference
    if not is_url(store) or Path(reference).exists():
        return None
    return f"{store.rstrip('/')}/{reference if '@' in reference else f'{reference}@'}"


@contextmanager
def located(reference: str, store: str, *, with_files: bool = True, emit: Emit = silent) -> Iterator[Fetched]:
    """Yield the folder of a version; what is behind a URL is fetched into one that lasts as long as the context.

    Without `with_files` only the manifest of a remote version is fetched.

    Raises: ArtifactError if it isn't there, is damaged, or is not what its index names.
    """
    url = url_of(reference, store)
    if url is not None:
        with fetched(url, with_files=with_files, emit=emit) as place:
            yield place
        return
    folder = folder_of(reference, Path(store))
    model_folder = folder.absolute().parent
    is_stored = (model_folder / INDEX_NAME).is_file() and is_version(folder.absolute().name)
    index = read_index(model_folder) if is_stored else None
    if index is not None:
        _check_place(folder, index)
    yield Fetched(folder, index, str(model_folder / INDEX_NAME))


def _check_place(folder: Path, index: Index) -> None:
    manifest, version = open_artifact(folder).manifest, folder.absolute().name
    entry = index.versions.get(version)
    if (manifest.name, manifest.version) != (index.name, version) or (entry and entry.digest != manifest.digest):
        raise ArtifactError(
            f"this is {manifest.name} {manifest.version}, digest {manifest.digest[:12]}, not what the index names",
            where=str(folder),
            hint="don't use this artifact: it was put in the place of another",
        )

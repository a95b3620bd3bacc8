"""The places that artifacts are published to: a folder, an object store; a file each."""

from converter.publish.base import Destination


def destination_of(to: str) -> Destination:
    """The destination that a text names: a folder, or any URL that fsspec knows.

    Raises: ConfigError if a URL needs a package that isn't installed.
    """
    if "://" in to and not to.startswith("file://"):
        from converter.publish.object_store import ObjectStore

        return ObjectStore(to)
    from converter.publish.folder import Folder

    return Folder(to.removeprefix("file://"))

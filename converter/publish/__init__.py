"""The places that artifacts are published to: a folder, an object store, an npm registry; a file each."""

from converter.errors import ConfigError
from converter.publish.base import Destination

NPM = "npm:"


def destination_of(to: str, *, registry: str | None = None) -> Destination:
    """The destination that a text names: a folder, any URL that fsspec knows, or `npm:@scope/name`.

    Raises: ConfigError if the text names none, or a registry is given for something else than npm.
    """
    if to.startswith(NPM):
        from converter.publish.npm import NpmRegistry

        return NpmRegistry(to.removeprefix(NPM), registry=registry)
    if registry is not None:
        raise ConfigError("only npm has registries", where="--registry", hint="publish --to npm:@scope/name")
    if "://" in to and not to.startswith("file://"):
        from converter.publish.object_store import ObjectStore

        return ObjectStore(to)
    from converter.publish.folder import Folder

    return Folder(to.removeprefix("file://"))

"""The TypeScript of an artifact's features: carried by the artifact, and written for an app on demand."""

from collections.abc import Sequence
from pathlib import Path

from converter.artifact.manifest import Manifest
from converter.artifact.store import open_artifact
from converter.client_types import types_from_features
from converter.errors import ConfigError
from converter.features import Feature
from converter.fileio import write_atomically

CLIENT_FOLDER = "client"


def write_types(folder: Path, model: str, version: str, features: Sequence[Feature]) -> list[Path]:
    """Write the types and constants of a feature contract into a folder, which is made where it is missing.

    What is there already under these names is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, content in types_from_features(model, version, features).items():
        write_atomically(folder / name, content)
        files.append(folder / name)
    return files


def types_of_artifact(artifact: Path, to: Path) -> tuple[Manifest, list[Path]]:
    """Write the types of an artifact's features into the folder `to`; an artifact that carries none has them too.

    Raises: ArtifactError if it can't be read; ConfigError if its model has no named features.
    """
    manifest = open_artifact(artifact).manifest
    if not manifest.features:
        raise ConfigError(
            "the model has no named features",
            where=str(artifact),
            hint="list them under `features:` in its config, as configs/compatibility.yaml does, and convert it again",
        )
    return manifest, write_types(to, manifest.name, manifest.version, manifest.features)

"""Publishes a proved artifact: the same bytes, in another place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from converter.artifact.files import SIGNATURE_NAME
from converter.artifact.index import INDEX_NAME, change_index, entry_from, is_channel
from converter.artifact.locks import held
from converter.artifact.manifest import MANIFEST_NAME
from converter.artifact.store import Artifact, open_artifact, verify_files
from converter.errors import ArtifactError, ConfigError
from converter.pipeline.events import Emit, StepAdvanced, StepFinished, StepStarted, silent
from converter.pipeline.locate import located
from converter.publish import destination_of
from converter.publish.base import Destination, Parcel, Plan


@dataclass(frozen=True)
class ReleaseOutcome:
    """Where a version is, or would be, and what was planned to get it there.

    `has_user_samples` says that its test vectors include samples of the user's own, not only drawn ones.
    """

    location: str
    plan: Plan
    is_signed: bool
    has_user_samples: bool = False


@dataclass(frozen=True)
class Key:
    """The private key to sign with, and its password if it has one."""

    path: Path
    password: str | None = None


def release(
    reference: str,
    to: str,
    *,
    store: str,
    channels: Sequence[str] = (),
    key: Key | None = None,
    registry: str | None = None,
    dry_run: bool = False,
    emit: Emit = silent,
) -> ReleaseOutcome:
    """Publish a version whole or not at all, then move channels to it; nothing is sent again if it is there already.

    Raises: ArtifactError if the artifact is damaged or unproved, or another one has this name and version there;
            ConfigError if the destination or a channel's name is none.
    """
    if wrong := [channel for channel in channels if not is_channel(channel)]:
        raise ConfigError(f"{wrong[0]!r} can't name a channel", where="--channel", hint="such as stable: a-z, 0-9, -")
    destination = destination_of(to, registry=registry)
    with located(reference, store, emit=emit) as place:
        return _release(_parcel(place.folder, key, emit), destination, channels, dry_run=dry_run, emit=emit)


def _release(
    parcel: Parcel, destination: Destination, channels: Sequence[str], *, dry_run: bool, emit: Emit
) -> ReleaseOutcome:
    plan = destination.plan(parcel, channels)
    outcome = ReleaseOutcome(plan.location, plan, parcel.signature is not None, _has_user_samples(parcel.artifact))
    if dry_run:
        return outcome
    _mark_released(parcel.artifact)
    done: list[str] = []

    def advance(path: str) -> None:
        done.append(path)
        emit(StepAdvanced("publish", len(done), path))

    emit(StepStarted("publish", len(plan.files)))
    location = destination.publish(parcel, channels, advance)
    emit(StepFinished("publish", f"{location}, {len(done)} files sent"))
    return replace(outcome, location=location)


def _parcel(folder: Path, key: Key | None, emit: Emit) -> Parcel:
    emit(StepStarted("check files"))
    artifact = open_artifact(folder)
    verify_files(artifact)
    emit(StepFinished("check files", f"{len(artifact.manifest.files)} files are as published"))
    if artifact.manifest.parity.status != "passed":
        raise ArtifactError(
            "not proved: its parity was not run", where=str(folder), hint="convert it without --no-verify, then release"
        )
    if key is None:
        present = folder / SIGNATURE_NAME
        return Parcel(artifact, present.read_bytes() if present.is_file() else None)
    from converter.signing import sign_folder

    return Parcel(artifact, sign_folder(folder, key.path, key.password))


def _has_user_samples(artifact: Artifact) -> bool:
    parity = artifact.manifest.config.get("parity")
    return isinstance(parity, dict) and bool(parity.get("samples")) and bool(parity.get("store_samples", True))


def _mark_released(artifact: Artifact) -> None:
    """Have the store that an artifact comes from keep it for good, before anyone else can see it."""
    model_folder = artifact.folder.absolute().parent
    if artifact.folder.absolute().name != artifact.manifest.version or not (model_folder / INDEX_NAME).is_file():
        return
    entry = entry_from(artifact.folder / MANIFEST_NAME, released=True)
    with held(model_folder):
        change_index(model_folder, lambda index: index.with_version(artifact.manifest.version, entry))

"""The store: one folder a version, visible only whole, never changed afterwards."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from converter.artifact.digests import Digests
from converter.artifact.files import SIGNATURE_NAME, check_files
from converter.artifact.index import change_index, entry_from, read_index
from converter.artifact.locks import held, lock, sync
from converter.artifact.manifest import (
    MANIFEST_NAME,
    Contents,
    FileEntry,
    Format,
    Manifest,
    Parent,
    build_manifest,
    bytes_from_manifest,
    digest_of,
    manifest_from_bytes,
)
from converter.config import NAME_PATTERN, SEMVER_PATTERN
from converter.errors import ArtifactError, InternalError
from converter.fileio import write_atomically

DRAFT_SUFFIX = ".draft"
MANIFEST_LIMIT_BYTES = 64 << 20
EXISTS = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR}
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Artifact:
    """A published version: its folder and its manifest."""

    folder: Path
    manifest: Manifest


@dataclass(frozen=True)
class FormatPlan:
    """A format of an artifact to be: a file, a folder with all below it, or a source elsewhere with its digest.

    `parent` names the format it was made from, which is planned before it.
    """

    name: str
    path: str | None = None
    sha256: str | None = None
    parent: str | None = None


def ensure_free(root: Path, name: str, version: str) -> None:
    """Nothing, if `name` `version` can be published under `root`: to be asked before long work.

    Raises: ArtifactError if the version exists, or the name or version would lead out of `root`.
    """
    if not re.fullmatch(NAME_PATTERN, name) or not re.fullmatch(SEMVER_PATTERN, version):
        raise ArtifactError(
            f"{name!r} {version!r} is not the name and version of a model",
            where=str(root),
            hint="a name holds a-z, 0-9, `.`, `_` and `-`; a version is three numbers, such as 1.0.0",
        )
    if (root / name).is_symlink():
        raise ArtifactError("a symbolic link, which may lead anywhere", where=str(root / name), hint="use a folder")
    if os.path.lexists(root / name / version):
        raise _taken(root / name / version)


def open_artifact(folder: Path) -> Artifact:
    """The artifact in a folder, its manifest read and checked, its files not.

    Raises: ArtifactError if there is no manifest, or it is damaged.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.is_symlink() or path.stat().st_size > MANIFEST_LIMIT_BYTES:
            raise ArtifactError("a link, or too large to be a manifest", where=str(path), hint="convert it again")
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"no artifact here: {MANIFEST_NAME}: {error.strerror}",
            where=str(folder),
            hint=f"name the folder that holds {MANIFEST_NAME}, such as artifacts/NAME/VERSION",
        ) from error
    return Artifact(folder, manifest_from_bytes(data, where=str(path)))


def verify_files(artifact: Artifact, known: Iterable[FileEntry] = ()) -> None:
    """Nothing, if the folder holds exactly the files of the manifest, byte for byte; those `known` aren't read.

    Raises: ArtifactError naming every file that is missing, added or changed.
    """
    try:
        faults = check_files(artifact.folder, artifact.manifest.files, known)
    except OSError as error:
        raise _from_os_error(error, artifact.folder) from error
    if faults:
        raise ArtifactError(
            "\n".join([f"{len(faults)} file(s) are not as they were published:", *(f"  - {line}" for line in faults)]),
            where=str(artifact.folder),
            hint="don't use this artifact; convert or download it again",
        )


class Draft:
    """An artifact in the making: fill `folder`, then `publish`; leaving without publishing removes all of it.

    The folder is hidden beside its later place. Drafts of the same model whose process died are removed on entry.
    Raises: ArtifactError as `ensure_free`, if the folder can't be made, or if the disk is full inside the `with` block.
    """

    def __init__(self, root: Path, name: str, version: str, *, released: bool = False) -> None:
        self._root, self._name, self._version, self._released = root, name, version, released
        self._model_folder = root / name
        self._folder: Path | None = None
        self._digests: Digests | None = None
        self._lock: int | None = None

    @property
    def folder(self) -> Path:
        """Where the files go."""
        if self._folder is None:
            raise InternalError("a draft has a folder only inside its `with` block, until it is published")
        return self._folder

    @property
    def digests(self) -> Digests:
        """The digests of the files that are there; tell it early of large ones that are whole."""
        if self._digests is None:
            self._digests = Digests(self.folder)
        return self._digests

    def __enter__(self) -> Self:
        ensure_free(self._root, self._name, self._version)
        try:
            with held(self._model_folder):
                remove_abandoned(self._model_folder)
                prefix = f".{self._version}."
                self._folder = Path(tempfile.mkdtemp(dir=self._model_folder, prefix=prefix, suffix=DRAFT_SUFFIX))
                self._lock = lock(self._folder, wait=False)
        except OSError as error:
            self._discard()
            raise _from_os_error(error, self._model_folder) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()
        if isinstance(error, OSError) and error.errno in NO_SPACE:
            raise _from_os_error(error, self._model_folder) from error

    def publish(self, contents: Contents, formats: Sequence[FormatPlan], known: Sequence[FileEntry] = ()) -> Artifact:
        """Write the manifest, read back what was written since it was hashed, and give the draft its final name.

        `known` has files as they were when something was made of their digests: they must not have changed since.

        Raises: ArtifactError if the version has come to exist, a file is no regular file, what is read back is not
                what was written, or the disk is full. Nothing of the draft is left in any of these cases.
        """
        if (contents.name, contents.version) != (self._name, self._version):
            raise InternalError(f"a draft of {self._name} {self._version} can't be published as another version")
        if os.path.lexists(self.folder / MANIFEST_NAME):
            raise InternalError(f"{MANIFEST_NAME} is written by publish() alone")
        with self._storing():
            files = _entries(self.digests, known)
            manifest = build_manifest(contents, files, _formats(formats, files))
            write_atomically(self.folder / MANIFEST_NAME, bytes_from_manifest(manifest))
            return self._finish()

    def publish_copy(
        self, source: Artifact, signature: bytes | None = None, *, on_file: Callable[[str], None] = lambda _: None
    ) -> Artifact:
        """Publish the same bytes as another artifact's, its manifest among them, and a signature of them.

        Raises: ArtifactError as `publish`, or if the other artifact isn't as its manifest says.
        """
        if (source.manifest.name, source.manifest.version) != (self._name, self._version):
            raise InternalError(f"a draft of {self._name} {self._version} can't be a copy of another version")
        with self._storing():
            for path in [*(entry.path for entry in source.manifest.files), MANIFEST_NAME]:
                target = self.folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source.folder / path, target)
                on_file(path)
            if signature is not None:
                (self.folder / SIGNATURE_NAME).write_bytes(signature)
            return self._finish()

    @contextmanager
    def _storing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _from_os_error(error, self._model_folder / self._version) from error

    def _finish(self) -> Artifact:
        self._sync()
        draft = open_artifact(self.folder)
        verify_files(draft, self.digests.entries())
        final = self._model_folder / self._version
        entry = entry_from(self.folder / MANIFEST_NAME, released=self._released)
        with held(self._model_folder):
            read_index(self._model_folder).with_version(self._version, entry)  # refuses before anything is visible
            _rename(self.folder, final)
            self._release()
            sync(self._model_folder)
            change_index(self._model_folder, lambda index: index.with_version(self._version, entry))
        return Artifact(final, draft.manifest)

    def _sync(self) -> None:
        for path in [*self.folder.rglob("*"), self.folder]:
            path.chmod(0o755 if path.is_dir() else 0o644)
            sync(path)

    def _discard(self) -> None:
        if self._digests is not None:
            self._digests.close()
        with suppress(OSError), held(self._model_folder):
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            _remove_if_empty(self._model_folder)
        self._release()

    def _release(self) -> None:
        self._folder = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _entries(digests: Digests, known: Sequence[FileEntry]) -> tuple[FileEntry, ...]:
    by_path = {entry.path: entry for entry in known}
    return tuple(by_path.get(entry.path, entry) for entry in digests.entries())


def _formats(plans: Sequence[FormatPlan], files: Sequence[FileEntry]) -> list[Format]:
    formats: dict[str, Format] = {}
    for plan in plans:
        own = [file for file in files if plan.path and f"{file.path}/".startswith(f"{plan.path}/")]
        if bool(own) == bool(plan.sha256):
            raise InternalError(f"format {plan.name} needs files, or the digest of a source that is elsewhere")
        if plan.parent is not None and plan.parent not in formats:
            raise InternalError(f"the parent of format {plan.name} is not planned before it")
        parent = Parent(format=plan.parent, sha256=formats[plan.parent].sha256) if plan.parent else None
        paths = tuple(file.path for file in own)
        formats[plan.name] = Format(name=plan.name, files=paths, sha256=plan.sha256 or digest_of(own), parent=parent)
    return list(formats.values())


def _rename(draft: Path, final: Path) -> None:
    try:
        os.rename(draft, final)  # noqa: PTH104 - an existing version must make this fail, which replace() promises not
    except OSError as error:
        raise (_taken(final) if error.errno in EXISTS else error) from error


def _taken(final: Path) -> ArtifactError:
    return ArtifactError(
        "this version exists, and versions are never changed",
        where=str(final),
        hint="choose the next version (`version:` in the config, or --version)",
    )


def _from_os_error(error: OSError, where: Path) -> ArtifactError:
    hint = "free some space, then run it again" if error.errno in NO_SPACE else "check the folder and its permissions"
    return ArtifactError(f"can't be written or read: {error.strerror or error}", where=str(where), hint=hint)


def remove_abandoned(model_folder: Path) -> None:
    """Remove the drafts whose process died; whoever calls this holds the model's folder."""
    for draft in model_folder.glob(f".*{DRAFT_SUFFIX}"):
        handle = lock(draft, wait=False) if draft.is_dir() and not draft.is_symlink() else None
        if handle is not None:
            shutil.rmtree(draft, ignore_errors=True)
            os.close(handle)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()

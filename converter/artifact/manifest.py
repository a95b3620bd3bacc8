"""The manifest of an artifact: what it holds, where that came from, and how it was proved."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from converter.config import NAME_PATTERN, SEMVER_PATTERN, ResolvedConfig
from converter.dtypes import BY_NAME
from converter.errors import ArtifactError
from converter.features import Feature
from converter.fileio import canonical_json

SCHEMA_VERSION: Final = "1.0"
DRAFT_VERSIONS = ("1", "2")  # from before 1.0; 1 says neither what runtimes ran on nor what their outputs were held to
READABLE_PATTERN = r"^(1|2|1\.(0|[1-9]\d*))$"  # a later minor version adds keys, which are ignored
MANIFEST_NAME = "manifest.json"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
INTEGRITY_PATTERN = r"^sha384-[A-Za-z0-9+/]{64}$"
PATH_PATTERN = r"^[^/\\]+(/[^/\\]+)*$"


def _inner_path(path: str) -> str:
    if {".", ".."} & set(path.split("/")) or PureWindowsPath(path).drive or not path.isprintable():
        raise ValueError(f"{path!r} is not the path of a file inside the artifact")
    return path


def _known_dtype(name: str) -> str:
    if name not in BY_NAME:
        raise ValueError(f"unknown dtype {name!r}")
    return name


InnerPath = Annotated[str, Field(pattern=PATH_PATTERN), AfterValidator(_inner_path)]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]
DTypeName = Annotated[str, AfterValidator(_known_dtype), Field(json_schema_extra={"enum": sorted(BY_NAME)})]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Frozen(BaseModel):
    """What is stored as JSON: never changed, nothing unknown in it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, json_schema_serialization_defaults_required=True
    )


class FileEntry(Frozen):
    """One file: its path from the artifact's folder, its size and its digests.

    Units: size_bytes in bytes.
    """

    path: InnerPath
    size_bytes: int = Field(ge=0)
    sha256: Sha256
    integrity: str = Field(pattern=INTEGRITY_PATTERN, description="Subresource Integrity, for browsers")


class Parent(Frozen):
    """What a format was made from."""

    format: str
    sha256: Sha256


class Format(Frozen):
    """One form of the model and the form it was made from; no files: a source that is not in the artifact.

    The digest of one file is its SHA-256; of several, that of their `path sha256` lines, sorted.
    """

    name: str = Field(pattern=NAME_PATTERN)
    files: tuple[InnerPath, ...] = ()
    sha256: Sha256
    parent: Parent | None = None


class TensorInfo(Frozen):
    """One input or output of the model.

    Shapes: a named dimension is dynamic, a number is fixed.
    Units:  low and high in `unit`, one bound or one for each entry of the last dimension; null where unknown.
    """

    name: str
    dtype: DTypeName
    shape: tuple[int | str, ...]
    unit: str = ""
    low: Finite | tuple[Finite, ...] | None = None
    high: Finite | tuple[Finite, ...] | None = None


class ParityTolerance(Frozen):
    """How far a value was allowed to be from its reference: atol + rtol * |reference|."""

    atol: Finite = Field(ge=0)
    rtol: Finite = Field(ge=0)


class ParityRuntime(Frozen):
    """How far one runtime is from the reference, and what each output was held to.

    Units: max_abs in the unit of the output it was found in.
    """

    name: str
    compared: int = Field(ge=1)
    max_abs: Finite = Field(ge=0)
    device: str = ""
    tolerances: dict[str, ParityTolerance] = {}


class ParitySummary(Frozen):
    """How the artifact was proved, and what was not tried, with the reasons."""

    status: Literal["passed", "not-run"]
    reference: str | None = None
    runtimes: tuple[ParityRuntime, ...] = ()
    not_run: dict[str, str] = {}

    @model_validator(mode="after")
    def _passed_means_compared(self) -> Self:
        if (self.status == "passed") != bool(self.runtimes and self.reference):
            raise ValueError("parity passed exactly if a reference and at least one runtime were compared")
        return self


class Repository(Frozen):
    """The commit that the config came from, and whether tracked files differed from it."""

    commit: str = Field(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")
    is_dirty: bool


class Contents(Frozen):
    """All of a manifest that the files themselves do not decide.

    `identity` is a digest of what the model was made from; the files carry it too, so that a stray one can be traced.
    """

    name: str = Field(pattern=NAME_PATTERN)
    version: str = Field(pattern=SEMVER_PATTERN)
    description: str = ""
    created: str | None = Field(default=None, pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    is_async: bool = Field(default=False, alias="async", description="whether the graph needs executeAsync")
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    features: tuple[Feature, ...] = ()
    config: dict[str, JsonValue]
    config_sources: dict[str, Literal["flag", "file", "default"]]
    toolchain: dict[str, str]
    engine: str = "direct"
    identity: Sha256 | None = None
    repository: Repository | None = None
    parity: ParitySummary
    metrics: dict[str, Finite] | None = None


def _as_written(schema: dict[str, Any]) -> None:
    """Have the JSON Schema describe what is written, not all that is read."""
    del schema["pattern"]
    schema["const"] = SCHEMA_VERSION


class Manifest(Contents):
    """What `manifest.json` says.

    `digest` is the SHA-256 of the manifest's own canonical JSON without this field, so that damage to it shows.
    """

    schema_version: str = Field(default=SCHEMA_VERSION, pattern=READABLE_PATTERN, json_schema_extra=_as_written)
    digest: Sha256
    files: tuple[FileEntry, ...]
    formats: tuple[Format, ...]

    @model_validator(mode="after")
    def _files_are_sorted(self) -> Self:
        paths = [entry.path for entry in self.files]
        if paths != sorted(set(paths)):
            raise ValueError("files must be sorted by path, each once")
        if MANIFEST_NAME in paths:
            raise ValueError(f"{MANIFEST_NAME} can't list itself")
        return self

    @model_validator(mode="after")
    def _formats_hold_together(self) -> Self:
        entries = {entry.path: entry for entry in self.files}
        earlier: dict[str, str] = {}
        for one in self.formats:
            missing = sorted(set(one.files) - entries.keys())
            if missing:
                raise ValueError(f"format {one.name} names {missing}, which are not among the files")
            if one.files and one.sha256 != digest_of(entries[path] for path in one.files):
                raise ValueError(f"the digest of format {one.name} is not that of its files")
            if one.parent and earlier.get(one.parent.format) != one.parent.sha256:
                raise ValueError(f"the parent of format {one.name} is not a format listed before it")
            if one.name in earlier:
                raise ValueError(f"format {one.name} is listed twice")
            earlier[one.name] = one.sha256
        return self


def digest_of(entries: Iterable[FileEntry]) -> str:
    """The digest of a format: its file's SHA-256, or that of the sorted `path sha256` lines of several."""
    files = sorted(entries, key=lambda entry: entry.path)
    if len(files) == 1:
        return files[0].sha256
    return hashlib.sha256("".join(f"{file.path} {file.sha256}\n" for file in files).encode()).hexdigest()


def build_manifest(contents: Contents, files: Iterable[FileEntry], formats: Iterable[Format]) -> Manifest:
    """A manifest with its own digest in it.

    Raises: ArtifactError if the parts contradict each other.
    """
    value: dict[str, Any] = contents.model_dump(mode="json", by_alias=True) | {
        "schema_version": SCHEMA_VERSION,
        "files": [entry.model_dump(mode="json") for entry in files],
        "formats": [one.model_dump(mode="json") for one in formats],
    }
    return _validated(value | {"digest": _digest_of_json(value)}, "the new manifest")


def left_out(manifest: Manifest) -> tuple[str, ...]:
    """The passes of the compiler that a model was converted without, as its config names them."""
    names = manifest.config.get("without_passes")
    return tuple(map(str, names)) if isinstance(names, list) else ()


def unroll_limit_of(manifest: Manifest) -> int | None:
    """The most nodes that recurrences of a model were unrolled to, None where that was left to the compiler."""
    limit = manifest.config.get("unroll_limit")
    return limit if isinstance(limit, int) else None


def bytes_from_manifest(manifest: Manifest) -> bytes:
    """What `manifest.json` holds: equal manifests give equal bytes."""
    return canonical_json(manifest.model_dump(mode="json", by_alias=True))


def manifest_from_bytes(data: bytes, *, where: str = MANIFEST_NAME) -> Manifest:
    """The manifest that `bytes_from_manifest` wrote.

    Raises: ArtifactError if the bytes are not those that were written, or of another schema version.
    """
    try:
        value = json.loads(data)
        is_as_written = isinstance(value, dict) and canonical_json(value) == data
    except (ValueError, RecursionError) as error:
        raise _damaged(f"not JSON: {error}", where) from error
    if not is_as_written or value.get("digest") != _digest_of_json(value):
        raise _damaged("not as it was written: its digest is another one", where)
    if not re.fullmatch(READABLE_PATTERN, str(value.get("schema_version"))):
        raise ArtifactError(
            f"schema version {value.get('schema_version')!r}, this tool reads {', '.join(DRAFT_VERSIONS)} and 1.x",
            where=where,
            hint="use the version of compat-export that wrote it, or a newer one",
        )
    is_known = value["schema_version"] in (*DRAFT_VERSIONS, SCHEMA_VERSION)
    return _validated(value, where, unknown="forbid" if is_known else "ignore")


def created_from_epoch(seconds: int) -> str:
    """The `created` field for a SOURCE_DATE_EPOCH; units: seconds since 1970-01-01 UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def portable_config(resolved: ResolvedConfig) -> tuple[dict[str, JsonValue], dict[str, Any]]:
    """The config and its sources without what differs from machine to machine.

    Where artifacts are stored is left out; an absolute path becomes relative to the config's root, or a bare name if
    it lies outside.
    """
    config = {key: value for key, value in resolved.as_json().items() if key != "artifacts"}
    sources = {key: source for key, source in resolved.sources.items() if key != "artifacts"}
    for section in ("data", "model", "parity"):
        config[section] = {key: _portable(value, resolved.root) for key, value in config[section].items()}
    return config, sources


def _portable(value: JsonValue, root: Path) -> JsonValue:
    if not isinstance(value, str) or not Path(value).is_absolute():
        return value
    path = Path(value)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _digest_of_json(value: Mapping[str, Any]) -> str:
    try:
        data = canonical_json({key: inner for key, inner in value.items() if key != "digest"})
    except ValueError as error:
        raise ArtifactError(
            f"can't be written as JSON: {error}", where=MANIFEST_NAME, hint="the config must hold finite numbers only"
        ) from error
    return hashlib.sha256(data).hexdigest()


def identity_of(made_from: Mapping[str, Any]) -> str:
    """The identity of a model that was made from these JSON values."""
    return hashlib.sha256(canonical_json(made_from)).hexdigest()


def _validated(value: Mapping[str, Any], where: str, unknown: Literal["forbid", "ignore"] = "forbid") -> Manifest:
    try:
        return Manifest.model_validate(value, extra=unknown)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'manifest'}: {fault['msg']}" for fault in error.errors()]
        raise _damaged(
            "\n".join(["it does not hold together:", *(f"  - {fault}" for fault in faults)]), where
        ) from error


def _damaged(what: str, where: str) -> ArtifactError:
    return ArtifactError(what, where=where, hint="don't use this artifact; convert or download it again")

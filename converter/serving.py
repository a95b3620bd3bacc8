"""Artifacts over HTTP, for development and tests: the files of their manifests, and nothing else."""

import hashlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copyfileobj
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from converter.artifact.files import SIGNATURE_NAME
from converter.artifact.index import INDEX_NAME
from converter.artifact.manifest import MANIFEST_NAME, Manifest
from converter.artifact.store import Artifact, open_artifact, verify_files
from converter.errors import ArtifactError, ConfigError
from converter.fileio import canonical_json

LOOPBACK = "127.0.0.1"
IDLE_TIMEOUT_S = 30.0
IMMUTABLE = "public, max-age=31536000, immutable"  # a year: what lies below NAME/VERSION never changes
REVALIDATE = "no-cache"
METHODS = "GET, HEAD, OPTIONS"
EVERYWHERE = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",  # for pages that isolate themselves, as wasm threads need it
    "X-Content-Type-Options": "nosniff",
}
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".ts": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}
BINARY = "application/octet-stream"


@dataclass(frozen=True)
class _Resource:
    """What one address answers: a file, or bytes."""

    content: Path | bytes
    content_type: str
    etag: str
    caching: str


class ArtifactServer:
    """Serves each artifact at `/NAME/VERSION/`, and at `/` a JSON list of them, as they are when it is made.

    `place` is an artifact, or a store: a folder that holds some as NAME/VERSION, with an index each. Port 0 takes any
    that is free.
    Raises: ArtifactError if there is none, or a file is not as it was published; ConfigError if host and port can't be
            listened on.
    """

    def __init__(self, place: Path, *, host: str = LOOPBACK, port: int = 0) -> None:
        artifacts = _artifacts_in(place)
        self.manifests: tuple[Manifest, ...] = tuple(artifact.manifest for artifact in artifacts)
        resources = _indexes(artifacts, place) | _resources_of(artifacts)
        try:
            self._server = _Server((host, port), resources, host)
        except (OSError, OverflowError) as error:
            raise ConfigError(
                f"can't listen: {getattr(error, 'strerror', None) or error}",
                where=f"{host}:{port}",
                hint="--port 0 takes a port that is free; --host 127.0.0.1 is this machine",
            ) from error
        bound_host, bound_port = self._server.server_address[:2]
        shown = f"[{bound_host!s}]" if ":" in str(bound_host) else str(bound_host)
        self.url = f"http://{shown}:{bound_port}/"

    def url_of(self, manifest: Manifest) -> str:
        """The address of one artifact, with a slash at its end."""
        return f"{self.url}{quote(_path_of(manifest))}/"

    def serve_forever(self) -> None:
        """Answer requests until another thread calls `close`, or an exception such as Ctrl-C ends it."""
        with self._server:
            self._server.serve_forever(poll_interval=0.1)

    def close(self) -> None:
        """Have `serve_forever` return."""
        self._server.shutdown()


def _artifacts_in(place: Path) -> list[Artifact]:
    folders = [place] if (place / MANIFEST_NAME).exists() else [file.parent for file in _manifests_below(place)]
    if not folders:
        open_artifact(place)  # which says what is missing
    artifacts = [open_artifact(folder) for folder in folders]
    for artifact in artifacts:
        verify_files(artifact)
        expected = _path_of(artifact.manifest)
        if artifact.folder != place and artifact.folder.relative_to(place).as_posix() != expected:
            raise ArtifactError(
                f"this folder holds {expected}", where=str(artifact.folder), hint="give it back its name and version"
            )
    return artifacts


def _manifests_below(place: Path) -> list[Path]:
    return sorted(file for file in place.glob(f"[!.]*/[!.]*/{MANIFEST_NAME}"))


def _path_of(manifest: Manifest) -> str:
    return f"{manifest.name}/{manifest.version}"


def _resources_of(artifacts: list[Artifact]) -> dict[str, _Resource]:
    """Every address there is: what isn't here can't be asked for, whatever the path of a request looks like."""
    listed = [_listed(artifact.manifest) for artifact in artifacts]
    digests = "-".join(artifact.manifest.digest[:16] for artifact in artifacts)
    index = canonical_json({"artifacts": listed})
    resources = {"/": _Resource(index, CONTENT_TYPES[".json"], f'"index-{digests}"', REVALIDATE)}
    for artifact in artifacts:
        base = f"/{_path_of(artifact.manifest)}/"
        manifest = artifact.folder / MANIFEST_NAME
        etag = f'"{artifact.manifest.digest}"'
        resources[base + MANIFEST_NAME] = _Resource(manifest, CONTENT_TYPES[".json"], etag, REVALIDATE)
        resources |= _beside(artifact, base)
        for entry in artifact.manifest.files:
            kind = CONTENT_TYPES.get(Path(entry.path).suffix, BINARY)
            resources[base + entry.path] = _Resource(artifact.folder / entry.path, kind, f'"{entry.sha256}"', IMMUTABLE)
    return resources


def _beside(artifact: Artifact, base: str) -> dict[str, _Resource]:
    """What belongs to an artifact and is in no manifest: its signature."""
    path = artifact.folder / SIGNATURE_NAME
    return {base + SIGNATURE_NAME: _snapshot(path, BINARY)} if path.is_file() else {}


def _indexes(artifacts: list[Artifact], place: Path) -> dict[str, _Resource]:
    """The index of each model of a store, as it is now."""
    models = {artifact.manifest.name: place / artifact.manifest.name / INDEX_NAME for artifact in artifacts}
    found = {name: path for name, path in models.items() if path.is_file()}
    return {f"/{name}/{INDEX_NAME}": _snapshot(path, CONTENT_TYPES[".json"]) for name, path in found.items()}


def _snapshot(path: Path, content_type: str) -> _Resource:
    data = path.read_bytes()
    return _Resource(data, content_type, f'"{hashlib.sha256(data).hexdigest()}"', REVALIDATE)


def _listed(manifest: Manifest) -> dict[str, str]:
    path = f"{_path_of(manifest)}/"
    return {"name": manifest.name, "version": manifest.version, "path": path, "digest": manifest.digest}


class _Server(ThreadingHTTPServer):
    def __init__(self, address: tuple[str, int], resources: Mapping[str, _Resource], host: str) -> None:
        self.resources = resources
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, without asking the name service who this machine is, which can take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a connection that breaks concerns nobody but its client."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "compat-export", ""
    timeout = IDLE_TIMEOUT_S
    server: _Server

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_OPTIONS(self) -> None:
        self._begin(HTTPStatus.NO_CONTENT, {"Access-Control-Allow-Methods": METHODS, "Allow": METHODS})

    def _refuse_method(self) -> None:
        self.close_connection = True  # what the request carries is not read
        self._begin(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": METHODS, "Content-Length": "0", "Connection": "close"})

    do_POST = do_PUT = do_PATCH = do_DELETE = _refuse_method  # noqa: N815

    def _answer(self, *, with_body: bool) -> None:
        resource = self.server.resources.get(unquote(urlsplit(self.path).path))
        if resource is None:
            return self._begin(HTTPStatus.NOT_FOUND, {"Content-Length": "0", "Cache-Control": "no-store"})
        headers = {"ETag": resource.etag, "Cache-Control": resource.caching, "Content-Type": resource.content_type}
        if self._has(resource.etag):
            return self._begin(HTTPStatus.NOT_MODIFIED, headers)
        if isinstance(resource.content, bytes):
            self._begin(HTTPStatus.OK, headers | {"Content-Length": str(len(resource.content))})
            if with_body:
                self.wfile.write(resource.content)
            return None
        return self._send_file(resource.content, headers, with_body=with_body)

    def _send_file(self, path: Path, headers: dict[str, str], *, with_body: bool) -> None:
        try:
            file = path.open("rb")
        except OSError:
            return self._begin(HTTPStatus.GONE, {"Content-Length": "0", "Cache-Control": "no-store"})
        with file:
            self._begin(HTTPStatus.OK, headers | {"Content-Length": str(path.stat().st_size)})
            if with_body:
                copyfileobj(file, self.wfile)
        return None

    def _has(self, etag: str) -> bool:
        given = [tag.strip().removeprefix("W/") for tag in self.headers.get("If-None-Match", "").split(",")]
        return etag in given or "*" in given

    def _begin(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**EVERYWHERE, **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: a library prints nothing."""

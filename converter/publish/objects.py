"""Objects behind a URL, through fsspec: created once, replaced, read; retried while the network fails."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

from converter.errors import ArtifactError, ConfigError, ConverterError, InternalError

ATTEMPTS = 5
FIRST_WAIT_S = 0.2
CHUNK_BYTES = 1 << 20

T = TypeVar("T")


class Objects:
    """The objects below a URL, by their paths from there.

    Raises: ConfigError if the URL's protocol needs a package that isn't installed.
    """

    def __init__(self, url: str) -> None:
        protocol = url.partition("://")[0]
        self._url, self._protocol = url.rstrip("/"), protocol
        try:
            import fsspec

            self._files, self._root = fsspec.core.url_to_fs(self._url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise ConfigError(
                f"can't reach {protocol}:// addresses: {error}",
                where=url,
                hint="pip install 'compat-export[publish]' brings s3://; other stores need fsspec's package for them",
            ) from error

    def url_of(self, path: str) -> str:
        """The address of an object."""
        return f"{self._url}/{path}"

    def read(self, path: str) -> bytes | None:
        """The bytes of an object, None if there is none."""
        try:
            return bytes(self._tried(path, lambda: self._files.cat_file(self._full(path))))
        except FileNotFoundError:
            return None

    def stream(self, path: str, target: IO[bytes], limit_bytes: int) -> None:
        """Write an object to an open file, no more than a byte beyond `limit_bytes` of it.

        Raises: ArtifactError if there is none.
        """

        def copy() -> None:
            target.seek(0)
            target.truncate()
            with self._files.open(self._full(path), "rb") as source:
                while (left := limit_bytes + 1 - target.tell()) and (chunk := source.read(min(CHUNK_BYTES, left))):
                    target.write(chunk)

        try:
            self._tried(path, copy)
        except FileNotFoundError as error:
            raise ArtifactError("not there", where=self.url_of(path), hint="publish it again") from error

    def sha256(self, path: str) -> str:
        """The SHA-256 of an object, as lower-case hexadecimal."""

        def digest() -> str:
            hashed = hashlib.sha256()
            with self._files.open(self._full(path), "rb") as source:
                while chunk := source.read(CHUNK_BYTES):
                    hashed.update(chunk)
            return hashed.hexdigest()

        return self._tried(path, digest)

    def create(self, path: str, data: bytes, *, cache_control: str, content_type: str) -> bool:
        """Write an object unless there is one; returns whether it was written."""
        headers = self._headers(cache_control, content_type)
        return self._created(path, lambda: self._files.pipe_file(self._full(path), data, mode="create", **headers))

    def create_from(self, path: str, source: Path, *, cache_control: str, content_type: str) -> bool:
        """Upload a file unless there is an object; returns whether it was written."""
        headers = self._headers(cache_control, content_type)
        return self._created(
            path, lambda: self._files.put_file(str(source), self._full(path), mode="create", **headers)
        )

    def replace(self, path: str, data: bytes, *, cache_control: str, content_type: str) -> None:
        """Write an object, whether there is one or not."""
        headers = self._headers(cache_control, content_type)
        self._tried(path, lambda: self._files.pipe_file(self._full(path), data, **headers))

    def names(self, folder: str) -> list[str]:
        """The names of the objects in a folder, none if there is no such folder."""
        try:
            found = self._tried(folder, lambda: self._files.ls(self._full(folder), detail=False))
        except FileNotFoundError:
            return []
        return [name.rsplit("/", 1)[-1] for name in found]

    def listing(self, folder: str) -> list[str] | None:
        """The paths of all objects below a folder, relative to it."""
        root = self._full(folder).rstrip("/")
        found = self._tried(folder, lambda: self._files.find(root))
        return [path[len(root) + 1 :] for path in found]

    def _created(self, path: str, write: Callable[[], object]) -> bool:
        try:
            self._tried(path, write)
        except FileExistsError:
            return False
        except FileNotFoundError as error:  # no such bucket
            raise self._unreachable(path, error) from error
        return True

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _headers(self, cache_control: str, content_type: str) -> dict[str, Any]:
        if self._protocol == "s3":
            return {"CacheControl": cache_control, "ContentType": content_type}
        if self._protocol in ("gs", "gcs"):
            return {"content_type": content_type, "fixed_key_metadata": {"cache_control": cache_control}}
        return {}

    def _tried(self, path: str, work: Callable[[], T]) -> T:
        """What `work` returns, tried again while it fails for a reason that may pass.

        Raises: FileExistsError and FileNotFoundError as they are; ArtifactError for everything else.
        """
        for wait_s in (*(FIRST_WAIT_S * 2**attempt for attempt in range(ATTEMPTS - 1)), None):
            try:
                return work()
            except (FileExistsError, FileNotFoundError, ConverterError):
                raise
            except Exception as error:  # each store has errors of its own
                if wait_s is None or isinstance(error, PermissionError):
                    raise self._unreachable(path, error) from error
                time.sleep(wait_s)
        raise InternalError("the last attempt neither returned nor raised")

    def _unreachable(self, path: str, error: Exception) -> ArtifactError:
        return ArtifactError(
            f"can't be reached: {type(error).__name__}: {error}",
            where=self.url_of(path),
            hint="check the address, the network and the permissions; a second try goes on where this one ended",
        )

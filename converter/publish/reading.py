"""Reads what was published: over HTTP with nothing but Python, from other stores through fsspec."""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import IO, Protocol, TypeVar
from urllib.parse import quote

from converter.errors import ArtifactError, InternalError

ATTEMPTS = 4
FIRST_WAIT_S = 0.3
TIMEOUT_S = 60.0
CHUNK_BYTES = 1 << 20
NOT_THERE = {404, 410}
PASSING = {408, 425, 429, 500, 502, 503, 504}

T = TypeVar("T")


class Reader(Protocol):
    """A place below a URL that can be read."""

    def url_of(self, path: str) -> str:
        """The address of a file."""
        ...

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, None if there is none."""
        ...

    def stream(self, path: str, target: IO[bytes], limit_bytes: int) -> None:
        """Write a file to an open file, no more than a byte beyond `limit_bytes` of it."""
        ...

    def listing(self, folder: str) -> list[str] | None:
        """The paths of all files below a folder, relative to it; None where that can't be known."""
        ...


def reader_of(url: str) -> Reader:
    """What reads below a URL.

    Raises: ConfigError if its protocol needs a package that isn't installed.
    """
    if url.startswith(("http://", "https://")):
        return Http(url)
    from converter.publish.objects import Objects

    return Objects(url)


class Http:
    """Files behind a web server."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def url_of(self, path: str) -> str:
        """The address of a file."""
        return f"{self._url}/{quote(path)}"

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, None if there is none.

        Raises: ArtifactError if the server can't be reached, or refuses.
        """
        try:
            return self._tried(path, lambda response: response.read())
        except FileNotFoundError:
            return None

    def stream(self, path: str, target: IO[bytes], limit_bytes: int) -> None:
        """Write a file to an open file, no more than a byte beyond `limit_bytes` of it.

        Raises: ArtifactError if there is none, the server can't be reached, or refuses.
        """

        def copy(response: IO[bytes]) -> None:
            target.seek(0)
            target.truncate()
            while (left := limit_bytes + 1 - target.tell()) and (chunk := response.read(min(CHUNK_BYTES, left))):
                target.write(chunk)

        try:
            self._tried(path, copy)
        except FileNotFoundError as error:
            raise ArtifactError("not there", where=self.url_of(path), hint="publish it again") from error

    def listing(self, _folder: str) -> list[str] | None:
        """Not known: web servers don't say."""
        return None

    def _tried(self, path: str, use: Callable[[IO[bytes]], T]) -> T:
        for wait_s in (*(FIRST_WAIT_S * 2**attempt for attempt in range(ATTEMPTS - 1)), None):
            try:
                with urllib.request.urlopen(self.url_of(path), timeout=TIMEOUT_S) as response:
                    return use(response)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code in NOT_THERE:
                    raise FileNotFoundError(path) from error
                if wait_s is None or error.code not in PASSING:
                    raise self._unreachable(path, f"HTTP {error.code} {error.reason}") from error
            except (OSError, http.client.HTTPException) as error:
                if wait_s is None:
                    raise self._unreachable(path, str(error)) from error
            time.sleep(wait_s)
        raise InternalError("the last attempt neither returned nor raised")

    def _unreachable(self, path: str, what: str) -> ArtifactError:
        return ArtifactError(
            f"can't be read: {what}", where=self.url_of(path), hint="check the address and the network, then try again"
        )

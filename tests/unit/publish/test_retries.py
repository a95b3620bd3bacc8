"""What a network does between two good answers: tried again where that may help, told where it doesn't."""

import http.server
import io
import itertools
import threading
from collections.abc import Iterator

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from converter.errors import ArtifactError
from converter.publish import objects, reading
from converter.publish.objects import Objects
from converter.publish.reading import reader_of


class FlakyFileSystem(MemoryFileSystem):
    """A store in memory that fails before it does what is asked, or does it and fails to say so."""

    protocol = "flaky"
    failures: Iterator[str] = iter(())
    store: dict = {}  # noqa: RUF012 - fsspec keeps it on the class
    pseudo_dirs = [""]  # noqa: RUF012

    def _now(self, work):
        how = next(type(self).failures, "")
        if how == "before":
            raise ConnectionResetError("connection reset")
        result = work()
        if how == "after":
            raise TimeoutError("no answer came")
        if how == "forbidden":
            raise PermissionError("not yours")
        return result

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        return self._now(lambda: super(FlakyFileSystem, self).pipe_file(path, value, mode=mode))

    def cat_file(self, path, start=None, end=None, **kwargs):
        return self._now(lambda: super(FlakyFileSystem, self).cat_file(path, start, end))


@pytest.fixture
def flaky(monkeypatch):
    fsspec.register_implementation("flaky", FlakyFileSystem, clobber=True)
    monkeypatch.setattr(objects, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(FlakyFileSystem, "store", {})

    def run(*failures):
        monkeypatch.setattr(FlakyFileSystem, "failures", iter(failures))
        return Objects("flaky://place")

    return run


HEADERS = {"cache_control": "", "content_type": ""}


def test_a_lost_connection_is_tried_again(flaky):
    store = flaky("before", "before", "", "before")
    assert store.create("a", b"x", **HEADERS)
    assert store.read("a") == b"x"


def test_a_lost_answer_is_not_taken_for_the_write_of_another(flaky):
    store = flaky("after")
    assert store.create("a", b"x", **HEADERS) is False, "something is there: whoever asks compares"
    assert store.read("a") == b"x"


def test_what_stays_broken_is_told(flaky):
    store = flaky(*["before"] * objects.ATTEMPTS, "the next would work")
    with pytest.raises(ArtifactError, match="ConnectionResetError: connection reset") as caught:
        store.read("a/b")
    assert caught.value.where == "flaky://place/a/b"


def test_what_is_forbidden_is_not_tried_again(flaky):
    store = flaky("forbidden")
    with pytest.raises(ArtifactError, match="not yours"):
        store.replace("a", b"x", **HEADERS)
    assert store.read("none") is None


@pytest.fixture
def server(monkeypatch):
    """A web server that gives the answers it is told to, one after the other."""
    monkeypatch.setattr(reading, "FIRST_WAIT_S", 0.001)
    answers: list[int] = []
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status = answers.pop(0) if answers else 200
            if status == 0:  # promises more than comes
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"par")
                return
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"whole")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield reader_of(f"http://127.0.0.1:{running.server_address[1]}/models/"), answers, asked
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("failures", [[503, 429], [0], [500, 0, 502]])
def test_a_server_that_recovers_is_read(server, failures):
    reader, answers, asked = server
    answers[:] = failures
    assert reader.read("m/a b.bin") == b"whole"
    assert asked == ["/models/m/a%20b.bin"] * (len(failures) + 1)


def test_a_stream_starts_again_and_ends_at_its_limit(server):
    reader, answers, _ = server
    answers[:] = [503, 200, 503, 200]
    whole, cut = io.BytesIO(b"left over from before"), io.BytesIO()
    reader.stream("a", whole, 5)
    reader.stream("a", cut, 2)
    assert (whole.getvalue(), cut.getvalue()) == (b"whole", b"who")


@pytest.mark.parametrize(("status", "n_asked"), [(403, 1), (503, reading.ATTEMPTS)])
def test_a_server_that_refuses_is_told(server, status, n_asked):
    reader, answers, asked = server
    answers[:] = itertools.repeat(status, 9)
    with pytest.raises(ArtifactError, match=f"HTTP {status}") as caught:
        reader.read("a")
    assert caught.value.where.endswith("/models/a")
    assert len(asked) == n_asked


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_none(server, status):
    reader, answers, _ = server
    answers[:] = [status, status]
    assert reader.read("a") is None
    with pytest.raises(ArtifactError, match="not there"):
        reader.stream("a", io.BytesIO(), 5)

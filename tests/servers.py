"""Servers that tests talk to over real HTTP, on the loopback interface."""

import contextlib
import functools
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# One request at a time: what is asked to be created once is then created once, as S3 itself promises.
S3 = """
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=False)
print(server.port, flush=True)
server.serve_forever()
"""


READABLE_BY_ALL = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}],
}


@dataclass(frozen=True)
class S3Server:
    """An S3 server with one bucket; `url` is that bucket for S3, `http_url` the same for anyone."""

    endpoint: str
    log: Path
    url: str = "s3://bucket"

    @property
    def http_url(self) -> str:
        return f"{self.endpoint}/bucket"

    def written(self) -> list[str]:
        """The keys that were written so far, in order; those that were refused are not among them."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [match[1] for line in lines if (match := re.search(r'"PUT /bucket/(\S+) HTTP/1.1" 200', line))]


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server with an empty bucket; AWS_* in the environment lead to it until the context ends."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        with log.open("wb") as file:
            process = subprocess.Popen([sys.executable, "-c", S3], stdout=subprocess.PIPE, stderr=file, text=True)
        try:
            assert process.stdout
            endpoint = f"http://127.0.0.1:{process.stdout.readline().strip()}"
            variables = {
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ENDPOINT_URL": endpoint,
            }
            before = dict(os.environ)
            os.environ.update(variables)
            try:
                import fsspec

                fsspec.get_filesystem_class("s3").clear_instance_cache()  # those of an earlier server
                files = fsspec.filesystem("s3", use_listings_cache=False)
                files.mkdir("bucket")
                files.call_s3("put_bucket_policy", Bucket="bucket", Policy=json.dumps(READABLE_BY_ALL))
                yield S3Server(endpoint, log)
            finally:
                os.environ.clear()
                os.environ.update(before)
        finally:
            process.kill()
            process.communicate()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """A web server that serves a folder; gives its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()

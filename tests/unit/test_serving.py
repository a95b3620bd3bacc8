"""Artifacts over real HTTP."""

import http.client
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from converter.artifact.manifest import Contents, ParitySummary, TensorInfo
from converter.artifact.store import Artifact, Draft, FormatPlan
from converter.errors import ArtifactError, ConfigError
from converter.serving import ArtifactServer

FILES = {
    "model.onnx": b"onnx" * 500,
    "tfjs/model.json": b"{}\n",
    "tfjs/group1-shard1of1.bin": bytes(range(256)) * 300,
    "client/features.d.ts": b"export {};\n",
    "client/backend.wasm": b"\0asm",
    "report.html": b"<p>",
}
TYPES = {
    "model.onnx": "application/octet-stream",
    "tfjs/model.json": "application/json",
    "tfjs/group1-shard1of1.bin": "application/octet-stream",
    "client/features.d.ts": "text/plain; charset=utf-8",
    "client/backend.wasm": "application/wasm",
    "report.html": "text/html; charset=utf-8",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Client:
    """Sends paths exactly as they are written, which urllib doesn't."""

    port: int
    host: str = "127.0.0.1"

    def __call__(self, path: str, *, method: str = "GET", **headers: str) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


def published(root: Path, version: str = "1.0.0") -> Artifact:
    info = TensorInfo(name="x", dtype="float32", shape=("batch", 3))
    contents = Contents(
        name="model", version=version, inputs=(info,), outputs=(info,), config={}, config_sources={}, toolchain={},
        parity=ParitySummary(status="not-run"),
    )  # fmt: skip
    with Draft(root, "model", version) as draft:
        for path, data in FILES.items():
            (draft.folder / path).parent.mkdir(exist_ok=True)
            (draft.folder / path).write_bytes(data)
        return draft.publish(contents, [FormatPlan("onnx", "model.onnx")])


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    (tmp_path / "secret.txt").write_text("not to be served")
    return published(tmp_path / "store")


@pytest.fixture
def served(artifact: Artifact) -> Iterator[Client]:
    yield from serving(artifact.folder)


def serving(place: Path, host: str = "127.0.0.1") -> Iterator[Client]:
    server = ArtifactServer(place, host=host)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield Client(int(server.url.rstrip("/").rpartition(":")[2]), host)
    finally:
        server.close()
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.parametrize("path", FILES)
def test_a_file_comes_whole_typed_and_may_be_kept_for_good(served: Client, artifact: Artifact, path: str) -> None:
    answer = served(f"/model/1.0.0/{path}")
    assert (answer.status, answer.body) == (200, FILES[path])
    assert answer.headers["Content-Type"] == TYPES[path]
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    (entry,) = (entry for entry in artifact.manifest.files if entry.path == path)
    assert answer.headers["ETag"] == f'"{entry.sha256}"'


@pytest.mark.parametrize("path", ["/", "/model/1.0.0/manifest.json"])
def test_what_lists_others_is_asked_for_each_time(served: Client, path: str) -> None:
    assert served(path).headers["Cache-Control"] == "no-cache"


def test_the_root_lists_the_artifacts(served: Client, artifact: Artifact) -> None:
    (listed,) = json.loads(served("/").body)["artifacts"]
    assert listed == {
        "name": "model", "version": "1.0.0", "path": "model/1.0.0/", "digest": artifact.manifest.digest,
    }  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/model/1.0.0/manifest.json", "/model/1.0.0/model.onnx"])
def test_a_page_of_any_origin_may_read_and_embed_it(served: Client, path: str) -> None:
    headers = served(path, Origin="https://app.example").headers
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_preflight_is_answered(served: Client) -> None:
    answer = served("/model/1.0.0/model.onnx", method="OPTIONS", Origin="https://app.example")
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("given", ["{}", "W/{}", '"other", {}', "*"])
@pytest.mark.parametrize("path", ["/", "/model/1.0.0/manifest.json", "/model/1.0.0/model.onnx"])
def test_what_is_known_is_not_sent_again(served: Client, path: str, given: str) -> None:
    etag = served(path).headers["ETag"]
    answer = served(path, If_None_Match=given.format(etag))
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag)
    assert served(path, If_None_Match='"another"').status == 200


def test_head_tells_the_size_only(served: Client) -> None:
    answer = served("/model/1.0.0/model.onnx", method="HEAD")
    assert (answer.status, answer.body, answer.headers["Content-Length"]) == (200, b"", "2000")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(served: Client, method: str) -> None:
    answer = served("/model/1.0.0/model.onnx", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/../secret.txt",
        "/model/1.0.0/../../../secret.txt",
        "/model/1.0.0/%2e%2e/%2e%2e/%2e%2e/secret.txt",
        "/model/1.0.0/..%2f..%2f..%2fsecret.txt",
        "/model/1.0.0/..\\..\\..\\secret.txt",
        "//etc/passwd",
        "/etc/passwd",
        "/model/1.0.0",
        "/model/1.0.0/",
        "/model/1.0.0/tfjs",
        "/model/1.0.0/tfjs/",
        "/model",
        "/model/2.0.0/model.onnx",
        "/%00",
        "/%ff",
    ],
)
def test_nothing_else_is_served(served: Client, path: str) -> None:
    answer = served(path)
    assert (answer.status, answer.body) == (404, b"")


def test_files_beside_the_artifact_are_not_listed_nor_served(artifact: Artifact, served: Client) -> None:
    (artifact.folder / "added.txt").write_text("later")
    assert served("/model/1.0.0/added.txt").status == 404


def test_a_query_changes_nothing(served: Client) -> None:
    assert served("/model/1.0.0/tfjs/model.json?tfjs-format=file").body == FILES["tfjs/model.json"]


def test_a_file_that_was_removed_is_gone(served: Client, artifact: Artifact) -> None:
    (artifact.folder / "model.onnx").unlink()
    assert served("/model/1.0.0/model.onnx").status == 410


def test_one_connection_serves_many_requests(served: Client) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    for path, size in {"/nothing": 0, "/model/1.0.0/report.html": 3, "/model/1.0.0/tfjs/model.json": 3}.items():
        connection.request("GET", path)
        assert len(connection.getresponse().read()) == size
    connection.close()


def test_a_slow_client_keeps_nobody_waiting(served: Client) -> None:
    slow = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    slow.connect()
    assert served("/").status == 200
    slow.close()


def test_a_folder_of_releases_is_served_with_all_its_versions(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0-rc.1"):
        published(tmp_path, version)
    for client in serving(tmp_path):
        listed = json.loads(client("/").body)["artifacts"]
        assert [one["version"] for one in listed] == ["1.0.0", "2.0.0-rc.1"]
        assert [client(f"/{one['path']}model.onnx").status for one in listed] == [200, 200]


def test_a_store_is_served_with_its_indexes_and_signatures(tmp_path: Path) -> None:
    artifact = published(tmp_path)
    (artifact.folder / "model.sig").write_bytes(b"signed")
    index = (tmp_path / "model/index.json").read_bytes()
    for client in serving(tmp_path):
        answer = client("/model/index.json")
        assert (answer.body, answer.headers["Content-Type"]) == (index, "application/json")
        assert answer.headers["Cache-Control"] == "no-cache"
        assert client("/model/index.json", If_None_Match=answer.headers["ETag"]).status == 304
        assert client("/model/1.0.0/model.sig").body == b"signed"
    for client in serving(artifact.folder):
        assert client("/model/index.json").status == 404, "it names versions that are not served"


def test_a_version_that_was_moved_is_refused(tmp_path: Path) -> None:
    published(tmp_path).folder.rename(tmp_path / "model" / "3.0.0")
    with pytest.raises(ArtifactError, match=r"this folder holds model/1\.0\.0"):
        ArtifactServer(tmp_path)


def test_a_changed_file_is_refused(artifact: Artifact) -> None:
    (artifact.folder / "model.onnx").write_bytes(b"other")
    with pytest.raises(ArtifactError, match=r"model\.onnx: size is 5 bytes"):
        ArtifactServer(artifact.folder)


def test_a_folder_without_artifacts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no artifact here"):
        ArtifactServer(tmp_path)


def test_a_port_that_is_taken_is_a_wrong_setting(artifact: Artifact, served: Client) -> None:
    with pytest.raises(ConfigError, match="can't listen: Address already in use") as raised:
        ArtifactServer(artifact.folder, port=served.port)
    assert raised.value.where == f"127.0.0.1:{served.port}"


def test_a_host_that_is_not_ours_is_a_wrong_setting(artifact: Artifact) -> None:
    with pytest.raises(ConfigError, match="can't listen"):
        ArtifactServer(artifact.folder, host="192.0.2.1")

import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from converter.artifact.manifest import (
    Contents,
    FileEntry,
    Format,
    Parent,
    ParitySummary,
    TensorInfo,
    build_manifest,
    bytes_from_manifest,
    created_from_epoch,
    digest_of,
    manifest_from_bytes,
    portable_config,
)
from converter.artifact.schema import SCHEMA_FILE, json_schema
from converter.artifact.store import open_artifact, verify_files
from converter.config import resolve
from converter.errors import ArtifactError
from converter.fileio import canonical_json, sha256_of

REPOSITORY = Path(__file__).parents[3]
INTEGRITY = "sha384-" + "A" * 64


def entry(path, sha256="a" * 64):
    return FileEntry(path=path, size_bytes=1, sha256=sha256, integrity=INTEGRITY)


@pytest.fixture
def contents(contents_factory):
    return contents_factory()


@pytest.fixture
def manifest(contents):
    files = [entry("model.onnx", "1" * 64), entry("tfjs/a.bin", "2" * 64), entry("tfjs/model.json", "3" * 64)]
    formats = [
        Format(name="checkpoint", sha256="c" * 64),
        Format(
            name="onnx", files=("model.onnx",), sha256="1" * 64, parent=Parent(format="checkpoint", sha256="c" * 64)
        ),
        Format(
            name="tfjs",
            files=("tfjs/a.bin", "tfjs/model.json"),
            sha256=digest_of(files[1:]),
            parent=Parent(format="onnx", sha256="1" * 64),
        ),
    ]
    return build_manifest(contents, files, formats)


def test_bytes_round_trip_and_repeat(manifest):
    data = bytes_from_manifest(manifest)
    assert manifest_from_bytes(data) == manifest
    assert bytes_from_manifest(manifest_from_bytes(data)) == data
    value = json.loads(data)
    assert value["async"] is False
    assert value["schema_version"] == "1.0"
    assert value["created"] is None
    assert value["outputs"][0]["shape"] == ["batch", 1]


def test_every_flipped_byte_of_the_manifest_is_found(manifest):
    data = bytes_from_manifest(manifest)
    for place in range(len(data)):
        for bit in (0x01, 0x20, 0x80):
            damaged = data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
            with pytest.raises(ArtifactError, match=r"manifest\.json"):
                manifest_from_bytes(damaged)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"{}", b"\xff", b"{", b'{"a": NaN}', b"[" * 100_000, b'"\\ud800"', b'{"digest": 1}\n']
)
def test_what_is_no_manifest_is_an_artifact_error(data):
    with pytest.raises(ArtifactError) as caught:
        manifest_from_bytes(data, where="somewhere/manifest.json")
    assert (caught.value.where, caught.value.exit_code) == ("somewhere/manifest.json", 6)
    assert caught.value.hint


def test_another_schema_version_is_named(manifest, sealed):
    value = json.loads(bytes_from_manifest(manifest)) | {"schema_version": "2.0"}
    with pytest.raises(ArtifactError, match=r"schema version '2\.0', this tool reads 1, 2 and 1\.x"):
        manifest_from_bytes(sealed(value))


def test_a_manifest_of_the_first_schema_version_is_read(manifest, sealed):
    value = json.loads(bytes_from_manifest(manifest)) | {"schema_version": "1"}
    for runtime in value["parity"]["runtimes"]:
        del runtime["device"], runtime["tolerances"]
    old = manifest_from_bytes(sealed(value))
    assert old.schema_version == "1"
    assert [one.name for one in old.parity.runtimes] == [one.name for one in manifest.parity.runtimes]
    assert old.parity.runtimes != ()


@pytest.mark.parametrize("version", ["1", "2"])
def test_artifacts_from_before_1_0_are_read(version):
    artifact = open_artifact(REPOSITORY / "tests" / "artifacts_of_old" / f"schema-{version}")
    verify_files(artifact)
    assert artifact.manifest.schema_version == version
    assert artifact.manifest.parity.status == "passed"
    assert artifact.manifest.identity is None


def test_what_a_later_minor_version_adds_is_ignored(manifest, sealed):
    value = json.loads(bytes_from_manifest(manifest)) | {"schema_version": "1.7", "surprise": {"deep": 1}}
    value["files"][0]["colour"] = "blue"
    value["parity"]["runtimes"][0]["mood"] = None
    later = manifest_from_bytes(sealed(value))
    assert later.model_dump(exclude={"schema_version", "digest"}) == manifest.model_dump(
        exclude={"schema_version", "digest"}
    )
    value["files"][0]["sha256"] = 5
    with pytest.raises(ArtifactError, match="sha256"):
        manifest_from_bytes(sealed(value))


def test_an_unknown_key_is_named(manifest, sealed):
    value = json.loads(bytes_from_manifest(manifest)) | {"surprise": 1}
    with pytest.raises(ArtifactError, match="surprise"):
        manifest_from_bytes(sealed(value))


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "../a", "a/../b", "./a", "a/./b", "a//b", "a/", "", "a\\b", "C:/a", "c:a", "a\nb", "a\0b", ".."],
)
def test_a_path_never_leaves_the_artifact(path):
    with pytest.raises(ValidationError):
        entry(path)


@pytest.mark.parametrize("path", ["model.onnx", "tfjs/group1-shard1of1.bin", "a/b/c", "..a", "ä b.txt", ".hidden"])
def test_ordinary_paths_are_fine(path):
    assert entry(path).path == path


@pytest.mark.parametrize(
    ("files", "formats", "message"),
    [
        ([entry("b"), entry("a")], [], "sorted by path"),
        ([entry("a"), entry("a")], [], "sorted by path"),
        ([entry("manifest.json")], [], "can't list itself"),
        ([entry("a")], [Format(name="x", files=("b",), sha256="a" * 64)], r"names \['b'\]"),
        ([entry("a")], [Format(name="x", files=("a",), sha256="b" * 64)], "digest of format x"),
        (
            [entry("a")],
            [Format(name="x", files=("a",), sha256="a" * 64, parent=Parent(format="y", sha256="b" * 64))],
            "parent of format x",
        ),
        ([], [Format(name="x", sha256="a" * 64)] * 2, "x is listed twice"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(contents, files, formats, message):
    with pytest.raises(ArtifactError, match=message) as caught:
        build_manifest(contents, files, formats)
    assert caught.value.exit_code == 6


def test_parity_can_not_pass_without_a_comparison():
    for summary in ({"status": "passed"}, {"status": "passed", "reference": "torch"}):
        with pytest.raises(ValidationError, match="at least one runtime"):
            ParitySummary(**summary)
    assert ParitySummary(status="not-run", not_run={"torch": "--no-parity"}).runtimes == ()


def test_a_dtype_and_a_version_are_checked(contents):
    with pytest.raises(ValidationError, match="unknown dtype 'double'"):
        TensorInfo(name="x", dtype="double", shape=())
    for change in ({"version": "1.0"}, {"name": "../x"}, {"created": "yesterday"}):
        with pytest.raises(ValidationError):
            Contents.model_validate(contents.model_dump() | change)


def test_a_config_that_json_lacks_is_an_artifact_error(contents):
    odd = contents.model_copy(update={"config": {"low": float("nan")}})
    with pytest.raises(ArtifactError, match="JSON"):
        build_manifest(odd, [], [])


def test_the_creation_time_comes_from_the_epoch_given():
    assert created_from_epoch(0) == "1970-01-01T00:00:00Z"
    assert created_from_epoch(1_767_225_600) == "2026-01-01T00:00:00Z"


def test_the_published_schemas_are_fresh():
    expected = canonical_json(json_schema())
    assert SCHEMA_FILE.read_bytes() == expected, "run: python -m converter.artifact.schema <both files>"
    assert (REPOSITORY / "docs" / "manifest.schema.json").read_bytes() == expected


def test_a_manifest_fits_the_schema_by_an_independent_validator(manifest):
    schema = json_schema()
    validator = jsonschema.validators.validator_for(schema)
    assert validator is jsonschema.Draft202012Validator
    validator.check_schema(schema)
    value = json.loads(bytes_from_manifest(manifest))
    assert list(validator(schema).iter_errors(value)) == []
    for damage in ({"extra": 1}, {"version": "1"}, {"files": [{}]}, {"schema_version": "3"}, {"async": "no"}):
        assert list(validator(schema).iter_errors(value | damage)), damage
    for key in value:
        less = {other: inner for other, inner in value.items() if other != key}
        assert list(validator(schema).iter_errors(less)), f"{key} is not required"


def test_the_config_is_recorded_without_this_machine(tmp_path):
    (tmp_path / "m.yaml").write_text("name: m\nartifacts: /somewhere/else\nmodel:\n  checkpoint: weights/m.pth\n")
    flags = {"model.factory": f"{tmp_path.resolve()}/code/net.py:Net", "version": "2.0.0"}
    config, sources = portable_config(resolve(tmp_path / "m.yaml", flags))
    assert config["model"] == {
        "checkpoint": "weights/m.pth",
        "factory": "code/net.py:Net",
        "kwargs": {},
        "state_key": None,
        "ignore_keys": [],
        "allow_missing": [],
    }
    assert "artifacts" not in config
    assert "artifacts" not in sources
    assert (sources["version"], sources["model.checkpoint"]) == ("flag", "file")
    away = {"name": "m", "model.checkpoint": "/other/place/m.pth", "data.path": "/other/place/rows.csv"}
    elsewhere, _ = portable_config(resolve(None, away))
    assert elsewhere["model"]["checkpoint"] == "m.pth"
    assert elsewhere["data"]["path"] == "rows.csv"
    assert str(tmp_path) not in json.dumps([config, elsewhere])


def test_one_file_is_its_own_digest_and_several_are_independent_of_order(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    one = entry("a", sha256_of(tmp_path / "a"))
    assert digest_of([one]) == one.sha256
    two = entry("b")
    assert digest_of([one, two]) == digest_of([two, one]) != digest_of([one, entry("c")])

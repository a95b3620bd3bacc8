import itertools
import json
import shutil

import pytest

from converter.artifact.collect import collect
from converter.artifact.index import (
    Index,
    VersionEntry,
    bytes_from_index,
    change_index,
    index_from_bytes,
    read_index,
)
from converter.artifact.locks import held
from converter.artifact.references import folder_of, model_names
from converter.errors import ArtifactError
from converter.fileio import digests_of

INTEGRITY = "sha384-" + "A" * 64


def entry(digit="a", released=True):
    return VersionEntry(digest=digit * 64, integrity=INTEGRITY, released=released)


def index_of(*versions):
    index = Index(name="m")
    for version in versions:
        index = index.with_version(version, entry())
    return index


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_each_change_is_a_revision_and_no_change_is_none():
    one = Index(name="m").with_version("1.0.0", entry())
    assert one.revision == 1
    assert one.with_version("1.0.0", entry()) == one
    stable = one.with_channel("stable", "1.0.0")
    assert stable.revision == 2
    assert stable.with_channel("stable", "1.0.0") is stable
    assert stable.without("1.0.0").revision == 3
    assert stable.without("1.0.0").channels == {}


def test_several_steps_make_one_revision():
    index = index_of("1.0.0", "1.1.0")
    both = index.revised(lambda one: one.with_channel("stable", "1.0.0").with_channel("beta", "1.1.0"))
    assert both.revision == index.revision + 1
    assert both.channels == {"latest": "1.1.0", "stable": "1.0.0", "beta": "1.1.0"}
    assert (
        both.revised(lambda one: one.with_channel("x", "1.0.0").without("1.9.9").with_channel("beta", "1.1.0")) != both
    )
    back = both.revised(lambda one: one.with_channel("beta", "1.0.0").with_channel("beta", "1.1.0"))
    assert back is both


@pytest.mark.parametrize(
    ("versions", "latest"),
    [
        (("1.0.0", "1.1.0"), "1.1.0"),
        (("2.0.0", "1.0.1"), "2.0.0"),
        (("1.9.0", "1.10.0"), "1.10.0"),
        (("1.0.0", "2.0.0-rc.1"), "1.0.0"),
        (("1.0.0-rc.1",), "1.0.0-rc.1"),
        (("1.0.0-rc.1", "1.0.0"), "1.0.0"),
        (("2.0.0-rc.1", "1.0.0"), "1.0.0"),
        (("1.0.0-rc.1", "1.0.0-rc.2"), "1.0.0-rc.2"),
        (("1.0.0-rc.2", "1.0.0-rc.1"), "1.0.0-rc.2"),
    ],
)
def test_latest_only_moves_forward(versions, latest):
    assert index_of(*versions).channels["latest"] == latest


@pytest.mark.parametrize("order", list(itertools.permutations(["1.0.0-rc.1", "0.9.0", "1.0.0", "1.1.0-beta"])))
def test_latest_does_not_depend_on_the_order_of_publication(order):
    for n_published in range(1, len(order) + 1):
        published = order[:n_published]
        finals = [version for version in published if "-" not in version]
        expected = max(finals or published, key=["0.9.0", "1.0.0-rc.1", "1.0.0", "1.1.0-beta"].index)
        assert index_of(*published).channels["latest"] == expected


def test_a_released_version_keeps_its_digest():
    with pytest.raises(ArtifactError, match=r"was released with the digest a{64}"):
        index_of("1.0.0").with_version("1.0.0", entry("b"))
    unreleased = Index(name="m").with_version("1.0.0", entry(released=False))
    assert unreleased.with_version("1.0.0", entry("b")).versions["1.0.0"].digest == "b" * 64
    assert index_of("1.0.0").with_version("1.0.0", entry(released=False)).versions["1.0.0"].released is True


@pytest.mark.parametrize(
    ("channel", "version"), [("stable", "9.0.0"), ("1.0.0", "1.0.0"), ("../x", "1.0.0"), ("", "1.0.0")]
)
def test_a_channel_names_a_version_that_is_there(channel, version):
    with pytest.raises(ArtifactError):
        index_of("1.0.0").with_channel(channel, version)


def test_bytes_round_trip_and_a_newer_minor_version_is_read():
    index = index_of("1.0.0", "1.1.0").with_channel("stable", "1.0.0")
    data = bytes_from_index(index)
    assert index_from_bytes(data, name="m", where="x") == index
    newer = json.loads(data) | {"schema_version": "1.7", "new": True}
    newer["versions"]["1.0.0"]["also_new"] = 1
    assert index_from_bytes(json.dumps(newer).encode(), name="m", where="x") == index


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": "2.0"},
        {"name": "other"},
        {"channels": {"stable": "9.9.9"}},
        {"revision": -1},
        {"versions": {"1": {}}},
        {"versions": []},
    ],
)
def test_a_damaged_index_is_an_artifact_error(change):
    value = json.loads(bytes_from_index(index_of("1.0.0"))) | change
    with pytest.raises(ArtifactError) as caught:
        index_from_bytes(json.dumps(value).encode(), name="m", where="somewhere/index.json")
    assert caught.value.where == "somewhere/index.json"


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_index_is_an_artifact_error(data):
    with pytest.raises(ArtifactError):
        index_from_bytes(data, name="m", where="x")


def test_publishing_adds_to_the_index(publish, root):
    artifact = publish()
    publish(version="1.1.0")
    index = read_index(root / "compatibility")
    assert index == index_from_bytes((root / "compatibility/index.json").read_bytes(), name="compatibility", where="")
    assert index.channels == {"latest": "1.1.0"}
    _, integrity = digests_of(artifact.folder / "manifest.json")
    assert index.versions["1.0.0"] == VersionEntry(digest=artifact.manifest.digest, integrity=integrity, released=False)


def test_a_version_that_the_index_lost_is_found_and_never_collected(publish, root):
    publish()
    publish(version="1.1.0")
    (root / "compatibility" / "index.json").unlink()
    index = read_index(root / "compatibility")
    assert {version: one.released for version, one in index.versions.items()} == {"1.0.0": None, "1.1.0": None}
    assert index.channels == {"latest": "1.1.0"}
    assert collect(root / "compatibility", keep=0) == []


def test_a_removed_version_is_forgotten_unless_it_was_released(publish, root):
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        publish(version=version)
    model = root / "compatibility"
    with held(model):
        change_index(
            model,
            lambda index: index.with_version("1.0.0", index.versions["1.0.0"].model_copy(update={"released": True})),
        )
    for version in ("1.0.0", "1.1.0"):
        shutil.rmtree(model / version)
    assert set(read_index(model).versions) == {"1.0.0", "2.0.0"}
    with pytest.raises(ArtifactError, match="was released with the digest"):
        publish(version="1.0.0", description="another")
    assert not (model / "1.0.0").exists()
    publish(version="1.1.0", description="another")


def test_only_what_nobody_was_promised_is_collected(publish, root):
    model = root / "compatibility"
    for version in ("1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0"):
        publish(version=version)
    with held(model):
        change_index(
            model,
            lambda index: index.with_version("1.0.0", index.versions["1.0.0"].model_copy(update={"released": True})),
        )
        change_index(model, lambda index: index.with_channel("stable", "1.2.0"))
    (model / ".9.9.9.dead.draft").mkdir()
    assert collect(model, keep=0, dry_run=True) == ["1.3.0", "1.1.0"]
    assert collect(model, keep=2, dry_run=True) == ["1.1.0"]
    assert "1.1.0" in names(model)
    assert collect(model, keep=0) == ["1.3.0", "1.1.0"]
    assert names(model) == ["1.0.0", "1.2.0", "2.0.0", "index.json"]
    assert set(read_index(model).versions) == {"1.0.0", "1.2.0", "2.0.0"}


def test_references(publish, root, monkeypatch, tmp_path):
    first, second = publish().folder, publish(version="1.1.0").folder
    assert folder_of("compatibility@1.0.0", root) == first
    assert folder_of("compatibility@latest", root) == folder_of("compatibility", root) == second
    assert folder_of(str(first), root) == first
    monkeypatch.chdir(tmp_path)
    assert folder_of("somewhere/else", root).as_posix() == "somewhere/else"
    assert model_names(root) == ["compatibility"]
    assert model_names(tmp_path / "absent") == []


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("compatibility@3.0.0", "no version or channel '3.0.0'"),
        ("compatibility@stable", "no version or channel 'stable'"),
        ("other@1.0.0", "no model other"),
    ],
)
def test_a_reference_to_nothing_says_what_there_is(publish, root, reference, message):
    publish()
    with pytest.raises(ArtifactError, match=message) as caught:
        folder_of(reference, root)
    assert "there is: " in caught.value.hint
    assert "compatibility" in caught.value.hint or "1.0.0, latest" in caught.value.hint

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from converter.artifact.store import Draft, FormatPlan, ensure_free, open_artifact, verify_files
from converter.artifact.vectors import load_vectors
from converter.errors import ArtifactError, InternalError

ONNX_ONLY = (FormatPlan("onnx", path="model.onnx"),)
FILES = [
    "model.onnx",
    "parity.json",
    "test-vectors/inputs.safetensors",
    "test-vectors/outputs.safetensors",
    "tfjs/group1-shard1of1.bin",
    "tfjs/model.json",
]


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def publish_one(root, contents, formats=ONNX_ONLY, *, prepare=lambda folder: None, after=lambda: None):
    """Publish a version that holds one file, and what `prepare` adds to the draft's folder."""
    with Draft(root, contents.name, contents.version) as draft:
        (draft.folder / "model.onnx").write_bytes(b"onnx" * 250)
        prepare(draft.folder)
        artifact = draft.publish(contents, formats)
        after()
    return artifact


def raising(error):
    def fail(*_):
        raise error

    return fail


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)


def test_a_published_artifact_is_whole_and_opens(publish, root):
    artifact = publish()
    assert artifact.folder == root / "compatibility" / "1.0.0"
    assert sorted(tree(artifact.folder)) == sorted([*FILES, "manifest.json"])
    opened = open_artifact(artifact.folder)
    verify_files(opened)
    assert opened.manifest == artifact.manifest
    assert [entry.path for entry in opened.manifest.files] == FILES
    assert names(root / "compatibility") == ["1.0.0", "index.json"]
    assert load_vectors(artifact.folder).inputs["batch1-random"]["features"].shape == (1, 8)


def test_formats_name_their_files_and_the_digest_of_their_parent(publish):
    checkpoint, model, graph = publish().manifest.formats
    assert (checkpoint.files, checkpoint.sha256, checkpoint.parent) == ((), "c" * 64, None)
    assert (model.files, model.parent.sha256) == (("model.onnx",), checkpoint.sha256)
    assert graph.files == ("tfjs/group1-shard1of1.bin", "tfjs/model.json")
    assert (graph.parent.format, graph.parent.sha256) == ("onnx", model.sha256)


def test_two_publications_are_equal_byte_for_byte(publish, tmp_path):
    one, other = publish(tmp_path / "one"), publish(tmp_path / "elsewhere" / "other")
    assert tree(one.folder) == tree(other.folder)
    assert str(tmp_path).encode() not in (one.folder / "manifest.json").read_bytes()


def test_files_and_folders_have_plain_permissions(publish):
    folder = publish().folder
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o755}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o644}


def test_a_version_that_exists_is_never_replaced(publish, root):
    before = tree(publish().folder)
    with pytest.raises(ArtifactError, match="this version exists") as caught:
        publish(description="another")
    assert caught.value.exit_code == 6
    assert caught.value.where.endswith("compatibility/1.0.0")
    assert "--version" in caught.value.hint
    assert tree(root / "compatibility" / "1.0.0") == before
    assert publish(version="1.0.1").folder.is_dir()


@pytest.mark.parametrize("kind", ["file", "empty folder", "folder", "dangling link"])
def test_whatever_has_the_versions_name_stays(publish, root, kind):
    final = root / "compatibility" / "1.0.0"
    final.parent.mkdir(parents=True)
    if kind == "file":
        final.write_text("mine")
    elif kind == "dangling link":
        final.symlink_to("nowhere")
    else:
        final.mkdir()
        if kind == "folder":
            (final / "mine").touch()
    with pytest.raises(ArtifactError, match="this version exists"):
        ensure_free(root, "compatibility", "1.0.0")
    with pytest.raises(ArtifactError, match="this version exists"):
        publish()
    assert os.path.lexists(final)
    assert names(final.parent) == ["1.0.0"]


def test_a_version_that_comes_to_exist_meanwhile_wins(root, publish, contents_factory):
    with pytest.raises(ArtifactError, match="this version exists"):
        publish_one(root, contents_factory(), prepare=lambda folder: publish())
    verify_files(open_artifact(root / "compatibility" / "1.0.0"))
    assert names(root / "compatibility") == ["1.0.0", "index.json"]


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("../x", "1.0.0"),
        ("a/b", "1.0.0"),
        ("..", "1.0.0"),
        ("", "1.0.0"),
        ("/abs", "1.0.0"),
        ("a\n", "1.0.0"),
        ("a", "../1.0.0"),
        ("a", "1.0"),
        ("a", "latest"),
        ("a", "1.0.0\n"),
        ("a", "1.0.0/../../x"),
    ],
)
def test_a_name_or_version_never_leaves_the_root(tmp_path, name, version):
    root = tmp_path / "artifacts"
    with pytest.raises(ArtifactError, match="is not the name and version of a model"):
        ensure_free(root, name, version)
    with pytest.raises(ArtifactError), Draft(root, name, version):
        pytest.fail("the draft was opened")
    assert list(tmp_path.iterdir()) == []


def test_a_models_folder_that_is_a_link_is_refused(tmp_path, root, publish):
    (tmp_path / "outside").mkdir()
    root.mkdir()
    (root / "compatibility").symlink_to(tmp_path / "outside")
    with pytest.raises(ArtifactError, match="symbolic link"):
        publish()
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("error", [RuntimeError("parity failed"), KeyboardInterrupt(), SystemExit(1)])
def test_nothing_is_left_when_the_work_fails(root, contents_factory, error):
    with pytest.raises(type(error)):
        publish_one(root, contents_factory(), prepare=raising(error))
    assert names(root) == []


def test_leaving_without_publishing_leaves_nothing(root):
    with Draft(root, "compatibility", "1.0.0") as draft:
        folder = draft.folder
        assert folder.parent == root / "compatibility"
        assert folder.name.startswith(".1.0.0.")
    assert names(root) == []
    with pytest.raises(InternalError, match="only inside"):
        _ = draft.folder


def test_a_published_version_survives_an_error_afterwards(root, contents_factory):
    with pytest.raises(RuntimeError):
        publish_one(root, contents_factory(), after=raising(RuntimeError("later")))
    verify_files(open_artifact(root / "compatibility" / "1.0.0"))


@pytest.mark.parametrize(
    ("add", "kind"),
    [
        (lambda path, outside: path.symlink_to(outside / "secret"), "a symbolic link"),
        (lambda path, outside: path.symlink_to(outside), "a symbolic link"),
        (lambda path, outside: os.mkfifo(path), "a special file"),
    ],
)
def test_a_draft_with_anything_but_files_is_refused(root, tmp_path, contents_factory, add, kind):
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(ArtifactError, match=f"extra is {kind}") as caught:
        publish_one(root, contents_factory(), prepare=lambda folder: add(folder / "extra", tmp_path))
    assert caught.value.exit_code == 6
    assert names(root) == []


def test_a_file_that_changed_since_it_was_hashed_is_found_out(root, contents_factory):
    contents = contents_factory()
    with Draft(root, contents.name, contents.version) as draft:
        (draft.folder / "model.onnx").write_bytes(b"first")
        known = draft.digests.entries()
        (draft.folder / "model.onnx").write_bytes(b"other")
        with pytest.raises(ArtifactError, match=r"model\.onnx"):
            draft.publish(contents, ONNX_ONLY, known)
    assert not (root / contents.name / contents.version).exists()


def test_a_file_name_that_can_not_be_published_is_refused(root, contents_factory):
    with pytest.raises(ArtifactError, match="name can't be published"):
        publish_one(root, contents_factory(), prepare=lambda folder: (folder / "a\nb").touch())


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        ([FormatPlan("onnx", path="absent.onnx")], "onnx needs files"),
        ([FormatPlan("onnx", path="model.onnx", sha256="a" * 64)], "onnx needs files"),
        ([FormatPlan("onnx", path="model.onnx", parent="checkpoint")], "parent of format onnx"),
    ],
)
def test_a_format_without_files_or_parent_is_a_bug(root, contents_factory, plans, message):
    with pytest.raises(InternalError, match=message):
        publish_one(root, contents_factory(), plans)


def test_a_format_does_not_take_files_of_a_longer_name(root, contents_factory):
    artifact = publish_one(root, contents_factory(), prepare=lambda folder: (folder / "model.onnx.data").touch())
    assert artifact.manifest.formats[0].files == ("model.onnx",)


def test_a_draft_is_published_as_what_it_was_opened_for(root, contents_factory):
    with Draft(root, "compatibility", "2.0.0") as draft, pytest.raises(InternalError, match="another version"):
        draft.publish(contents_factory(version="1.0.0"), [])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, -1])
def test_a_flipped_byte_is_found_and_its_file_named(publish, name, place):
    folder = publish().folder
    flip(folder / name, place)
    with pytest.raises(ArtifactError) as caught:
        verify_files(open_artifact(folder))
    assert f"1 file(s) are not as they were published:\n  - {name}: sha256 is " in caught.value.what
    assert (caught.value.where, caught.value.exit_code) == (str(folder), 6)


@pytest.mark.parametrize("place", [0, 1, 100, -30, -1])
def test_a_flipped_byte_of_the_manifest_names_it(publish, place):
    folder = publish().folder
    flip(folder / "manifest.json", place)
    with pytest.raises(ArtifactError) as caught:
        open_artifact(folder)
    assert caught.value.where == str(folder / "manifest.json")


def test_removed_added_grown_and_linked_files_are_all_named(publish, tmp_path):
    folder = publish().folder
    (folder / "parity.json").unlink()
    (folder / "tfjs" / "extra.bin").touch()
    (folder / ".hidden").touch()
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"!")
    shutil.move(folder / "tfjs" / "model.json", tmp_path / "model.json")
    (folder / "tfjs" / "model.json").symlink_to(tmp_path / "model.json")
    with pytest.raises(ArtifactError) as caught:
        verify_files(open_artifact(folder))
    assert caught.value.what.splitlines() == [
        "5 file(s) are not as they were published:",
        "  - .hidden: not in the manifest",
        "  - model.onnx: size is 4001 bytes, the manifest says 4000",
        "  - parity.json: missing",
        "  - tfjs/extra.bin: not in the manifest",
        "  - tfjs/model.json: a symbolic link instead of a file",
    ]


def test_swapped_files_of_one_size_are_found(publish):
    folder = publish().folder
    first, second = folder / "a", folder / "b"
    for name in ("inputs", "outputs"):
        assert (folder / "test-vectors" / f"{name}.safetensors").is_file()
    (folder / "test-vectors" / "inputs.safetensors").rename(first)
    (folder / "test-vectors" / "outputs.safetensors").rename(second)
    first.rename(folder / "test-vectors" / "outputs.safetensors")
    second.rename(folder / "test-vectors" / "inputs.safetensors")
    with pytest.raises(ArtifactError, match=r"2 file\(s\)"):
        verify_files(open_artifact(folder))


def test_a_file_added_to_files_and_manifest_without_its_digest_is_found(publish):
    folder = publish().folder
    value = json.loads((folder / "manifest.json").read_bytes())
    value["files"] = value["files"][1:]
    (folder / "manifest.json").write_text(json.dumps(value))
    with pytest.raises(ArtifactError, match="not as it was written"):
        open_artifact(folder)


def test_what_is_no_artifact_says_where_and_what_next(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ArtifactError, match="no artifact here") as caught:
            open_artifact(folder)
        assert caught.value.where == str(folder)
        assert "artifacts/NAME/VERSION" in caught.value.hint


def test_a_manifest_behind_a_link_is_refused(publish, tmp_path):
    folder = publish().folder
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "manifest.json").symlink_to(folder / "manifest.json")
    with pytest.raises(ArtifactError, match="a link"):
        open_artifact(tmp_path / "linked")


def test_an_artifact_can_be_moved(publish, tmp_path):
    shutil.copytree(publish().folder, tmp_path / "copy")
    verify_files(open_artifact(tmp_path / "copy"))


def test_a_root_that_can_not_be_written_is_an_artifact_error(tmp_path, publish):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="can't be written") as caught:
        publish(tmp_path / "file")
    assert caught.value.hint

import numpy as np
import pytest

from converter.artifact.vectors import Vectors, load_vectors, save_vectors
from converter.errors import ArtifactError, InternalError, UnsupportedError
from converter.fileio import save_safetensors

DTYPES = [
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
]


def vectors(labels=("batch4-random", "batch1-zeros")):
    rng = np.random.default_rng(0)
    inputs = {
        label: {f"in/{name}": (rng.random((2, 3)) * 3).astype(name) for name in reversed(DTYPES)} for label in labels
    }
    outputs = {
        label: {"score": rng.random((2, 1)).astype(np.float32), "k": np.int64(2**62), "none": np.zeros((0, 4))}
        for label in labels
    }
    return Vectors(inputs, outputs)


def test_what_is_loaded_is_what_was_saved_in_its_order(tmp_path):
    saved = vectors()
    save_vectors(tmp_path, saved)
    loaded = load_vectors(tmp_path)
    for before, after in ((saved.inputs, loaded.inputs), (saved.outputs, loaded.outputs)):
        assert list(before) == list(after)
        for label, tensors in before.items():
            assert list(tensors) == list(after[label])
            for name, array in tensors.items():
                assert after[label][name].dtype == array.dtype
                assert after[label][name].shape == array.shape
                np.testing.assert_array_equal(after[label][name], array)


def test_the_bytes_repeat(tmp_path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        save_vectors(tmp_path / folder, vectors())
    for name in ("inputs", "outputs"):
        one, other = (tmp_path / folder / "test-vectors" / f"{name}.safetensors" for folder in ("one", "other"))
        assert one.read_bytes() == other.read_bytes()


def test_non_contiguous_arrays_keep_their_values(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4).T
    save_vectors(tmp_path, Vectors({"a": {"x": array}}, {"a": {"y": array[::2]}}))
    np.testing.assert_array_equal(load_vectors(tmp_path).inputs["a"]["x"], array)
    np.testing.assert_array_equal(load_vectors(tmp_path).outputs["a"]["y"], array[::2])


def test_strings_are_refused_by_name(tmp_path):
    words = {"a": {"text": np.array(["x"], object)}}
    with pytest.raises(UnsupportedError, match="object") as caught:
        save_vectors(tmp_path, Vectors(words, words))
    assert caught.value.where == "a/text"


@pytest.mark.parametrize(
    "wrong",
    [
        Vectors({}, {}),
        Vectors({"a": {"x": np.ones(1)}}, {"b": {"x": np.ones(1)}}),
        Vectors({"a/b": {"x": np.ones(1)}}, {"a/b": {"x": np.ones(1)}}),
    ],
)
def test_labels_must_match_and_hold_no_slash(tmp_path, wrong):
    with pytest.raises(InternalError):
        save_vectors(tmp_path, wrong)


def damage_truncate(path):
    path.write_bytes(path.read_bytes()[:-3])


def damage_order(path):
    save_safetensors(path, {"a/x": np.ones(1), "a/y": np.ones(1)}, {"order": '[["a","x"]]'})


def damage_name(path):
    save_safetensors(path, {"a/x": np.ones(1)}, {"order": '[["a","z"]]'})


def damage_form(path):
    save_safetensors(path, {"a/x": np.ones(1)}, {"order": "[1]"})


def damage_metadata(path):
    save_safetensors(path, {"a/x": np.ones(1)})


def damage_other_samples(path):
    save_safetensors(path, {"a/x": np.ones(1)}, {"order": '[["a","x"]]'})


@pytest.mark.parametrize(
    "damage",
    [
        damage_truncate,
        damage_order,
        damage_name,
        damage_form,
        damage_metadata,
        damage_other_samples,
        lambda p: p.unlink(),
    ],
)
@pytest.mark.parametrize("name", ["inputs", "outputs"])
def test_a_damaged_file_is_an_artifact_error(tmp_path, damage, name):
    save_vectors(tmp_path, vectors())
    damage(tmp_path / "test-vectors" / f"{name}.safetensors")
    with pytest.raises(ArtifactError) as caught:
        load_vectors(tmp_path)
    assert "test-vectors" in caught.value.where
    assert caught.value.hint


def test_an_array_that_no_sample_owns_is_found(tmp_path):
    save_vectors(tmp_path, Vectors({"a": {"x": np.ones(1)}}, {"a": {"y": np.ones(1)}}))
    damage_order(tmp_path / "test-vectors" / "inputs.safetensors")
    with pytest.raises(ArtifactError, match=r"\['a/y'\] are not in the order"):
        load_vectors(tmp_path)

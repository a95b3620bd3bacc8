import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet
from safetensors.numpy import save_file

from converter.config import TensorSpec
from converter.errors import ConfigError
from converter.parity.samples import ROWS_IN_A_SET, read_samples

PAIR = [TensorSpec(name="ids", dtype="int64", shape=("batch", "length")), TensorSpec(name="scale", shape=("batch", 1))]
FEATURES = ("age", "height", "weight")
FEATURE_INPUT = [TensorSpec(name="features", shape=("batch", 3))]
IDS = np.arange(6).reshape(2, 3)
SCALE = np.array([[0.5], [2.0]], np.float32)


def write(path, **arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".safetensors":
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)
    else:
        table = pa.table({name: pa.array(list(array)) for name, array in arrays.items()})
        (csv.write_csv if path.suffix == ".csv" else parquet.write_table)(table, path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_an_array_for_each_input(tmp_path, suffix):
    [sample] = read_samples(write(tmp_path / f"mine{suffix}", scale=SCALE, ids=IDS), PAIR)
    assert (sample.label, list(sample.inputs)) == ("samples", ["ids", "scale"])
    np.testing.assert_array_equal(sample.inputs["ids"], IDS)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_several_sets_have_their_own_labels(tmp_path, suffix):
    arrays = {f"{label}/{name}": array for label in "ab" for name, array in (("ids", IDS), ("scale", SCALE))}
    samples = read_samples(write(tmp_path / f"mine{suffix}", **arrays), PAIR)
    assert {sample.label for sample in samples} == {"samples-a", "samples-b"}
    assert all(sample.inputs["scale"].shape == (2, 1) for sample in samples)


def test_an_input_may_have_a_slash_in_its_name(tmp_path):
    spec = [TensorSpec(name="in/x", shape=("n",))]
    [sample] = read_samples(write(tmp_path / "mine.npz", **{"in/x": np.ones(3, np.float32)}), spec)
    assert sample.inputs["in/x"].shape == (3,)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_are_the_features_in_the_models_order_whatever_that_of_the_file(tmp_path, suffix):
    columns = {"name": ["a", "b"], "weight": [60, 80], "age": [30.5, 40.0], "height": [1.7, 1.8]}
    [sample] = read_samples(write(tmp_path / f"people{suffix}", **columns), FEATURE_INPUT, FEATURES)
    np.testing.assert_array_equal(
        sample.inputs["features"], np.array([[30.5, 1.7, 60], [40, 1.8, 80]], np.float32), strict=True
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_columns_are_inputs_by_name(tmp_path, suffix):
    specs = [TensorSpec(name="k", dtype="int64", shape=("n",)), TensorSpec(name="x", shape=("n", 1))]
    [sample] = read_samples(write(tmp_path / f"rows{suffix}", x=[0.5, 1.5], k=[3, 4]), specs)
    np.testing.assert_array_equal(sample.inputs["k"], np.array([3, 4]), strict=True)
    np.testing.assert_array_equal(sample.inputs["x"], np.array([[0.5], [1.5]], np.float32), strict=True)


def test_lists_in_a_parquet_file_are_rows(tmp_path):
    path = write(tmp_path / "lists.parquet", ids=[[1, 2, 3], [4, 5, 6]], scale=[0.5, 1.0])
    [sample] = read_samples(path, PAIR)
    assert sample.inputs["ids"].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_many_rows_become_several_sets_and_none_is_left_out(tmp_path):
    n_rows = 2 * ROWS_IN_A_SET + 5
    path = write(tmp_path / "many.csv", age=np.arange(n_rows), height=np.ones(n_rows), weight=np.ones(n_rows))
    samples = read_samples(path, FEATURE_INPUT, FEATURES)
    assert [sample.label for sample in samples] == ["samples-1", "samples-2", "samples-3"]
    ages = np.concatenate([sample.inputs["features"][:, 0] for sample in samples])
    np.testing.assert_array_equal(ages, np.arange(n_rows))


def test_a_fixed_batch_cuts_the_rows(tmp_path):
    fixed = [TensorSpec(name="features", shape=(2, 3))]
    path = write(tmp_path / "four.csv", age=range(4), height=range(4), weight=range(4))
    assert [sample.inputs["features"].shape for sample in read_samples(path, fixed, FEATURES)] == [(2, 3)] * 2
    write(path, age=range(5), height=range(5), weight=range(5))
    with pytest.raises(ConfigError, match="5 rows can't be cut into sets of 2"):
        read_samples(path, fixed, FEATURES)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": IDS}, r"holds \['ids'\], the model takes \['ids', 'scale'\]"),
        ({"ids": IDS, "scale": SCALE, "more": SCALE}, r"'more'"),
        ({"ids": IDS[0], "scale": SCALE}, r"ids has the shape \[3\], the model takes \[batch, length\]"),
        ({"ids": IDS, "scale": SCALE[:1]}, r"scale has the shape \[1, 1\], the model takes \[batch=2, 1\]"),
        ({"ids": IDS, "scale": SCALE[:, :0]}, r"scale has the shape \[2, 0\]"),
        ({"ids": IDS + 0.5, "scale": SCALE}, "ids holds float64 that doesn't fit int64"),
        ({"ids": IDS.astype(np.float32) * 1e30, "scale": SCALE}, "doesn't fit int64"),
        ({"ids": IDS, "scale": SCALE.astype(np.float64) * 1e300}, "scale holds float64 that doesn't fit float32"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays, message):
    with pytest.raises(ConfigError, match=message) as refused:
        read_samples(write(tmp_path / "mine.npz", **arrays), PAIR)
    assert "mine.npz: samples" in refused.value.where


@pytest.mark.parametrize("ids", [IDS.astype(np.int8), IDS.astype(np.float64)])
def test_arrays_that_fit_without_loss_are_converted(tmp_path, ids):
    [sample] = read_samples(write(tmp_path / "mine.npz", ids=ids, scale=SCALE.astype(np.float64)), PAIR)
    np.testing.assert_array_equal(sample.inputs["ids"], IDS, strict=True)
    assert sample.inputs["scale"].dtype == np.float32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age,height\n1,2\n", "no column, or several, for weight"),
        ("age,height,weight,age\n1,2,3,4\n", "no column, or several, for age"),
        ("age,height,weight\n1,2,\n", "column weight has 1 empty cells"),
        ("age,height,weight\n1,2,heavy\n", "column weight holds string, not numbers"),
        ("age,height,weight\n1,2\n", "can't be read"),
        ("age,height,weight\n", "empty|no samples"),
        ("", "can't be read"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, text, message):
    path = tmp_path / "people.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as refused:
        read_samples(path, FEATURE_INPUT, FEATURES)
    assert str(path) in refused.value.where


def test_lists_that_differ_in_length_are_refused(tmp_path):
    path = write(tmp_path / "lists.parquet", ids=[[1, 2, 3], [4]], scale=[0.5, 1.0])
    with pytest.raises(ConfigError, match="lists of column ids differ in length"):
        read_samples(path, PAIR)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".csv", ".parquet"])
def test_what_is_no_such_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    with pytest.raises(ConfigError, match="no such file"):
        read_samples(path, PAIR)
    path.write_bytes(b"\x93nothing of the kind" * 10)
    with pytest.raises(ConfigError):
        read_samples(path, PAIR)


def test_pickles_are_not_read(tmp_path):
    np.savez(tmp_path / "mine.npz", ids=np.array([{}], object), scale=SCALE)
    with pytest.raises(ConfigError, match="can't be read"):
        read_samples(tmp_path / "mine.npz", PAIR)


def test_an_empty_archive_holds_no_samples(tmp_path):
    np.savez(tmp_path / "mine.npz")
    with pytest.raises(ConfigError, match="holds no samples"):
        read_samples(tmp_path / "mine.npz", PAIR)


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"\.json holds no samples") as refused:
        read_samples(tmp_path / "mine.json", PAIR)
    assert refused.value.hint == "give one of .npz, .safetensors, .csv, .parquet"


def test_without_pyarrow_the_message_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "people.csv").write_text("age\n1\n")
    with pytest.raises(ConfigError, match="needs pyarrow") as refused:
        read_samples(tmp_path / "people.csv", FEATURE_INPUT, FEATURES)
    assert refused.value.exit_code == 2
    assert "pip install 'compat-export[data]'" in refused.value.hint

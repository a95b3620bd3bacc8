import sys
import tracemalloc
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from converter.errors import ConfigError
from converter.features import Feature
from converter.training.table import read_rows
from converter.training_settings import DataSection

FEATURES = tuple(Feature(name=f"f{number}", unit="", low=0, high=1) for number in range(8))
N_ROWS = 30


def columns(n_rows: int = N_ROWS) -> dict[str, object]:
    rng = np.random.default_rng(0)
    return {feature.name: rng.random(n_rows).round(4) for feature in FEATURES} | {"y": np.arange(n_rows) % 2}


def write(path: Path, table: pa.Table) -> Path:
    if path.suffix == ".csv":
        csv.write_csv(table, path)
    else:
        parquet.write_table(table, path, row_group_size=50_000)
    return path


def read(path: Path, **settings: object) -> object:
    return read_rows(path, DataSection.model_validate({"label": "y"} | settings), FEATURES)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_rows_are_those_of_the_file(tmp_path: Path, name: str) -> None:
    wanted = columns()
    rows = read(write(tmp_path / name, pa.table(wanted)))
    assert np.array_equal(rows.features, np.stack([wanted[one.name] for one in FEATURES], 1).astype(np.float32))
    assert np.array_equal(rows.labels, wanted["y"] == 1)
    assert rows.group is rows.time is rows.probability is None


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize(
    "labels",
    [
        pytest.param([True, False], id="bool"),
        pytest.param([1, 0], id="int"),
        pytest.param([1.0, 0.0], id="float"),
        pytest.param(["true", "false"], id="text"),
        pytest.param([" 1", "0 "], id="padded"),
    ],
)
def test_labels_may_be_spelled_so(tmp_path: Path, name: str, labels: list) -> None:
    rows = read(write(tmp_path / name, pa.table(columns() | {"y": labels * (N_ROWS // 2)})))
    assert rows.labels.tolist() == [True, False] * (N_ROWS // 2)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(pa.array([Decimal("0.25")] * N_ROWS), id="decimal"),
        pytest.param(pa.array([0.25] * N_ROWS, pa.float16()), id="float16"),
        pytest.param(pa.array([" 0.25"] * N_ROWS), id="text"),
        pytest.param(pa.array(["0.25"] * N_ROWS).dictionary_encode(), id="dictionary"),
        pytest.param(pa.array(["0.25"] * N_ROWS, pa.large_string()), id="large-text"),
    ],
)
def test_numbers_may_be_stored_so(tmp_path: Path, values: pa.Array) -> None:
    rows = read(write(tmp_path / "t.parquet", pa.table(columns() | {"f3": values})))
    assert set(rows.features[:, 3]) == {0.25}


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
@pytest.mark.parametrize(
    "when",
    [
        pytest.param([date(2025, 1, 2), date(1969, 1, 1)], id="date"),
        pytest.param([datetime(2025, 1, 2, 3, tzinfo=UTC), datetime(2025, 1, 2, 2, tzinfo=UTC)], id="timestamp"),
        pytest.param([20.5, -3.0], id="number"),
        pytest.param(["2025-01-02 10:00:00", "2025-01-02 09:00:00"], id="text"),
    ],
)
def test_times_sort(tmp_path: Path, name: str, when: list) -> None:
    rows = read(write(tmp_path / name, pa.table(columns() | {"day": when * (N_ROWS // 2)})), time="day")
    assert (rows.time[::2] > rows.time[1::2]).all()
    assert len(set(rows.time)) == 2


@pytest.mark.parametrize("settings", [{"time": "day"}, {"group": "day"}])
def test_a_row_without_time_or_group_is_named(tmp_path: Path, settings: dict) -> None:
    path = write(tmp_path / "t.csv", pa.table(columns() | {"day": [*["2025-01-01"] * 20, None, *["2025-01-01"] * 9]}))
    with pytest.raises(ConfigError, match="column day, row 22: is missing"):
        read(path, **settings)


def test_a_time_that_is_none_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", pa.table(columns() | {"day": [*["2025-01-01"] * 20, "soon", *["2025-01-01"] * 9]}))
    with pytest.raises(ConfigError, match="column day, row 22: 'soon' is neither a number nor a date"):
        read(path, time="day")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_groups_are_names(tmp_path: Path, name: str) -> None:
    people = [7, 8, 9] * (N_ROWS // 3)
    rows = read(write(tmp_path / name, pa.table(columns() | {"person": people})), group="person")
    assert rows.groups_of(np.arange(N_ROWS)).tolist() == [str(one) for one in people]


def test_another_delimiter_and_quoted_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    csv.write_csv(pa.table(columns() | {"note": ["a;b"] * N_ROWS}), path, csv.WriteOptions(delimiter=";"))
    assert len(read(path, delimiter=";")) == N_ROWS


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t.csv", pa.table(columns()))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"needs pyarrow.*\n.*pip install 'compat-export\[data\]'"):
        read(path)


def test_a_large_table_is_read_in_pieces(tmp_path: Path) -> None:
    n_rows = 400_000
    path = write(tmp_path / "t.parquet", pa.table(columns(n_rows)))
    tracemalloc.start()
    rows = read(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(rows.features, np.memmap)
    assert rows.features.nbytes == n_rows * 8 * 4
    assert peak_bytes < rows.features.nbytes / 1.5
    assert float(rows.features[-1, 0]) == pytest.approx(columns(n_rows)["f0"][-1])

"""Training on a person's own table: what is wrong with it is said with column and row, and nothing is written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import yaml
from pyarrow import csv, parquet

from tests.cli.conftest import Cli

N_ROWS = 300
Lines = list[str]
Change = Callable[[Lines], Lines]

CONFIG = {
    "name": "dates",
    "model": {"checkpoint": "out/net.pth"},
    "features": [
        {"name": "likes", "unit": "likes", "low": 0, "high": 30, "transform": "log1p", "scale": 30},
        {"name": "km", "unit": "km", "low": 0, "high": 100, "transform": "inverse", "scale": 100},
        {"name": "age", "unit": "years", "low": 18, "high": 99, "transform": "standardize"},
    ],
    "data": {"path": "dates.csv", "label": "liked"},
    "network": {"hidden": [8]},
    "training": {"epochs": 2, "batch_size": 32},
    "evaluation": {"resamples": 100},
}


def table() -> pa.Table:
    rng = np.random.default_rng(0)
    likes, km, age = rng.integers(0, 31, N_ROWS), rng.random(N_ROWS) * 100, rng.integers(18, 60, N_ROWS)
    liked = (rng.random(N_ROWS) < 1 / (1 + np.exp(-(likes - km / 4)))).astype(int)
    person = [f"person-{number}" for number in rng.integers(0, 40, N_ROWS)]
    day = np.datetime64("2025-01-01") + np.arange(N_ROWS).astype("timedelta64[D]")
    columns = {"likes": likes, "km": km, "age": age, "liked": liked, "person": person, "day": day, "note": person}
    return pa.table(columns)


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    csv.write_csv(table(), tmp_path / "good.csv", csv.WriteOptions(quoting_style="none"))
    return (tmp_path / "good.csv").read_text().splitlines()


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: object) -> Path:
        (tmp_path / "dates.yaml").write_text(yaml.safe_dump(CONFIG | changes))
        return tmp_path / "dates.yaml"

    return write


def cell(row: int, column: int, text: str) -> Change:
    """Put a text into a cell; row 1 is the header."""

    def change(lines: Lines) -> Lines:
        cells = lines[row - 1].split(",")
        cells[column] = text
        return [*lines[: row - 1], ",".join(cells), *lines[row:]]

    return change


def every_label(text: str) -> Change:
    return lambda lines: [lines[0], *(",".join([*(c := line.split(","))[:3], text, *c[4:]]) for line in lines[1:])]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda lines: [line.replace("km", "miles") for line in lines], "no column km", id="column"),
        pytest.param(cell(17, 1, "far"), "column km, row 17: 'far' is no number", id="text"),
        pytest.param(cell(301, 0, "1,5"), "row 301: 8 cells, the header has 7", id="comma"),
        pytest.param(cell(200, 2, "nan"), "column age, row 200: is missing", id="nan"),
        pytest.param(cell(2, 2, ""), "column age, row 2: is missing", id="gap"),
        pytest.param(cell(90, 1, "inf"), "column km, row 90: inf is no finite float32", id="infinite"),
        pytest.param(cell(90, 1, "1e39"), "column km, row 90: 1e+39 is no finite float32", id="too-large"),
        pytest.param(cell(44, 3, "2"), "column liked, row 44: '2' is no label", id="label"),
        pytest.param(cell(44, 3, ""), "column liked, row 44: a missing value is no label", id="no-label"),
        pytest.param(every_label("1"), "column liked is 1 in all 300 rows", id="one-class"),
        pytest.param(lambda lines: lines[:4], "it has 3 rows, and some have to be held out", id="three-rows"),
        pytest.param(lambda lines: lines[:1], "it has no rows", id="header-only"),
        pytest.param(lambda _: [], "it is empty", id="empty"),
        pytest.param(
            lambda lines: [line.replace(",", ";") for line in lines], "is data.delimiter ';'?", id="delimiter"
        ),
        pytest.param(
            lambda lines: [lines[0].replace("note", "km"), *lines[1:]], "column km is there twice", id="twice"
        ),
        pytest.param(
            lambda lines: [lines[0], *(line.replace(",", ";") for line in lines[1:])],
            "row 2: 1 cells, the header has 7",
            id="delimiter-of-the-rows",
        ),
    ],
)
def test_bad_csv(cli: Cli, config: Callable[..., Path], lines: Lines, change: Change, said: str) -> None:
    path = config()
    table = path.with_name("dates.csv")
    table.write_text("".join(f"{line}\n" for line in change(lines)))
    before = sorted(path.parent.rglob("*"))
    run = cli("train", path)
    assert (run.code, run.out) == (2, "")
    assert said in run.err
    assert str(table) in run.err.replace("\n", "")
    assert "hint" in run.err
    assert sorted(path.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        pytest.param("km", None, "no column km", id="column"),
        pytest.param("km", ["far"] * N_ROWS, "column km, row 1: 'far' is no number", id="text"),
        pytest.param("km", [[1.0]] * N_ROWS, "column km, row 1: the column holds list<", id="lists"),
        pytest.param("km", [*[1.0] * 99, float("nan"), *[1.0] * 200], "column km, row 100: is missing", id="nan"),
        pytest.param("age", [*[30] * 299, None], "column age, row 300: is missing", id="gap"),
        pytest.param("liked", [False] * N_ROWS, "column liked is 0 in all 300 rows", id="one-class"),
        pytest.param("age", [30.0] * N_ROWS, "age is 30 in all training rows", id="constant"),
    ],
)
def test_bad_parquet(
    cli: Cli, config: Callable[..., Path], tmp_path: Path, column: str, values: list | None, said: str
) -> None:
    bad = table().drop_columns([column])
    parquet.write_table(bad if values is None else bad.append_column(column, pa.array(values)), tmp_path / "d.parquet")
    path = config(data={"path": "d.parquet", "label": "liked"})
    before = sorted(tmp_path.rglob("*"))
    run = cli("train", path)
    assert (run.code, run.out) == (2, "")
    assert said in run.err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("data", "content", "said"),
    [
        pytest.param({"path": "no.csv"}, b"", "no such file", id="no-file"),
        pytest.param({"path": "d.xlsx"}, b"PK", "is neither .csv nor .parquet", id="format"),
        pytest.param({"path": "d.parquet"}, b"not parquet", "can't be read as parquet", id="not-parquet"),
        pytest.param({"path": "d.csv"}, b"likes,km,age,liked\n\xff,1,2,0\n", "can't be read as csv", id="encoding"),
        pytest.param({"path": "d.csv", "label": "km"}, b"x", "km is a feature already", id="label"),
        pytest.param({"path": "d.csv", "split": {"by": "group"}}, b"x", "needs data.group", id="no-group"),
        pytest.param({"path": "d.csv", "split": {"by": "time"}}, b"x", "needs data.time", id="no-time"),
        pytest.param({"split": {"validation": 0.5, "test": 0.5}}, b"x", "leave no rows to learn from", id="shares"),
    ],
)
def test_bad_settings(
    cli: Cli, config: Callable[..., Path], tmp_path: Path, data: dict, content: bytes, said: str
) -> None:
    path = config(data={"label": "liked"} | data)
    for name in ("d.csv", "d.parquet", "d.xlsx"):
        (tmp_path / name).write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    run = cli("train", path)
    assert (run.code, run.out) == (2, "")
    assert said in run.err
    assert sorted(tmp_path.rglob("*")) == before


def test_too_few_groups_are_said(cli: Cli, config: Callable[..., Path], tmp_path: Path) -> None:
    csv.write_csv(table().set_column(4, "person", pa.array(["me"] * N_ROWS)), tmp_path / "dates.csv")
    run = cli("train", config(data={"path": "dates.csv", "label": "liked", "group": "person"}))
    assert run.code == 2
    assert "part of the group split has no rows (0 of 300 rows)" in run.err


def test_a_table_is_trained_on(cli: Cli, config: Callable[..., Path], tmp_path: Path) -> None:
    csv.write_csv(table(), tmp_path / "dates.csv")
    run = cli("train", config(), "--json")
    assert run.code == 0, run.err
    data = run.document["data"]
    assert (data["name"], data["is_synthetic"], data["split_by"]) == ("dates.csv", False, "stratified")
    assert data["n_rows"] == {"train": 210, "validation": 45, "test": 45}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["net.pth", "net.training.json"]


def test_csv_and_parquet_with_gaps_filled_give_the_same_network(
    cli: Cli, config: Callable[..., Path], tmp_path: Path
) -> None:
    features = [*CONFIG["features"][:2], CONFIG["features"][2] | {"missing": 30}]
    gaps = table().set_column(2, "age", pa.array([None, None, *range(20, 20 + N_ROWS - 2)]))
    csv.write_csv(gaps, tmp_path / "d.csv")
    parquet.write_table(gaps, tmp_path / "d.parquet", row_group_size=70)
    found = []
    for name in ("d.csv", "d.parquet"):
        run = cli("train", config(data={"path": name, "label": "liked"}, features=features), "--json")
        assert run.code == 0, run.err
        assert run.document["data"]["filled"] == {"age": 2}
        found.append((run.document["sha256"], run.document["metrics"]))
    assert found[0] == found[1]

"""Rows from a CSV or Parquet file of any size: read once, checked cell by cell, and mapped from disk after that."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from converter.errors import ConfigError, ConverterError
from converter.features import Feature
from converter.training.rows import CHUNK_ROWS, Rows, require_enough
from converter.training_settings import DataSection

FORMATS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
DELIMITERS = {";": "';'", "\t": "'\\t'", ",": "','", "|": "'|'"}
FIRST_ROW = {"csv": 2, "parquet": 1}  # of the file, its header being row 1


def read_rows(path: Path, settings: DataSection, features: Sequence[Feature]) -> Rows:
    """The rows of a table; their features are kept in an unnamed file on disk, and mapped from there.

    Raises: ConfigError naming column and row of the first cell that doesn't fit, or what else is wrong with the table.
    """
    kind = settings.format or FORMATS.get(path.suffix)
    if kind is None:
        raise ConfigError("is neither .csv nor .parquet", where=str(path), hint="set data.format to csv or parquet")
    if not path.is_file():
        raise ConfigError("no such file", where=str(path), hint="check data.path, which is relative to the config")
    try:
        import pyarrow
    except ImportError as error:
        hint = "pip install 'compat-export[data]'"
        raise ConfigError("reading it needs pyarrow, which isn't installed", where=str(path), hint=hint) from error
    wanted = [*(feature.name for feature in features), settings.label]
    wanted += [name for name in (settings.group, settings.time) if name is not None]
    if settings.label in wanted[: len(features)]:
        raise ConfigError(f"{settings.label} is a feature already", where="data.label", hint="name another column")
    with tempfile.TemporaryFile(prefix="compat-export-") as spool:
        gathered = _Gathered(spool, settings, features)
        try:
            for batch in _batches(path, kind, settings, list(dict.fromkeys(wanted))):
                gathered.add(batch, FIRST_ROW[kind], path)
        except (pyarrow.ArrowException, UnicodeDecodeError) as error:
            what = str(error).splitlines()[0]
            raise ConfigError(f"can't be read as {kind}: {what}", where=str(path), hint="check the file") from error
        rows = gathered.rows()
    require_enough(rows, settings.label, str(path))
    return rows


@dataclass
class _Gathered:
    """What has been read so far: features on disk, the rest in memory."""

    spool: IO[bytes]
    settings: DataSection
    features: Sequence[Feature]
    n_rows: int = 0
    labels: list[np.ndarray] = field(default_factory=list)
    groups: list[np.ndarray] = field(default_factory=list)
    times: list[np.ndarray] = field(default_factory=list)
    codes: dict[str, int] = field(default_factory=dict)
    filled: dict[str, int] = field(default_factory=dict)

    def add(self, batch: Any, first_row: int, path: Path) -> None:
        from converter.training.columns import Cells, feature_values, label_values, names, plain, times

        def cells(column: str) -> Cells:
            return Cells(plain(batch.column(column)), column, first_row + self.n_rows, path)

        if not batch.num_rows:
            return
        columns = []
        for feature in self.features:
            values, n_filled = feature_values(cells(feature.name), feature)
            columns.append(values)
            self.filled[feature.name] = self.filled.get(feature.name, 0) + n_filled
        block = np.stack(columns, axis=1)
        self.labels.append(label_values(cells(self.settings.label)))
        if self.settings.group is not None:
            codes, found = names(cells(self.settings.group))
            known = np.array([self.codes.setdefault(name, len(self.codes)) for name in found], np.int32)
            self.groups.append(known[codes])
        if self.settings.time is not None:
            self.times.append(times(cells(self.settings.time)))
        self.n_rows += batch.num_rows
        try:
            self.spool.write(np.ascontiguousarray(block).data)
        except OSError as error:
            raise ConverterError(
                f"no room for its rows: {error.strerror}", where=tempfile.gettempdir(), hint="point TMPDIR elsewhere"
            ) from error

    def rows(self) -> Rows:
        self.spool.flush()
        shape = (self.n_rows, len(self.features))
        return Rows(
            np.memmap(self.spool, np.float32, "r", shape=shape) if self.n_rows else np.empty(shape, np.float32),
            np.concatenate([np.empty(0, bool), *self.labels]),
            np.concatenate(self.groups) if self.groups else None,
            tuple(self.codes),
            np.concatenate(self.times) if self.times else None,
            filled=self.filled,
        )


def _batches(path: Path, kind: str, settings: DataSection, columns: list[str]) -> Iterator[Any]:
    if kind == "parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            _require_columns(file.schema_arrow.names, columns, str(path))
            yield from file.iter_batches(CHUNK_ROWS, columns=columns, use_threads=False)
    else:
        yield from _csv_batches(path, settings, columns)


def _csv_batches(path: Path, settings: DataSection, columns: list[str]) -> Iterator[Any]:
    """Every cell as text: what a number is, is decided cell by cell and not by what the first rows look like."""
    import pyarrow
    from pyarrow import csv

    bad_rows: list[ConfigError] = []

    def refuse(row: Any) -> str:
        what = f"row {row.number}: {row.actual_columns} cells, the header has {row.expected_columns}"
        bad_rows.append(ConfigError(what, where=str(path), hint=f"is the delimiter {settings.delimiter!r}?"))
        return "error"

    read = csv.ReadOptions(use_threads=False)
    parse = csv.ParseOptions(delimiter=settings.delimiter, invalid_row_handler=refuse)
    if path.stat().st_size == 0:
        raise ConfigError("it is empty", where=str(path), hint="give a file with a header and rows below it")
    try:
        with csv.open_csv(path, read, parse) as reader:
            _require_columns(reader.schema.names, columns, f"{path}, row 1")
        texts = csv.ConvertOptions(
            include_columns=columns, column_types=dict.fromkeys(columns, pyarrow.string()), strings_can_be_null=True
        )
        with csv.open_csv(path, read, parse, texts) as reader:
            yield from reader
    except pyarrow.ArrowInvalid as error:
        if bad_rows:
            raise bad_rows[0] from error
        raise


def _require_columns(found: Sequence[str], wanted: Sequence[str], where: str) -> None:
    missing = [name for name in wanted if found.count(name) != 1]
    if not missing:
        return
    hint = f"its columns: {', '.join(found)}"
    if len(found) == 1 and (other := next((DELIMITERS[one] for one in DELIMITERS if one in found[0]), None)):
        hint = f"its only column is {found[0]!r}: is data.delimiter {other}?"
    twice = [name for name in missing if name in found]
    what = f"column {twice[0]} is there twice" if twice else f"no column {', '.join(missing)}"
    raise ConfigError(what, where=where, hint=hint)

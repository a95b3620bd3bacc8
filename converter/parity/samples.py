"""Inputs of a person's own for parity, read from .npz, .safetensors, .csv or .parquet files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converter.config import TensorSpec
from converter.errors import ConfigError
from converter.fileio import read_safetensors
from converter.parity.inputs import Sample

LABEL = "samples"
ROWS_IN_A_SET = 256  # of a table, where the batch is dynamic

Named = Mapping[str, np.ndarray]


def read_samples(path: Path, specs: Sequence[TensorSpec], features: Sequence[str] = ()) -> list[Sample]:
    """The sets of inputs in a file, with the dtypes that the model takes.

    An .npz or .safetensors file holds an array for each input, or several sets of them under `<set>/<input>`. A .csv or
    .parquet file holds rows: a column for each of the `features`, which together are the model's one input, or a column
    for each input; other columns are left out.
    Shapes: as the model's inputs; in a table, rows are the first dimension, and 256 at most make a set.
    Raises: ConfigError if the file can't be read, what it holds doesn't fit the inputs, or it holds no row.
    """
    if path.suffix not in READERS:
        raise ConfigError(
            f"{path.suffix or 'a file without a suffix'} holds no samples",
            where=str(path),
            hint=f"give one of {', '.join(READERS)}",
        )
    if not path.is_file():
        raise ConfigError("no such file", where=str(path), hint="check the path of the samples")
    sets = READERS[path.suffix](path, specs, features)
    samples = [
        Sample(label, _fitting(inputs, specs, f"{path}: {label}"), is_given=True) for label, inputs in sets.items()
    ]
    if not samples:
        raise ConfigError("it holds no samples", where=str(path), hint="give at least one set of inputs")
    return samples


def _sets_of_npz(path: Path, specs: Sequence[TensorSpec], _: Sequence[str]) -> dict[str, Named]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, EOFError, KeyError) as error:
        raise ConfigError(f"can't be read: {error}", where=str(path), hint="write it with numpy.savez") from error
    return _sets_of_arrays(arrays, specs)


def _sets_of_safetensors(path: Path, specs: Sequence[TensorSpec], _: Sequence[str]) -> dict[str, Named]:
    try:
        arrays, _metadata = read_safetensors(path)
    except (OSError, ValueError) as error:
        hint = "write it with safetensors.numpy.save_file"
        raise ConfigError(f"can't be read: {error}", where=str(path), hint=hint) from error
    return _sets_of_arrays(arrays, specs)


def _sets_of_arrays(arrays: Named, specs: Sequence[TensorSpec]) -> dict[str, Named]:
    names = {spec.name for spec in specs}
    if not all("/" in name for name in arrays) or arrays.keys() & names:
        return {LABEL: arrays} if arrays else {}
    sets: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        label, _, name = key.partition("/")
        sets.setdefault(f"{LABEL}-{label}", {})[name] = array
    return dict(sets)


def _sets_of_table(path: Path, specs: Sequence[TensorSpec], features: Sequence[str]) -> dict[str, Named]:
    table = _table(path)
    columns: Sequence[str] = table.column_names
    if features and len(specs) == 1 and specs[0].name not in columns:
        rows = {specs[0].name: np.stack([_column(table, name, path) for name in _present(features, table, path)], -1)}
    else:
        names = _present([spec.name for spec in specs], table, path)
        rows = {spec.name: _shaped(_column(table, name, path), spec) for spec, name in zip(specs, names, strict=True)}
    n_rows = int(table.num_rows)
    n_in_a_set = _rows_in_a_set(specs, n_rows, path)
    starts = range(0, n_rows, n_in_a_set)
    return {
        LABEL if len(starts) == 1 else f"{LABEL}-{place}": {
            name: array[start : start + n_in_a_set] for name, array in rows.items()
        }
        for place, start in enumerate(starts, start=1)
    }


def _table(path: Path) -> Any:
    try:
        import pyarrow
        from pyarrow import csv, parquet
    except ImportError as error:
        hint = "pip install 'compat-export[data]', or give the samples as .npz or .safetensors"
        raise ConfigError("reading it needs pyarrow, which isn't installed", where=str(path), hint=hint) from error
    read = csv.read_csv if path.suffix == ".csv" else parquet.read_table
    try:
        return read(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise ConfigError(f"can't be read: {error}", where=str(path), hint="check the file") from error


def _present(names: Sequence[str], table: Any, path: Path) -> Sequence[str]:
    columns = table.column_names
    missing = [name for name in names if columns.count(name) != 1]
    if missing:
        raise ConfigError(
            f"it has no column, or several, for {', '.join(missing)}",
            where=str(path),
            hint=f"its columns: {', '.join(columns)}",
        )
    return names


def _column(table: Any, name: str, path: Path) -> np.ndarray:
    column = table.column(name)
    if column.null_count:
        what = f"column {name} has {column.null_count} empty cells"
        raise ConfigError(what, where=str(path), hint="fill them, or leave those rows out")
    values = column.to_numpy()
    if values.dtype == object:  # lists, or no numbers at all
        try:
            values = np.array(column.to_pylist())
        except ValueError as error:
            raise ConfigError(f"the lists of column {name} differ in length", where=str(path)) from error
    if values.dtype.kind not in "biuf":
        raise ConfigError(f"column {name} holds {column.type}, not numbers", where=str(path))
    return np.asarray(values)


def _shaped(rows: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """A column of numbers for an input that has one in each row."""
    return rows[:, None] if rows.ndim == 1 and len(spec.shape) == 2 and spec.shape[1] == 1 else rows


def _rows_in_a_set(specs: Sequence[TensorSpec], n_rows: int, path: Path) -> int:
    sizes = {spec.shape[0] for spec in specs if spec.shape and isinstance(spec.shape[0], int)}
    n_fixed = min(sizes, default=0)
    if n_fixed < 1:
        return ROWS_IN_A_SET
    if n_rows % n_fixed:
        what = f"{n_rows} rows can't be cut into sets of {n_fixed}, which is the batch that the model takes"
        raise ConfigError(what, where=str(path), hint="add or leave out rows")
    return n_fixed


def _fitting(inputs: Named, specs: Sequence[TensorSpec], where: str) -> dict[str, np.ndarray]:
    """The arrays with the model's dtypes, in the order of its inputs."""
    names = [spec.name for spec in specs]
    if inputs.keys() != set(names):
        raise ConfigError(f"it holds {sorted(inputs)}, the model takes {names}", where=where)
    sizes: dict[str, int] = {}
    for spec in specs:
        _require_shape(spec, inputs[spec.name].shape, sizes, where)
    return {spec.name: _cast(spec, inputs[spec.name], where) for spec in specs}


def _require_shape(spec: TensorSpec, shape: tuple[int, ...], sizes: dict[str, int], where: str) -> None:
    """Refuse a shape that isn't the input's; `sizes` gathers what the named dimensions are."""
    fits = len(shape) == len(spec.shape) and all(
        size > 0 and size == (dim if isinstance(dim, int) else sizes.setdefault(dim, size))
        for dim, size in zip(spec.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(f"{dim}={sizes[dim]}" if dim in sizes else str(dim) for dim in spec.shape)
        raise ConfigError(
            f"{spec.name} has the shape {list(shape)}, the model takes [{wanted}]",
            where=where,
            hint="rows come first; nothing may be empty, and a dimension has one size in all inputs",
        )


def _cast(spec: TensorSpec, array: np.ndarray, where: str) -> np.ndarray:
    """The array in the input's dtype, if that loses no more than digits of real numbers."""
    wanted = np.dtype(spec.dtype)
    if array.dtype == wanted:
        return array
    if array.dtype.kind in "biuf":
        with np.errstate(over="ignore", invalid="ignore"):
            cast = array.astype(wanted)
            back = cast.astype(array.dtype)
        is_same = np.isfinite(cast) == np.isfinite(array) if wanted.kind == "f" else back == array
        if bool(np.all(is_same)):
            return cast
    raise ConfigError(
        f"{spec.name} holds {array.dtype} that doesn't fit {spec.dtype}, which the model takes",
        where=where,
        hint=f"store it as {spec.dtype}",
    )


Reader = Callable[[Path, Sequence[TensorSpec], Sequence[str]], dict[str, Named]]
READERS: Mapping[str, Reader] = {
    ".npz": _sets_of_npz,
    ".safetensors": _sets_of_safetensors,
    ".csv": _sets_of_table,
    ".parquet": _sets_of_table,
}

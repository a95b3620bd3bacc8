"""A column of a table as numbers, labels, times or names; the first cell that doesn't fit is named."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from converter.errors import ConfigError
from converter.features import Feature

LABELS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
NUMERIC = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_decimal,
    pa.types.is_boolean,
    pa.types.is_null,  # a column of nothing but gaps
)
TIMES = (pa.float64(), pa.timestamp("us"), pa.timestamp("us", "UTC"))
FLOAT32_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Cells:
    """A piece of a column, and where it is in the file; `first_row` is the number of its first row."""

    values: Any
    column: str
    first_row: int
    path: Path

    def refused(self, place: int, what: str, hint: str) -> ConfigError:
        """The error for one cell."""
        return ConfigError(
            f"column {self.column}, row {self.first_row + place}: {what}", where=str(self.path), hint=hint
        )

    def require(self, is_bad: np.ndarray, what: Callable[[int], str], hint: str) -> None:
        """Raises: ConfigError for the first bad cell."""
        if is_bad.any():
            place = int(np.argmax(is_bad))
            raise self.refused(place, what(place), hint)


def feature_values(cells: Cells, feature: Feature) -> tuple[np.ndarray, int]:
    """The feature's values, gaps filled as its policy says, and how many gaps there were.

    Shapes: (row,) float32
    Raises: ConfigError for the first cell that is missing, no number, or not finite.
    """
    values = _numbers(cells)
    is_missing = np.isnan(values)
    if feature.missing == "refuse":
        hint = f"fill it in, leave the row out, or set `missing` of feature {feature.name} to a number"
        cells.require(is_missing, lambda _: "is missing", hint)
    else:
        values = np.where(is_missing, feature.missing, values)
    cells.require(
        ~(np.abs(values) <= FLOAT32_MAX), lambda i: f"{values[i]} is no finite float32", "give a finite number"
    )
    return values.astype(np.float32), int(is_missing.sum())


def label_values(cells: Cells) -> np.ndarray:
    """The labels.

    Shapes: (row,) bool
    Raises: ConfigError for the first that is missing, or neither 0 nor 1, false nor true.
    """
    encoded = pc.dictionary_encode(pc.cast(cells.values, pa.string()))
    known = np.array([LABELS.get(str(text).strip().lower(), -1) for text in encoded.dictionary.to_pylist()], np.int8)
    codes = _filled(encoded.indices, -1)
    found = np.where(codes < 0, -1, known[codes] if len(known) else -1)
    cells.require(found < 0, lambda i: f"{_shown(cells, i)} is no label", "a label is 0 or 1, or false or true")
    return found.astype(bool)


def names(cells: Cells) -> tuple[np.ndarray, list[str]]:
    """What groups the rows are of: indices of names.

    Shapes: (row,) int32
    Raises: ConfigError for the first that is missing.
    """
    encoded = pc.dictionary_encode(pc.cast(cells.values, pa.string()))
    codes = _filled(encoded.indices, -1)
    cells.require(codes < 0, lambda _: "is missing", "every row needs a group")
    return codes, encoded.dictionary.to_pylist()


def times(cells: Cells) -> np.ndarray:
    """When the rows happened, in numbers that sort so.

    Shapes: (row,) float64
    Units:  seconds of 1970 for dates and times; else as in the file
    Raises: ConfigError for the first that is missing, or neither a number nor a date.
    """
    values = _from_text(cells, TIMES, "neither a number nor a date", "write times as 2025-12-31 23:59:59")
    if pa.types.is_temporal(values.type):
        micros = pc.cast(pc.cast(values, pa.timestamp("us"), safe=False), pa.int64())
        found = np.asarray(pc.cast(micros, pa.float64()).to_numpy(zero_copy_only=False)) / 1e6
    else:
        found = _numbers(replace(cells, values=values))
    cells.require(np.isnan(found), lambda _: "is missing", "every row needs a time")
    return np.asarray(found)


def plain(values: Any) -> Any:
    """A column's values with texts stored in the one way that the functions here know."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    is_text = pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type)
    return pc.cast(values, pa.string()) if is_text else values


def _numbers(cells: Cells) -> np.ndarray:
    """The cells as float64, NaN where one is missing."""
    values = _from_text(cells, (pa.float64(),), "no number", "give numbers with a point, such as 0.5")
    if not any(is_kind(values.type) for is_kind in NUMERIC):
        raise cells.refused(0, f"the column holds {values.type}, no number", "give a column of numbers")
    if pa.types.is_boolean(values.type):
        values = pc.cast(values, pa.uint8())
    return np.asarray(pc.cast(values, pa.float64(), safe=False).to_numpy(zero_copy_only=False))


def _from_text(cells: Cells, types: Sequence[Any], kind: str, hint: str) -> Any:
    """The cells, texts having become values of the type that the first of them has."""
    texts = cells.values
    if not pa.types.is_string(texts.type):
        return texts
    first = pc.drop_null(texts).slice(0, 1)
    type_ = next((one for one in types if _parsed(first, one) is not None), types[0])
    parsed = _parsed(texts, type_)
    if parsed is None:
        place = _first_unparsed(texts, type_)
        raise cells.refused(place, f"{_shown(cells, place)} is {kind}", hint)
    return parsed


def _parsed(texts: Any, type_: Any) -> Any:
    """The texts as values of a type, None if one of them isn't."""
    try:
        return pc.cast(pc.utf8_trim_whitespace(texts), type_)
    except pa.ArrowInvalid:
        return None


def _first_unparsed(texts: Any, type_: Any) -> int:
    """The place of the first text that is of another type, given that there is one."""
    low, high = 0, len(texts)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _parsed(texts.slice(low, middle - low), type_) is None else (middle, high)
    return low


def _filled(indices: Any, value: int) -> np.ndarray:
    return np.asarray(pc.fill_null(indices, value).to_numpy(zero_copy_only=False))


def _shown(cells: Cells, place: int) -> str:
    value = cells.values[place].as_py()
    return "a missing value" if value is None else repr(value)

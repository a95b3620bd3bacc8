"""Two engines' graphs side by side, as rows of text."""

from collections.abc import Mapping, Sequence

from converter.report.facts import EngineFigures
from converter.report.words import NOTHING, readable_bytes, short_number

BETWEEN = "between them"


def engine_header(engines: Sequence[EngineFigures]) -> list[str]:
    """What the columns of `engine_rows` are, the first of which names the row."""
    return ["", *(one.name for one in engines), BETWEEN] if engines else []


def engine_rows(engines: Sequence[EngineFigures], distances: Mapping[str, float]) -> list[list[str]]:
    """A row for each figure, with a cell for each engine, and how far the engines' outputs are from each other.

    Errors are the largest gaps to the reference, in the output's unit; ms is the median of a sample.
    """
    if not engines:
        return []
    sizes = [
        ["TF.js nodes", *(f"{one.n_nodes:,}" for one in engines), ""],
        ["of them Transpose", *(f"{one.n_transposes:,}" for one in engines), ""],
        ["size", *(readable_bytes(one.size_bytes) for one in engines), ""],
    ]
    errors = [
        [f"max |error|, {name}", *(_text(one.max_abs.get(name)) for one in engines), _text(distances.get(name))]
        for name in engines[0].max_abs
    ]
    latencies = [
        [f"ms, {name}", *(_text(one.predict_ms.get(name)) for one in engines), ""] for name in engines[0].predict_ms
    ]
    return [*sizes, *errors, *latencies]


def _text(number: float | None) -> str:
    return NOTHING if number is None else short_number(number)

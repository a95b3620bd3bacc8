"""One self-contained page about a model and its proof: no script, nothing fetched, equal facts give equal bytes."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from converter.report.engines import engine_header, engine_rows
from converter.report.facts import Facts, Output, Proof, Timing, Verdict
from converter.report.plots import histogram, scatter
from converter.report.templates import template
from converter.report.words import (
    NOTHING,
    headline,
    readable_bytes,
    short_number,
    tolerances_text,
    versions_text,
    worst_text,
)

if TYPE_CHECKING:
    from jinja2 import Template

WORDS = {"passed": "✓ agrees", "failed": "✗ disagrees", "error": "✗ broke"}
MAX_PLOTS = 24
MAX_SAMPLES = 60
MAX_TENSORS = 60
MESSAGE_LENGTH = 2000


def html_from_facts(facts: Facts) -> str:
    """The page, at most some hundred kilobytes however large the model is."""
    return _template().render(**_context(facts))


@cache
def _template() -> "Template":
    return template("page.html.j2", {"versions": versions_text}, is_html=True)


def _context(facts: Facts) -> dict[str, Any]:
    proof = facts.proof
    tensors = [("input", one) for one in facts.inputs] + [("output", one) for one in facts.outputs]
    highest = max(facts.ops.values(), default=1)
    common: dict[str, Any] = {
        "facts": facts,
        "proof": proof,
        "verdict": headline(facts),
        "tensors": tensors[:MAX_TENSORS],
        "has_units": any(tensor.unit for _, tensor in tensors),
        "n_nodes": f"{sum(facts.ops.values()):,} nodes",
        "ops": [
            {"name": name, "count": f"{count:,}", "percent": _percent(count, highest)}
            for name, count in sorted(facts.ops.items(), key=lambda pair: (-pair[1], pair[0]))
        ],
    }
    common["engine_header"] = engine_header(facts.engines)
    common["engine_rows"] = engine_rows(facts.engines, facts.distances)
    common["encodings"] = [
        {"name": one.name, "size": readable_bytes(one.size_bytes), "max_error": short_number(one.max_error)}
        for one in facts.encodings
    ]
    return common | _proof_context(facts, proof) | _timing_context(facts.timings) | _size_context(facts)


def _proof_context(facts: Facts, proof: Proof | None) -> dict[str, Any]:
    plots, n_left_out = _plots(facts, proof)
    samples = list(proof.samples.items()) if proof else []
    count = len(samples)
    return {
        "tolerances": tolerances_text(proof) if proof else "",
        "n_samples": f"{count:,} sample{'s' * (count != 1)}",
        "samples": samples[:MAX_SAMPLES],
        "n_samples_left_out": max(count - MAX_SAMPLES, 0),
        "rows": [_row(facts, one) for one in proof.runtimes] if proof else [],
        "messages": [_message(one) for one in proof.runtimes if one.message] if proof else [],
        "infos": [proof.reference, *(one.info for one in proof.runtimes if one.info)] if proof else facts.infos,
        "plots": plots,
        "n_plots_left_out": n_left_out,
    }


def _message(verdict: Verdict) -> dict[str, str]:
    return {"name": verdict.name, "text": verdict.message.removeprefix(f"{verdict.name}: ")[:MESSAGE_LENGTH]}


def _row(facts: Facts, verdict: Verdict) -> dict[str, Any]:
    spreads = [spread for (runtime, _), spread in facts.spreads.items() if runtime == verdict.name]
    used = max((spread.largest for spread in spreads), default=None)
    means = [output.mean_abs for output in verdict.outputs]
    return {
        "name": verdict.name,
        "status": verdict.status,
        "word": WORDS.get(verdict.status, verdict.status),
        "compared": f"{verdict.compared:,}" if verdict.outputs else NOTHING,
        "max_abs": short_number(verdict.max_abs) if verdict.outputs else NOTHING,
        "mean_abs": short_number(max(means)) if means else NOTHING,
        "used": None if used is None else _share(used),
        "used_percent": 100 if used is None else _percent(used, 1),
    }


def _plots(facts: Facts, proof: Proof | None) -> tuple[list[dict[str, Any]], int]:
    """For each output a card for each runtime; failing runtimes come first where not all fit."""
    cards = [(output, one) for one in (proof.runtimes if proof else ()) for output in one.outputs]
    cards = [(output, one) for output, one in cards if (one.name, output.name) in facts.spreads]
    chosen = sorted(cards, key=lambda card: not card[0].bad)[:MAX_PLOTS]
    plots: dict[str, list[dict[str, Any]]] = {}
    for output, verdict in cards:
        if any(output is kept for kept, _ in chosen):
            plots.setdefault(output.name, []).append(_card(facts, output, verdict))
    return [{"output": name, "cards": found} for name, found in plots.items()], len(cards) - len(chosen)


def _card(facts: Facts, output: Output, verdict: Verdict) -> dict[str, Any]:
    spread = facts.spreads[verdict.name, output.name]
    status = "failed" if output.bad else "passed"
    return {
        "runtime": verdict.name,
        "status": status,
        "word": WORDS[status],
        "scatter": scatter(spread),
        "histogram": histogram(spread),
        "worst": worst_text(output),
    }


def _timing_context(timings: Sequence[Timing]) -> dict[str, Any]:
    columns: Mapping[str, str] = {
        "load": "load_ms",
        "first run": "warm_up_ms",
        "median": "p50_ms",
        "p95": "p95_ms",
        "p99": "p99_ms",
        "tensors": "tensor_bytes",
        "heap": "heap_bytes",
        "wasm": "wasm_bytes",
    }
    shown = [name for name, key in columns.items() if any(getattr(one, key) is not None for one in timings)]
    slowest = max([one.p50_ms or 0.0 for one in timings] + [1e-9])
    return {
        "timing_columns": shown,
        "timings_note": "the bar is the median" if timings else "",
        "timings": [
            {
                "runtime": one.runtime,
                "cells": [_timing_cell(columns[name], getattr(one, columns[name])) for name in shown],
                "percent": _percent(one.p50_ms or 0.0, slowest),
            }
            for one in timings
        ],
    }


def _timing_cell(key: str, value: float | None) -> str:
    if value is None:
        return NOTHING
    return readable_bytes(int(value)) if key.endswith("_bytes") else f"{value:,.{0 if value >= 100 else 2}f}"


def _size_context(facts: Facts) -> dict[str, Any]:
    has_wire = any(size.gzip is not None for size in facts.sizes)
    return {
        "size_columns": ["stored", "gzip", "brotli"] if has_wire else ["stored"],
        "sizes": [
            {
                "part": size.part,
                "cells": list(
                    _size_cells(size.raw, size.gzip, size.brotli) if has_wire else [readable_bytes(size.raw)]
                ),
            }
            for size in facts.sizes
        ],
    }


def _size_cells(*sizes: int | None) -> Iterable[str]:
    return (NOTHING if size is None else readable_bytes(size) for size in sizes)


def _share(used: float) -> str:
    if not isfinite(used):
        return "infinite"
    if used >= 10:
        return f"{short_number(used)} times too much"
    return "exactly equal" if used == 0 else f"{used * 100:.2g} %"


def _percent(value: float, of: float) -> str:
    return f"{min(max(value / of, 0.0), 1.0) * 100:.1f}" if isfinite(value) else "100"

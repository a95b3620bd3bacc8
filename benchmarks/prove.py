"""Converts and proves the models of models.toml: `python -m benchmarks.prove [NAME …]`.

Without names it writes the table of docs/coverage.md.
"""

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.fetch import CACHE, HERE, Model, fetch, models
from converter.checkpoint import resolve_factory
from converter.config import resolve
from converter.errors import ConverterError
from converter.parity.verdict import RuntimeVerdict
from converter.pipeline.convert import ConvertOutcome, convert
from tools.sections import write_section

COVERAGE = HERE.parent / "docs" / "coverage.md"
NODE = ("tfjs-cpu@node", "tfjs-wasm@node")
WEBGL = "tfjs-webgl@chromium"


@dataclass(frozen=True)
class Row:
    """What became of one model: the artifact, or why there is none."""

    name: str
    model: Model
    outcome: ConvertOutcome | None
    problem: str = ""


def main(names: Sequence[str]) -> int:
    """Prove what is named, or everything."""
    listed = models()
    rows = []
    for name in names or listed:
        rows.append(_proved(name, listed[name]))
        print(f"{name}: {_told(rows[-1])}", flush=True)
    if not names:
        write_section(COVERAGE, "real models", "\n".join(_table(rows)))
    return 1 if any(row.problem for row in rows) else 0


def _proved(name: str, model: Model) -> Row:
    runtimes = [*NODE, *([WEBGL] if model.get("webgl") else [])]
    try:
        with tempfile.TemporaryDirectory() as folder:
            settings = _settings(name, model) | {"artifacts": Path(folder)}
            return Row(name, model, convert(resolve(None, settings), runtimes=tuple(runtimes), bind=model.get("bind")))
    except ConverterError as error:
        return Row(name, model, None, str(error))


def _settings(name: str, model: Model) -> Mapping[str, Any]:
    given = {
        "name": name,
        "model.checkpoint": fetch(name) if "package" in model else _made(name, model["factory"]),
        "model.factory": str(HERE / model["factory"]) if "factory" in model else None,
        "inputs": model.get("inputs"),
        "export.opset": model.get("opset"),
        "parity.atol": model.get("atol"),
        "parity.batches": model.get("batches"),
        "parity.sizes": model.get("sizes"),
        "parity.edges": model.get("edges"),
    }
    return {path: value for path, value in given.items() if value is not None}


def _made(name: str, factory: str) -> Path:
    """The checkpoint of a network with random weights."""
    CACHE.mkdir(parents=True, exist_ok=True)
    file = CACHE / f"{name}.pth"
    torch.save(resolve_factory(str(HERE / factory), HERE)().state_dict(), file)
    return file


def _told(row: Row) -> str:
    if row.outcome is None or row.outcome.report is None:
        return row.problem
    return ", ".join(f"{one.name} {one.max_abs:.2g}" for one in row.outcome.report.runtimes)


def _table(rows: Sequence[Row]) -> Iterator[str]:
    yield f"{sum(row.outcome is not None for row in rows)} of {len(rows)} models are converted and proved."
    yield "The numbers are the largest absolute error against the reference: torch for checkpoints, else onnxruntime."
    yield "What is allowed is 1e-4 of the reference's value, and 1e-5 where no other number is given."
    yield ""
    yield "| model | from | ONNX kB | TF.js kB | allowed | cpu | wasm | webgl |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    yield from (_line(row) for row in rows)
    notes = [f"- {row.name}: {row.model['because']}" for row in rows if "because" in row.model]
    problems = [f"- **{row.name}**: {' '.join(row.problem.split())}" for row in rows if row.problem]
    yield from ("", "Wider tolerances:", "", *notes) if notes else ()
    yield from ("", "Not proved:", "", *problems) if problems else ()


def _line(row: Row) -> str:
    model = row.model
    package = model.get("package", "transformers")
    source = f"{package} {model.get('version', version(package) if 'version' not in model else '')}".strip()
    return " | ".join(["|", row.name, source, *_numbers(row), "|"]).replace("| |", "|").strip()


def _numbers(row: Row) -> list[str]:
    if row.outcome is None or row.outcome.report is None:
        return ["", "", "", "**no**", "**no**", "**no**"]
    sizes = {"onnx": 0, "tfjs": 0}
    for file in row.outcome.manifest.files:
        kind = "tfjs" if file.path.startswith("tfjs/") else "onnx" if file.path == "model.onnx" else None
        if kind:
            sizes[kind] += file.size_bytes
    verdicts = {one.name: one for one in row.outcome.report.runtimes}
    return [
        f"{sizes['onnx'] / 1000:,.0f}",
        f"{sizes['tfjs'] / 1000:,.0f}",
        str(row.model.get("atol", "")),
        *(_error(verdicts.get(name)) for name in (*NODE, WEBGL)),
    ]


def _error(verdict: RuntimeVerdict | None) -> str:
    return "" if verdict is None else f"{verdict.max_abs:.1e}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

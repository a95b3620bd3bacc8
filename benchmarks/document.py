"""Tells the results of a comparison: docs/benchmarks.md and its plots, from nothing but the results."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

from benchmarks.bars import ratio_bars

TOOLS = {
    "ours": "compat-export",
    "onnx-tf": "onnx-tf 1.10",
    "onnx2tf": "onnx2tf 1.29",
    "onnx2tf-2": "onnx2tf 2.6",
    "official": "the model's authors",
    "onnxruntime-web": "onnxruntime-web",
}
PEERS = ("onnx-tf", "onnx2tf", "onnx2tf-2")
OPPONENTS = (*PEERS, "official", "onnxruntime-web")
NOISE = 1.05  # a median ratio up to here may be noise, if its lower quartile is not above 1
N_KERNELS = 4

Rows = Sequence[Mapping[str, Any]]


def write_document(results: Mapping[str, Any], folder: Path) -> None:
    """Write benchmarks.md and its plots into a folder."""
    wins = {one["model"]: one["ratio"] for one in conversion_ratios(results["conversions"])}
    (folder / "benchmarks-conversion.svg").write_text(
        ratio_bars("CPU time of the fastest other converter, as a multiple of ours", wins), encoding="utf-8"
    )
    best = {f"{one['model']}": 1 / one["ratio"] for one in _fastest_opponents(results["executions"], "tfjs-wasm@node")}
    (folder / "benchmarks-execution.svg").write_text(
        ratio_bars("Time of the fastest other tool on wasm in Node, as a multiple of ours", best), encoding="utf-8"
    )
    (folder / "benchmarks.md").write_text("\n".join(_document(results)) + "\n", encoding="utf-8")


def conversion_ratios(conversions: Rows) -> list[dict[str, Any]]:
    """For each model that we and a peer convert: how many times our CPU seconds the fastest peer takes."""
    found = []
    for name, of_model in _by(conversions, "model").items():
        good = {one["tool"]: one["cpu_s"] for one in of_model if not one["error"]}
        peers = {tool: cpu_s for tool, cpu_s in good.items() if tool in PEERS}
        if "ours" in good and peers:
            tool = min(peers, key=lambda one: peers[one])
            found.append({"model": name, "tool": tool, "ratio": peers[tool] / good["ours"]})
    return found


def slower(executions: Rows) -> list[Mapping[str, Any]]:
    """Where our graph takes longer than another tool's, beyond noise."""
    return [
        one for one in executions if one["ratio"] is not None and one["ratio"] > NOISE and (one["ratio_low"] or 0) > 1
    ]


def _document(results: Mapping[str, Any]) -> Iterator[str]:
    machine = results["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in sorted(machine["packages"].items()))
    yield from (
        "# Benchmarks",
        "",
        "Written by `make benchmarks` from [benchmarks.json](benchmarks.json); don't edit.",
        f"Measured on {machine['system']} {machine['architecture']}, {machine['n_cores']} cores, Python "
        f"{machine['python']}, {packages}; the machine's load was {machine['load_before']:.1f} before and "
        f"{machine['load_after']:.1f} after.",
        "A load above the number of cores makes times long; ratios are of runs in turn, and hold better.",
        "What other tools convert is kept in `.cache/benchmarks` (or where `COMPAT_EXPORT_BENCHMARKS` says) and not "
        "converted again; `python -m benchmarks.compare --help` tells how to choose models and what to do afresh.",
        "webgl is software here: its ratios tell of arithmetic more than of what a GPU waits for.",
        "[How small weights can get](weights.md) within an error budget is measured apart.",
        "",
        "## In short",
        "",
        *_summary(results),
        "",
        "## Conversion",
        "",
        "The whole process from `.onnx` to a TF.js folder, unproved. CPU seconds, with the peak of memory in MB.",
        "Each peer has its own pinned environment (`benchmarks/peers/`), a private copy of the model, and the file it "
        "reads best: torch's older exporter at opset 13 first, then today's.",
        "It is treated kindly: onnx2tf gets calibration images made here in place of a download, both steps run in one "
        "process, so that TensorFlow is imported once, and of tensorflowjs the imports for other formats are left out.",
        "",
        "![CPU time of conversion](benchmarks-conversion.svg)",
        "",
        *_conversion_table(results["conversions"]),
        "",
        "## Graphs",
        "",
        "Nodes that compute, Transposes in brackets; kB of `model.json` and weights: as they are / gzip / brotli.",
        "",
        *_graph_table(results["graphs"]),
        "",
        "## Execution",
        "",
        "Median and 99th percentile in ms of our graph, then our time as a part of each other tool's on the same",
        "model: below 1 we are faster. The graphs run in turn in the same process or page, in an order of chance in",
        "every round; the ratio is the median of the rounds, with its quartiles. Results further than 5e-3 of the",
        "largest value from onnxruntime's are wrong.",
        "",
        "![Time of a run](benchmarks-execution.svg)",
        "",
        *_execution_tables(results["executions"]),
        "## Where the time goes",
        "",
        "The kernels of our graphs on wasm in Node, in ms; of every model that onnxruntime-web runs faster there.",
        "",
        *_profiles(results),
        "",
        "## Failures",
        "",
        *_failures(results),
    )


def _summary(results: Mapping[str, Any]) -> Iterator[str]:
    ratios = conversion_ratios(results["conversions"])
    if ratios:
        least = min(ratios, key=lambda one: one["ratio"])
        middle = median(one["ratio"] for one in ratios)
        yield (
            f"- Conversion: the fastest peer takes {middle:.0f} times our CPU time (median of {len(ratios)} models); "
            f"the least is {least['ratio']:.1f} times, on {least['model']}."
        )
    peers = ("the peers' graphs", (*PEERS, "official"))
    for runtime, rows in _by(results["executions"], "runtime").items():
        yield from _mean_ratio(runtime, rows, *peers)
        yield from _mean_ratio(runtime, rows, "onnxruntime-web", ("onnxruntime-web",))
    quick = [one for one in results["executions"] if one["runtime"].startswith(("tfjs-wasm@", "tfjs-webgl@"))]
    yield from _mean_ratio("wasm and webgl together", quick, *peers)
    worse = slower(results["executions"])
    told = ", ".join(f"{one['model']} on {one['runtime']} ({one['tool']}: {one['ratio']:.2f})" for one in worse)
    yield f"- Slower than another tool beyond noise: {told or 'nowhere'}."


def _mean_ratio(where: str, rows: Rows, name: str, tools: Sequence[str]) -> Iterator[str]:
    found = [one["ratio"] for one in rows if one["tool"] in tools and one["ratio"] is not None]
    if found:
        yield (
            f"- {where}: {geometric_mean(found):.2f} of the time of {name} "
            f"(geometric mean of {len(found)} comparisons; from {min(found):.2f} to {max(found):.2f})."
        )


def _conversion_table(conversions: Rows) -> Iterator[str]:
    yield "| model | " + " | ".join(TOOLS[tool] for tool in ("ours", *PEERS)) + " | fastest peer / ours |"
    yield "| --- |" + " ---: |" * (len(PEERS) + 2)
    ratios = {one["model"]: one["ratio"] for one in conversion_ratios(conversions)}
    for name, of_model in _by(conversions, "model").items():
        by_tool = {one["tool"]: one for one in of_model}
        cells = [_conversion_cell(by_tool.get(tool)) for tool in ("ours", *PEERS)]
        yield f"| {name} | {' | '.join(cells)} | {f'{ratios[name]:.1f}' if name in ratios else ''} |"


def _conversion_cell(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "not run"
    return "fails" if one["error"] else f"{one['cpu_s']:.1f} s, {one['peak_mb']:.0f} MB"


def _graph_table(graphs: Rows) -> Iterator[str]:
    tools = [tool for tool in TOOLS if any(one["tool"] == tool for one in graphs)]
    yield "| model | " + " | ".join(TOOLS[tool] for tool in tools) + " |"
    yield "| --- |" + " ---: |" * len(tools)
    for name, of_model in _by(graphs, "model").items():
        by_tool = {one["tool"]: one for one in of_model}
        yield f"| {name} | {' | '.join(_graph_cell(by_tool.get(tool)) for tool in tools)} |"


def _graph_cell(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return ""
    sizes = " / ".join(f"{one['bytes'][kind] / 1000:,.0f}" for kind in ("raw", "gzip", "brotli"))
    return f"{one['n_nodes']} ({one['n_transposes']}), {sizes}"


def _execution_tables(executions: Rows) -> Iterator[str]:
    for runtime, rows in _by(executions, "runtime").items():
        tools = [tool for tool in OPPONENTS if any(one["tool"] == tool for one in rows)]
        yield from (
            f"### {runtime}",
            "",
            "| model | ours ms | p99 | " + " | ".join(TOOLS[tool] for tool in tools) + " |",
        )
        yield "| --- | ---: | ---: |" + " ---: |" * len(tools)
        for name, of_model in _by(rows, "model").items():
            by_tool = {one["tool"]: one for one in of_model}
            ours = by_tool.get("ours", {})
            times = [f"{ours[key]:.2f}" if ours.get(key) is not None else "fails" for key in ("median_ms", "p99_ms")]
            cells = " | ".join(_execution_cell(by_tool.get(tool)) for tool in tools)
            yield f"| {name} | {' | '.join(times)} | {cells} |"
        yield ""


def _execution_cell(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return ""
    if one["failure"]:
        return "wrong" if one["failure"] == "wrong results" else "fails"
    if one["ratio"] is None:
        return f"{one['median_ms']:.2f} ms"
    value = f"{one['ratio']:.2f} ({one['ratio_low']:.2f} to {one['ratio_high']:.2f})"
    return f"**{value}**" if slower([one]) else value


def _profiles(results: Mapping[str, Any]) -> Iterator[str]:
    rows = [one for one in results["executions"] if one["runtime"] == "tfjs-wasm@node"]
    behind = [one for one in rows if one["tool"] == "onnxruntime-web" and (one["ratio"] or 0) > 1]
    if not behind:
        yield "onnxruntime-web runs none faster."
    for one in behind:
        kernels = results["profiles"].get(one["model"], {})
        total = sum(kernels.values()) or 1.0
        told = ", ".join(
            f"{name} {time_ms:.2f} ({time_ms / total:.0%})" for name, time_ms in _longest(kernels)[:N_KERNELS]
        )
        yield f"- {one['model']}: ours takes {one['ratio']:.2f} times as long. {told}"


def _longest(kernels: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(kernels.items(), key=lambda item: -item[1])


def _failures(results: Mapping[str, Any]) -> Iterator[str]:
    lines = [
        f"- {one['model']}, {TOOLS[one['tool']]}, conversion: {_quoted(one['error'])}"
        for one in results["conversions"]
        if one["error"]
    ]
    for one in results["executions"]:
        if one["failure"]:
            error = one["error"]
            off = "" if error is None else f", {error:.2g} of the largest value"
            lines.append(f"- {one['model']}, {TOOLS[one['tool']]}, {one['runtime']}: {_quoted(one['failure'])}{off}")
    yield from lines or ["None."]


def _quoted(reason: str) -> str:
    return f"`{reason.replace('`', chr(39)).replace('|', '/')}`"


def _fastest_opponents(executions: Rows, runtime: str) -> list[Mapping[str, Any]]:
    rows = [one for one in executions if one["runtime"] == runtime and one["tool"] != "ours" and one["ratio"]]
    return [max(of_model, key=lambda one: one["ratio"]) for of_model in _by(rows, "model").values()]


def _by(rows: Iterable[Mapping[str, Any]], key: str) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


if __name__ == "__main__":
    docs = Path(sys.argv[1])
    write_document(json.loads((docs / "benchmarks.json").read_text(encoding="utf-8")), docs)

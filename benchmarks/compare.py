"""Measures our graphs beside those of other tools: `python -m benchmarks.compare [NAME …]`; writes docs/benchmarks.md.

Conversions by other tools are slow, and done once for each model and environment; `--fresh` does them again.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.conversions import PEERS, Conversion, cached_conversion, convert_by_peer, convert_ours
from benchmarks.document import write_document
from benchmarks.execution import execute, make_runnable, profile
from benchmarks.subjects import CACHE, NAMES, Subject, subject
from converter.runtimes import RuntimePool

DOCS = Path(__file__).parent.parent / "docs"
OFFICIAL = {"basic-pitch": "@spotify/basic-pitch@1.0.1"}  # whose authors ship a TF.js graph themselves
WASM = ("tfjs-wasm@node", "tfjs-wasm@chromium")
WEBGL, CPU = "tfjs-webgl@chromium", "tfjs-cpu@node"
SMALL = {"mlp", "cnn", "lstm", "crepe-tiny"}

Results = dict[str, Any]


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--fresh", action="store_true", help="convert by the other tools again")
    parser.add_argument("--cached", action="store_true", help="leave out what other tools have not converted yet")
    parser.add_argument("--seconds", type=float, default=3.0, help="of runs a model and runtime (default: 3)")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where to write (default: docs)")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in NAMES]:
        parser.error(f"there is no model {unknown[0]!r}; choose from {', '.join(NAMES)}")
    options.docs.mkdir(parents=True, exist_ok=True)
    target = options.docs / "benchmarks.json"
    names = options.names or NAMES
    for results in measured(names, fresh=options.fresh, cached=options.cached, seconds=options.seconds):
        target.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        write_document(results, options.docs)
    return 0


def measured(names: Sequence[str], *, fresh: bool, cached: bool, seconds: float) -> Iterator[Results]:
    """Everything about the models of those names, as plain JSON values; after each model, what is known by then."""
    results: Results = {"conversions": [], "graphs": [], "executions": [], "profiles": {}}
    load_before = os.getloadavg()[0]
    for name in names:
        _add(results, subject(name), fresh=fresh, cached=cached, seconds=seconds)
        yield results | {"machine": _machine() | {"load_before": load_before, "load_after": os.getloadavg()[0]}}


def _add(results: Results, one: Subject, *, fresh: bool, cached: bool, seconds: float) -> None:
    conversions = _conversions(one, fresh=fresh, cached=cached)
    results["conversions"] += [conversion.as_json() for conversion in conversions]
    graphs = {made.tool: made.folder for made in conversions if not made.error}
    if one.name in OFFICIAL:
        graphs["official"] = _official(one.name)
    found = []
    with RuntimePool() as pool:
        for tool, graph in graphs.items():
            make_runnable(graph)
            results["graphs"].append({"model": one.name, "tool": tool} | _facts(pool, graph))
        for backend in _backends(one.name):
            found += execute(pool, backend, one, graphs, seconds)
            _tell(backend, [execution.as_json() for execution in found if execution.runtime == backend])
        if any(execution.tool == "ours" and not execution.failure for execution in found):
            results["profiles"][one.name] = profile(pool, one, graphs["ours"])
    results["executions"] += [execution.as_json() for execution in found]


def _conversions(one: Subject, *, fresh: bool, cached: bool) -> list[Conversion]:
    made = [convert_ours(one)]
    for peer in PEERS:
        found = cached_conversion(peer, one) if cached else convert_by_peer(peer, one, fresh=fresh)
        made += [found] if found else []
    for conversion in made:
        print(f"{one.name} by {conversion.tool}: {conversion.error or f'{conversion.cpu_s:.1f} CPU s'}", flush=True)
    return made


def _backends(name: str) -> list[str]:
    return [*WASM, WEBGL, *([CPU] if name in SMALL else [])]


def _tell(backend: str, found: Sequence[dict[str, Any]]) -> None:
    for one in found:
        told = one["failure"] or f"{one['median_ms']:.2f} ms, ours takes {one['ratio'] or 0:.2f} of it"
        print(f"{one['model']} on {backend} by {one['tool']}: {told}", flush=True)


def _official(name: str) -> Path:
    """The TF.js graph in an npm package, fetched where it isn't there yet."""
    folder = CACHE / "graphs" / name / "official"
    if not (folder / "model.json").exists():
        with tempfile.TemporaryDirectory() as place:
            command = ["npm", "pack", "--silent", "--pack-destination", place, OFFICIAL[name]]
            subprocess.run(command, check=True, capture_output=True)
            (packed,) = Path(place).glob("*.tgz")
            with tarfile.open(packed) as archive:
                archive.extractall(place, filter="data")
            shutil.copytree(Path(place, "package", "model"), folder, dirs_exist_ok=True)
    return folder


def _facts(pool: RuntimePool, graph: Path) -> dict[str, Any]:
    """Nodes and sizes of a TF.js folder; compressing is slow, and done once for equal bytes."""
    files = sorted(file for file in graph.iterdir() if file.suffix in (".json", ".bin"))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    cached = CACHE / "sizes" / f"{digest}.json"
    if not cached.exists():
        sizes = [asdict(size) for size in pool.wire_sizes(files)]
        cached.parent.mkdir(parents=True, exist_ok=True)
        total = {key: sum(size[key] for size in sizes) for key in ("raw", "gzip", "brotli")}
        cached.write_text(json.dumps(total), encoding="utf-8")
    return {"bytes": json.loads(cached.read_text(encoding="utf-8"))} | nodes_of(graph)


def nodes_of(graph: Path) -> dict[str, Any]:
    """How many nodes compute something, and of which operators, functions included."""
    topology = json.loads((graph / "model.json").read_text(encoding="utf-8"))["modelTopology"]
    functions = topology.get("library", {}).get("function", ())
    nodes = [*topology["node"], *(node for function in functions for node in function.get("nodeDef", ()))]
    ops = Counter(node["op"] for node in nodes if node["op"] not in ("Const", "Placeholder"))
    return {"n_nodes": sum(ops.values()), "n_transposes": ops["Transpose"], "ops": dict(ops.most_common())}


def _machine() -> dict[str, Any]:
    packages = ("torch", "onnx", "onnxruntime")
    return {
        "system": platform.system(),
        "architecture": platform.machine(),
        "n_cores": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

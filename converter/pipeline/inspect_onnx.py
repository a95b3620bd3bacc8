"""What an ONNX file holds, and everything in it that can't be converted, as plain JSON values."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from converter.errors import UnsupportedError
from converter.lowering import REGISTRY, problems_of
from converter.lowering.ops import load_all
from converter.onnx_model import LoadedOnnx, load, prepare
from converter.onnx_model.survey import Survey, survey
from converter.tfjs.optable import BACKENDS

STAMP = "compat-export."
# How an error names its node: see OnnxNode.__str__.
NODE = re.compile(r"node (?P<node>.+) \((?P<op>[^(),]+)(?:, since (?P<since>\d+))?\)", re.DOTALL)


def inspect_onnx(path: Path) -> dict[str, Any]:
    """Inputs, outputs, operators with the backends that run them, and `unsupported`: all that can't be converted.

    Raises: CheckpointError if the file can't be read, or contradicts itself.
    """
    load_all()
    loaded = load(path)
    found = survey(loaded)
    unsupported = _unsupported(loaded, found)
    return {
        "kind": "onnx",
        "name": loaded.proto.graph.name or path.stem,
        "inputs": list(found.inputs),
        "outputs": list(found.outputs),
        "ops": dict(sorted(Counter(node.qualified for node in found.nodes).items())),
        "size_bytes": path.stat().st_size,
        "opsets": found.opsets,
        "producer": found.producer,
        "sha256": loaded.sha256,
        "artifact": _stamp(loaded),
        "operators": _operators(found, {problem["op"] for problem in unsupported}),
        "unsupported": unsupported,
    }


def _stamp(loaded: LoadedOnnx) -> dict[str, str] | None:
    """The artifact that a file belongs to, None if it says nothing of that."""
    notes = {entry.key: entry.value for entry in loaded.proto.metadata_props}
    return {key.removeprefix(STAMP): value for key, value in notes.items() if key.startswith(STAMP)} or None


def _operators(found: Survey, unsupported: Collection[str]) -> list[dict[str, Any]]:
    """Each operator, how often it occurs, and where it runs: what is emitted at all runs on every backend."""
    counts = Counter((node.qualified, node.since) for node in found.nodes)
    return [
        {"op": op, "since": since, "nodes": count, "backends": [] if op in unsupported else list(BACKENDS)}
        for (op, since), count in sorted(counts.items())
    ]


def _unsupported(loaded: LoadedOnnx, found: Survey) -> list[dict[str, Any]]:
    """Why a model can't be converted: an entry for each node."""
    try:
        entries = [_entry(problem) for problem in problems_of(prepare(loaded, has_lowering=REGISTRY.has))]
    except UnsupportedError as problem:
        entries = [_entry(problem)]
    return [*entries, *_hidden(found, {entry["node"] for entry in entries})] if entries else []


def _entry(problem: UnsupportedError) -> dict[str, Any]:
    match = NODE.fullmatch(problem.where)
    named = {"node": match["node"], "op": match["op"], "since": int(match["since"] or 0)} if match else {}
    nothing = {"node": problem.where, "op": None, "since": None}
    return nothing | named | {"reason": problem.what, "hint": problem.hint}


def _hidden(found: Survey, reported: Collection[str]) -> Iterator[dict[str, Any]]:
    """The nodes that nothing can express and that no error names, because they depend on one that an error names."""
    for node in found.nodes:
        if node.name in reported or found.is_expressible(node, REGISTRY.has):
            continue
        try:
            REGISTRY.find(node.domain, node.op, node.since)
        except UnsupportedError as problem:
            why = {"reason": problem.what, "hint": problem.hint}
            yield {"node": node.name, "op": node.qualified, "since": node.since, **why}

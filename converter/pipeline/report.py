"""Gathers what the documents tell of a proof: its verdicts, and the model that was proved."""

import gzip
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.artifact.manifest import Manifest
from converter.artifact.vectors import VECTORS_FOLDER
from converter.report.facts import Facts, Size, Tensor, Timing
from converter.report.words import readable_bytes

if TYPE_CHECKING:
    from converter.parity.verdict import ParityReport
    from converter.report.spread import SpreadCollector

OnFacts = Callable[[Facts], None]
"""Is told of a proof as soon as there is one, before a failing one raises."""

REPORT_NAME = "report.html"


def proof_facts(
    described: Mapping[str, Any],
    folder: Path,
    ops: Mapping[str, int],
    report: "ParityReport | None",
    spreads: "SpreadCollector | None",
) -> Facts:
    """The facts of a proof of the model in `folder`; `described` gives name, version, inputs, outputs and toolchain."""
    return Facts(
        name=described["name"],
        version=described["version"],
        description=described["description"],
        proof=report,
        spreads=spreads.spreads if spreads else {},
        timings=tuple(_timings(report)) if report else (),
        sizes=tuple(sizes_of(folder)),
        ops=ops,
        inputs=tuple(map(_tensor, described["inputs"])),
        outputs=tuple(map(_tensor, described["outputs"])),
        toolchain=described["toolchain"],
    )


def facts_of_artifact(
    manifest: Manifest, folder: Path, report: "ParityReport | None" = None, spreads: "SpreadCollector | None" = None
) -> Facts:
    """The facts of a published artifact, and of a proof of it."""
    from converter.tfjs.foreign import count_ops

    described = manifest.model_dump(
        mode="json", include={"name", "version", "description", "inputs", "outputs", "toolchain"}
    )
    return proof_facts(described, folder, count_ops(folder / "tfjs"), report, spreads)


GZIP_LIMIT_BYTES = 4_000_000  # compressing more than this costs longer than converting it


@dataclass(frozen=True)
class Download:
    """The size of what an app fetches of a graph model: model.json and its weights.

    `gzip_bytes` is that of all files as a server compresses them, None above `GZIP_LIMIT_BYTES`.
    """

    size_bytes: int
    gzip_bytes: int | None

    def __str__(self) -> str:
        size = readable_bytes(self.size_bytes)
        return size if self.gzip_bytes is None else f"{size}, {readable_bytes(self.gzip_bytes)} with gzip"


def download_of(folder: Path) -> Download:
    """Return the size of what an app fetches of a graph model."""
    size_bytes = graph_bytes(folder)
    if size_bytes > GZIP_LIMIT_BYTES:
        return Download(size_bytes, None)
    return Download(size_bytes, sum(len(gzip.compress(file.read_bytes())) for file in folder.iterdir()))


def graph_bytes(folder: Path) -> int:
    """Return the bytes of the files of a graph model."""
    return sum(file.stat().st_size for file in folder.iterdir())


def without_timings(facts: Facts) -> Facts:
    """The facts whose document has the same bytes each time."""
    engines = tuple(replace(one, predict_ms={}) for one in facts.engines)
    return replace(facts, timings=(), engines=engines)


def sizes_of(folder: Path) -> Iterable[Size]:
    """What the parts of an artifact take; what is not there is left out."""
    weights = list(folder.glob("tfjs/*.bin"))
    parts = {
        "TF.js graph": [*folder.glob("tfjs/model.json")],
        f"TF.js weights ({len(weights)} file{'s' * (len(weights) != 1)})": weights,
        "SavedModel": [file for file in folder.glob("saved_model/**/*") if file.is_file()],
        "TF.js Layers": [*folder.glob("tfjs-layers/*")],
        "ONNX": [*folder.glob("model.onnx")],
        "test vectors": [*folder.glob(f"{VECTORS_FOLDER}/*")],
    }
    return (Size(part, sum(file.stat().st_size for file in files)) for part, files in parts.items() if files)


def _timings(report: "ParityReport") -> Iterable[Timing]:
    for one in report.runtimes:
        if one.predict_ms is not None:
            yield Timing(one.name, load_ms=one.load_ms, p50_ms=one.predict_ms)


def _tensor(described: Mapping[str, Any]) -> Tensor:
    shape = tuple("?" if dim is None else dim for dim in described["shape"] or ())
    return Tensor(described["name"], described["dtype"], shape, described.get("unit", ""))

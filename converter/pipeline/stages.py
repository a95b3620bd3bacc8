"""What each pass of the compiler does to a model: its operators before and after."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from converter.artifact.manifest import MANIFEST_NAME, left_out, unroll_limit_of
from converter.artifact.store import open_artifact
from converter.errors import CheckpointError
from converter.onnx_model import load
from converter.pipeline.compile import compile_onnx
from converter.tfjs.graph import Graph
from converter.tfjs.passes import passes_named

TRANSPOSE = "Transpose"


def stages_of(path: Path, without_passes: Iterable[str] = (), unroll_limit: int | None = None) -> list[dict[str, Any]]:
    """The operators after the lowering and after each pass, of an artifact's model or of an ONNX file.

    Each stage has its name, the number of nodes, that of transposes, and by how much each operator's nodes changed.
    `without_passes` are left out, as `passes_named` reads them, and so is what the artifact was made without;
    `unroll_limit` replaces the one that it was made with.
    Raises: CheckpointError if there is no ONNX model; UnsupportedError if it can't be converted; ConfigError if there
            is no such pass.
    """
    is_artifact = (path / MANIFEST_NAME).is_file()
    if not is_artifact and path.suffix.lower() != ".onnx":
        hint = "give an artifact, or a .onnx file"
        raise CheckpointError("it holds no ONNX model to compile again", where=str(path), hint=hint)
    model = path / "model.onnx" if is_artifact else path
    manifest = open_artifact(path).manifest if is_artifact else None
    shapes = {one.name: one.shape for one in manifest.inputs} if manifest else None
    skip = passes_named([*without_passes, *(left_out(manifest) if manifest else ())])
    stages: list[dict[str, Any]] = []
    before: Counter[str] = Counter()

    def take(name: str, graph: Graph) -> None:
        nonlocal before
        now = Counter(graph.count_ops())
        changes = {op: now[op] - before[op] for op in sorted(now | before) if now[op] != before[op]}
        stages.append({"stage": name, "nodes": now.total(), "transposes": now[TRANSPOSE], "changes": changes})
        before = now

    if unroll_limit is None and manifest:
        unroll_limit = unroll_limit_of(manifest)
    compile_onnx(load(model), shapes=shapes, skip_passes=skip, unroll_limit=unroll_limit, on_pass=take)
    return stages

"""What a model or an artifact holds, as plain JSON values."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.artifact.manifest import MANIFEST_NAME, Manifest
from converter.artifact.store import open_artifact
from converter.errors import CheckpointError

if TYPE_CHECKING:
    from converter.tfjs.graph import Graph, TensorType

MODEL_JSON = "model.json"


def inspect_path(path: Path) -> dict[str, Any]:
    """Kind, name, inputs, outputs, operator counts and size of an artifact, a TF.js folder or an ONNX file.

    Of an ONNX file also the backends that run each operator, and `unsupported`: each node that can't be converted.
    Raises: CheckpointError or ArtifactError if it can't be read, or is none of these.
    """
    if path.name == MODEL_JSON and path.is_file():
        return _tfjs(path.parent)
    if (path / MANIFEST_NAME).is_file():
        return _artifact(path)
    if (path / MODEL_JSON).is_file():
        return _tfjs(path)
    if path.suffix.lower() == ".onnx":
        from converter.pipeline.inspect_onnx import inspect_onnx

        return inspect_onnx(path)
    what = "neither an artifact, nor a TF.js graph model, nor an ONNX file" if path.exists() else "no such file"
    hint = f"give a folder with {MANIFEST_NAME} or {MODEL_JSON}, or a .onnx file"
    raise CheckpointError(what, where=str(path), hint=hint)


def _artifact(folder: Path) -> dict[str, Any]:
    from converter.tfjs.foreign import count_ops

    manifest: Manifest = open_artifact(folder).manifest
    return {
        "kind": "artifact",
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "inputs": [tensor.model_dump(mode="json") for tensor in manifest.inputs],
        "outputs": [tensor.model_dump(mode="json") for tensor in manifest.outputs],
        "ops": count_ops(folder / "tfjs"),
        "size_bytes": sum(entry.size_bytes for entry in manifest.files),
        "async": manifest.is_async,
        "parity": manifest.parity.model_dump(mode="json"),
        "metrics": manifest.metrics,
        "toolchain": manifest.toolchain,
        "identity": manifest.identity,
        "formats": [{"name": one.name, "sha256": one.sha256} for one in manifest.formats],
        "files": [entry.path for entry in manifest.files],
    }


def _tfjs(folder: Path) -> dict[str, Any]:
    from converter.tfjs.read import read

    graph = read(folder)
    return {
        "kind": "tfjs",
        "name": folder.resolve().name,
        "inputs": graph.metadata.get("inputs") or [_tfjs_input(graph, key) for key in graph.inputs],
        "outputs": graph.metadata.get("outputs") or [_tfjs_output(graph, key) for key in graph.outputs],
        "ops": graph.count_ops(),
        "size_bytes": sum(file.stat().st_size for file in folder.iterdir() if file.suffix in (".json", ".bin")),
        "async": bool(graph.metadata.get("async")),
        "generator": graph.metadata.get("generator", "unknown"),
        "artifact": graph.metadata.get("artifact"),
    }


def _tfjs_input(graph: "Graph", key: str) -> dict[str, Any]:
    return _described(key, graph.nodes[graph.inputs[key]].outputs[0])


def _tfjs_output(graph: "Graph", key: str) -> dict[str, Any]:
    return _described(key, graph.type_of(graph.outputs[key]))


def _described(key: str, type_: "TensorType") -> dict[str, Any]:
    return {"name": key, "dtype": type_.dtype, "shape": None if type_.shape is None else list(type_.shape)}

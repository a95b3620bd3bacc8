"""What a model or an artifact holds, as plain JSON values."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.artifact.manifest import MANIFEST_NAME, Manifest
from converter.artifact.store import open_artifact
from converter.errors import CheckpointError, UnsupportedError

if TYPE_CHECKING:
    import onnx

    from converter.onnx_model import LoadedOnnx
    from converter.tfjs.graph import Graph, TensorType

MODEL_JSON = "model.json"


def inspect_path(path: Path) -> dict[str, Any]:
    """Kind, name, inputs, outputs, operator counts and size of an artifact, a TF.js folder or an ONNX file.

    `unsupported`, of an ONNX file, names each node that can't be converted, with the reason.
    Raises: CheckpointError or ArtifactError if it can't be read, or is none of these.
    """
    if path.name == MODEL_JSON and path.is_file():
        return _tfjs(path.parent)
    if (path / MANIFEST_NAME).is_file():
        return _artifact(path)
    if (path / MODEL_JSON).is_file():
        return _tfjs(path)
    if path.suffix.lower() == ".onnx":
        return _onnx(path)
    what = "neither an artifact, nor a TF.js graph model, nor an ONNX file" if path.exists() else "no such file"
    hint = f"give a folder with {MANIFEST_NAME} or {MODEL_JSON}, or a .onnx file"
    raise CheckpointError(what, where=str(path), hint=hint)


def _artifact(folder: Path) -> dict[str, Any]:
    from converter.tfjs.read import read

    manifest: Manifest = open_artifact(folder).manifest
    return {
        "kind": "artifact",
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "inputs": [tensor.model_dump(mode="json") for tensor in manifest.inputs],
        "outputs": [tensor.model_dump(mode="json") for tensor in manifest.outputs],
        "ops": read(folder / "tfjs").count_ops(),
        "size_bytes": sum(entry.size_bytes for entry in manifest.files),
        "async": manifest.is_async,
        "parity": manifest.parity.model_dump(mode="json"),
        "metrics": manifest.metrics,
        "toolchain": manifest.toolchain,
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
    }


def _tfjs_input(graph: "Graph", key: str) -> dict[str, Any]:
    return _described(key, graph.nodes[graph.inputs[key]].outputs[0])


def _tfjs_output(graph: "Graph", key: str) -> dict[str, Any]:
    return _described(key, graph.type_of(graph.outputs[key]))


def _described(key: str, type_: "TensorType") -> dict[str, Any]:
    return {"name": key, "dtype": type_.dtype, "shape": None if type_.shape is None else list(type_.shape)}


def _onnx(path: Path) -> dict[str, Any]:
    from converter.onnx_model import load

    loaded = load(path)
    graph = loaded.proto.graph
    ops: dict[str, int] = {}
    for node in graph.node:
        name = f"{node.domain}::{node.op_type}" if node.domain not in ("", "ai.onnx") else node.op_type
        ops[name] = ops.get(name, 0) + 1
    return {
        "kind": "onnx",
        "name": graph.name or path.stem,
        "inputs": [_onnx_tensor(info) for info in graph.input if info.name not in loaded.constants],
        "outputs": [_onnx_tensor(info) for info in graph.output],
        "ops": dict(sorted(ops.items())),
        "size_bytes": path.stat().st_size,
        "opsets": {entry.domain or "ai.onnx": entry.version for entry in loaded.proto.opset_import},
        "producer": f"{loaded.proto.producer_name} {loaded.proto.producer_version}".strip() or "unknown",
        "sha256": loaded.sha256,
        "unsupported": _unsupported(loaded),
    }


def _onnx_tensor(info: "onnx.ValueInfoProto") -> dict[str, Any]:
    from converter.dtypes import BY_ONNX_CODE

    kind = info.type.WhichOneof("value")
    if kind != "tensor_type":
        return {"name": info.name, "dtype": str(kind).removesuffix("_type"), "shape": None}
    tensor = info.type.tensor_type
    known = BY_ONNX_CODE.get(tensor.elem_type)
    shape = [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in tensor.shape.dim]
    return {
        "name": info.name,
        "dtype": known.name if known else f"ONNX type {tensor.elem_type}",
        "shape": shape if tensor.HasField("shape") else None,
    }


def _unsupported(loaded: "LoadedOnnx") -> list[str]:
    """Why a model can't be converted: a line for each node, found by converting it."""
    from converter.pipeline.compile import compile_onnx

    try:
        compile_onnx(loaded)
    except UnsupportedError as error:
        _, *lines = error.what.splitlines()
        return [line.removeprefix("  - ") for line in lines] or [f"{error.where}: {error.what}"]
    return []

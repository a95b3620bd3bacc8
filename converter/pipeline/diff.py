"""What differs between two versions of a model, as plain JSON values."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from converter.artifact.manifest import Manifest
from converter.artifact.store import Artifact, open_artifact
from converter.pipeline.locate import located
from converter.tfjs.foreign import count_ops, weights_of

Value = Any


def diff(before: str, after: str, store: str) -> dict[str, Any]:
    """How the second version differs from the first: files, operators, metrics, parity, config, versions, weights.

    Only what differs is listed; a pair is (before, after), with None for what one of them lacks.
    Raises: ArtifactError if a version isn't there, or is damaged.
    """
    with located(before, store) as first, located(after, store) as second:
        return _difference(open_artifact(first.folder), open_artifact(second.folder))


def _difference(one: Artifact, other: Artifact) -> dict[str, Any]:
    graphs = [artifact.folder / "tfjs" for artifact in (one, other)]
    pair = (one.manifest, other.manifest)
    return {
        "before": _title(one.manifest),
        "after": _title(other.manifest),
        "is_same": one.manifest.digest == other.manifest.digest,
        "files": _changes(*map(_files, pair)),
        "size_bytes": [sum(entry.size_bytes for entry in manifest.files) for manifest in pair],
        "interface": _changes(*map(_interface, pair)),
        "ops": _changes(*(count_ops(graph) for graph in graphs)),
        "metrics": _changes(*(manifest.metrics or {} for manifest in pair)),
        "parity": _changes(*map(_parity, pair)),
        "config": _changes(*(_flat(manifest.config) for manifest in pair)),
        "toolchain": _changes(*(manifest.toolchain for manifest in pair)),
        "weights": weights_distance(*map(weights_of, graphs)),
    }


def weights_distance(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """How far the weights moved, over those of the same name and shape in both.

    `relative_l2` is |after - before| / |before|, None where before is all zeros.
    """
    one, other = _floats(before), _floats(after)
    shared = sorted(name for name in one.keys() & other.keys() if one[name].shape == other[name].shape)
    moved = {name: other[name].astype(np.float64) - one[name].astype(np.float64) for name in shared}
    norm = _norm(one[name] for name in shared)
    return {
        "compared": sum(array.size for array in moved.values()),
        "changed": int(sum(np.count_nonzero(array) for array in moved.values())),
        "max_abs": max((float(np.abs(array).max()) for array in moved.values() if array.size), default=0.0),
        "relative_l2": _norm(moved.values()) / norm if norm else None,
        "only_before": sorted(one.keys() - set(shared)),
        "only_after": sorted(other.keys() - set(shared)),
    }


def _floats(weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: array for name, array in weights.items() if array.dtype.kind == "f"}


def _norm(arrays: Any) -> float:
    return float(np.sqrt(sum(float(np.square(array, dtype=np.float64).sum()) for array in arrays)))


def _title(manifest: Manifest) -> dict[str, str]:
    return {"name": manifest.name, "version": manifest.version, "digest": manifest.digest}


def _changes(before: Mapping[str, Value], after: Mapping[str, Value]) -> dict[str, list[Value]]:
    names = sorted(before.keys() | after.keys())
    pairs = {name: [before.get(name), after.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _files(manifest: Manifest) -> dict[str, Value]:
    return {entry.path: {"size_bytes": entry.size_bytes, "sha256": entry.sha256} for entry in manifest.files}


def _interface(manifest: Manifest) -> dict[str, Value]:
    tensors = [("input", one) for one in manifest.inputs] + [("output", one) for one in manifest.outputs]
    described = {f"{role} {one.name}": one.model_dump(mode="json") for role, one in tensors}
    return described | {f"feature {one.name}": one.model_dump(mode="json") for one in manifest.features}


def _parity(manifest: Manifest) -> dict[str, Value]:
    runtimes = {one.name: {"compared": one.compared, "max_abs": one.max_abs} for one in manifest.parity.runtimes}
    return {"status": manifest.parity.status, "reference": manifest.parity.reference} | runtimes


def _flat(value: Value, path: str = "") -> dict[str, Value]:
    if not isinstance(value, dict):
        return {path: value}
    inner = [_flat(one, f"{path}.{key}" if path else key) for key, one in value.items()]
    return {key: leaf for part in inner for key, leaf in part.items()}

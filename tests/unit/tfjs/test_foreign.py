import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.errors import ArtifactError, InternalError
from converter.tfjs.foreign import adopt, count_ops, weights_of

PLACEHOLDER = {"name": "x", "op": "Placeholder", "attr": {"dtype": {"type": "DT_INT64"}}}
WEIGHT = {"name": "w", "op": "Const", "attr": {"value": {"tensor": {"dtype": "DT_FLOAT"}}}}
INFO = {"dtype": "DT_FLOAT", "tensorShape": {}}


def written(folder: Path, *ops: str, in_function: tuple[str, ...] = ()) -> Path:
    """A graph model as tensorflowjs writes it."""
    nodes = [PLACEHOLDER, WEIGHT, *({"name": f"n{i}", "op": op} for i, op in enumerate(ops))]
    functions = [{"signature": {"name": "f"}, "nodeDef": [{"name": op, "op": op} for op in in_function]}]
    document: dict[str, Any] = {
        "format": "graph-model",
        "signature": {
            "inputs": {"input_0": {"name": "x:0", **INFO}, "b": {"name": "b:0", **INFO}},
            "outputs": {"z": {"name": "Identity_1:0", **INFO}, "output_0": {"name": "Identity:0", **INFO}},
        },
        "modelTopology": {"node": nodes, "library": {"function": functions} if in_function else {}},
        "weightsManifest": [
            {"paths": ["group1-shard1of1.bin"], "weights": [{"name": "w", "shape": [2], "dtype": "float32"}]}
        ],
    }
    (folder / "model.json").write_text(json.dumps(document))
    (folder / "group1-shard1of1.bin").write_bytes(np.array([1.5, -2.0], "<f4").tobytes())
    return folder


def test_what_is_computed_is_counted(tmp_path: Path) -> None:
    folder = written(tmp_path, "MatMul", "Relu", "MatMul", in_function=("Relu", "Const"))
    assert count_ops(folder) == {"MatMul": 2, "Relu": 2}
    assert {name: values.tolist() for name, values in weights_of(folder).items()} == {"w": [1.5, -2.0]}


def test_names_and_order_become_those_that_were_asked_for(tmp_path: Path) -> None:
    folder = written(tmp_path, "MatMul")
    inputs, outputs = {"b": "b", "input.1": "input_0"}, {"12": "output_0", "z": "z"}
    metadata = adopt(folder, {"inputs": [{"name": "b"}]}, inputs=inputs, outputs=outputs)
    document = json.loads((folder / "model.json").read_bytes())
    assert metadata == document["userDefinedMetadata"] == {"inputs": [{"name": "b"}], "async": False}
    assert {name: info["name"] for name, info in document["signature"]["inputs"].items()} == {
        "b": "b:0",
        "input.1": "x:0",
    }
    assert {name: info["name"] for name, info in document["signature"]["outputs"].items()} == {
        "12": "Identity:0",
        "z": "Identity_1:0",
    }


@pytest.mark.parametrize("op", ["NonMaxSuppressionV5", "Switch", "While"])
@pytest.mark.parametrize("is_inside", [False, True], ids=["outside", "in-a-function"])
def test_what_only_execute_async_runs_is_told(tmp_path: Path, op: str, is_inside: bool) -> None:
    folder = written(tmp_path, in_function=(op,)) if is_inside else written(tmp_path, op)
    keys = {"inputs": {"a": "input_0", "b": "b"}, "outputs": {"y": "output_0", "z": "z"}}
    assert adopt(folder, {}, **keys)["async"] is True


def test_keys_that_the_signature_lacks_are_a_bug(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match=r"the outputs are \['output_0', 'z'\], not \['z'\]"):
        adopt(written(tmp_path), {}, inputs={"a": "input_0", "b": "b"}, outputs={"z": "z"})


@pytest.mark.parametrize("read", [count_ops, weights_of])
def test_what_is_no_graph_model_is_named(tmp_path: Path, read) -> None:
    with pytest.raises(ArtifactError, match=r"model\.json: can't be read"):
        read(tmp_path)
    (tmp_path / "model.json").write_text('{"modelTopology": []}')
    with pytest.raises(ArtifactError, match="is no graph model"):
        read(tmp_path)

"""The benchmark of `--weights auto`: what it measures, and what is published of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from benchmarks import weights
from benchmarks.weights_document import write_document

DOCS = Path(__file__).parents[2] / "docs"
PUBLISHED = json.loads((DOCS / "weights.json").read_text(encoding="utf-8"))
ENCODINGS = ["float32", "float16", "uint16", "uint8"]


def test_the_published_document_is_what_the_published_results_say(tmp_path: Path) -> None:
    write_document(PUBLISHED, tmp_path)
    assert (tmp_path / "weights.md").read_text(encoding="utf-8") == (DOCS / "weights.md").read_text(encoding="utf-8")


def test_every_model_of_the_benchmark_is_published() -> None:
    assert [row["model"] for row in PUBLISHED["models"]] == list(weights.NAMES)
    assert PUBLISHED["max_error"] == weights.MAX_ERROR


@pytest.mark.parametrize("row", PUBLISHED["models"], ids=lambda row: row["model"])
def test_what_was_chosen_is_the_smallest_inside_the_budget(row: dict[str, Any]) -> None:
    budget = float(PUBLISHED["max_error"])
    if row["refusal"]:
        assert row["trials"] == []
        assert "outputs are" in row["refusal"]
        return
    chosen = row["trials"][-1]
    assert chosen["max_error"] <= budget
    assert sorted({one["name"] for one in row["trials"]} - {chosen["name"]} | {*ENCODINGS}) == sorted(ENCODINGS)
    fitting = [one["size_bytes"] for one in row["trials"] if float(one["max_error"]) <= budget]
    assert chosen["size_bytes"] == min(fitting)


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    """One product of matrices."""
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32), "w")
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 32]) for name in ("x", "y")]
    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    graph = helper.make_graph([node], "matrix", ends[:1], ends[1:], [weight])
    path = tmp_path / "matrix.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_a_model_is_measured_as_people_convert_it(matrix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = weights.convert_auto(matrix)
    assert found["refusal"] == ""
    assert {*ENCODINGS} <= {one["name"] for one in found["trials"]}
    assert found["trials"][-1]["max_error"] <= float(weights.MAX_ERROR)
    assert found["cpu_s"] > 0
    monkeypatch.setattr(weights, "MAX_ERROR", "1e-12")
    refused = weights.convert_auto(matrix)
    assert refused["trials"] == []
    assert "with float32 weights already" in refused["refusal"]

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import parser

from converter.errors import CheckpointError
from converter.pipeline.inspect import inspect_path
from converter.tfjs.optable import BACKENDS

CHAIN = """
<ir_version: 10, opset_import: ["" : 20]>
chain (string[n] words, float[m] x) => (string[n, k] a, string[n] b, float[m] y)
{
    joined = StringConcat(words, words)
    lower = StringNormalizer(joined)
    a, parts = StringSplit(lower)
    b = StringConcat(lower, words)
    y = Relu(x)
}
"""
NESTED = """
<ir_version: 10, opset_import: ["" : 18, "custom" : 1, "mine" : 1]>
nested (float[m] x, bool c) => (float[m] y)
{
    h = custom.Magic(x)
    t = mine.Twice(h)
    y = If (c) <
        then_branch = yes () => (float[m] z) { z = Relu(t) },
        else_branch = no () => (float[m] s) { s = custom.Spell(t) }>
}
<opset_import: ["" : 18], domain: "mine">
Twice (v) => (w) { w = Add(v, v) }
"""
LARGE = """
<ir_version: 10, opset_import: ["" : 18]>
large (int64[m] x) => (int64[m] y)
<int64[1] big = {5000000000}>
{ y = Add(x, big) }
"""
PLAIN = """
<ir_version: 10, opset_import: ["" : 18]>
plain (float[m] x) => (float[m] y)
{
    h = Relu(x)
    y = Mish(h)
}
"""


def inspected(text: str, folder: Path) -> dict[str, Any]:
    path = folder / "model.onnx"
    onnx.save(parser.parse_model(text), path)
    return inspect_path(path)


def test_every_operator_is_named_though_one_hides_the_next(tmp_path: Path) -> None:
    document = inspected(CHAIN, tmp_path)
    found = [(one["op"], one["since"]) for one in document["unsupported"]]
    assert sorted(found) == [("StringConcat", 20), ("StringConcat", 20), ("StringNormalizer", 10), ("StringSplit", 20)]
    nodes = [one["node"] for one in document["unsupported"]]
    assert len(set(nodes)) == 4
    assert all(one["reason"] and one["hint"] for one in document["unsupported"])


def test_operators_say_where_they_run(tmp_path: Path) -> None:
    rows = {row["op"]: row for row in inspected(CHAIN, tmp_path)["operators"]}
    assert rows["Relu"] == {"op": "Relu", "since": 14, "nodes": 1, "backends": list(BACKENDS)}
    assert rows["StringConcat"] == {"op": "StringConcat", "since": 20, "nodes": 2, "backends": []}


def test_branches_and_functions_are_looked_into(tmp_path: Path) -> None:
    document = inspected(NESTED, tmp_path)
    assert {one["op"] for one in document["unsupported"]} == {"custom::Magic", "custom::Spell"}
    assert {"If", "Relu", "Add", "mine::Twice"} <= document["ops"].keys()


def test_constant_that_does_not_fit_is_a_problem_of_its_node(tmp_path: Path) -> None:
    (problem,) = inspected(LARGE, tmp_path)["unsupported"]
    assert (problem["op"], problem["since"]) == ("Add", 14)
    assert "constant 'big'" in problem["reason"]


def test_functions_of_onnx_need_no_lowering_of_their_own(tmp_path: Path) -> None:
    assert inspected(PLAIN, tmp_path)["unsupported"] == []


def test_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"not a model")
    with pytest.raises(CheckpointError, match="not an ONNX file"):
        inspect_path(path)


def test_it_is_quick(tmp_path: Path) -> None:
    """In processor time, which a busy machine stretches less than it stretches the time on the clock."""
    onnx.save(parser.parse_model(CHAIN), tmp_path / "model.onnx")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-m", "converter", "inspect", str(tmp_path / "model.onnx"), "--json"]

    def time_s() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(time_s() for _ in range(3)) < 2

"""The harness can fail: what it adapts, what it binds, and what the list may say."""

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from onnx import parser
from onnx.backend.test.case.test_case import TestCase

from converter.runtimes import RuntimePool
from tests.onnx_backend.convert import Converted, Refused, convert
from tests.onnx_backend.judge import Outcome, judge
from tests.onnx_backend.known_failures import KnownFailure, contradiction, read_known_failures
from tests.onnx_backend.scoreboard import RUNTIMES as ALL_RUNTIMES
from tests.onnx_backend.suite import SuiteCase, suite

PASSED, WRONG = Outcome("passed"), Outcome("wrong", "1 of 2 differ")
LISTED = KnownFailure("because", "differ", ("test_a*",), ("tfjs-wasm@*",))
ADD = '<ir_version: 10, opset_import: ["" : 18]> add (float[2] x, float[2] y) => (float[2] z) { z = Add(x, y) }'
EXPAND = """
<ir_version: 10, opset_import: ["" : 18]>
expand (float[1] x, float[1] k, int64[1] axes) => (float[1, 1] y)
{ t = Cast<to = 7>(k)  u = Add(axes, t)  y = Unsqueeze(x, u) }
"""
SEQUENCES = """
<ir_version: 10, opset_import: ["" : 18]>
both (seq(float[n]) xs, float[m] x, optional(float[k]) o) => (seq(float[n]) ys, optional(float[k]) p)
{ ys = SequenceInsert(xs, x)  p = Identity(o) }
"""


def case(text: str, inputs: list[object], outputs: list[object]) -> SuiteCase:
    model = parser.parse_model(text)
    source = TestCase("test_it", "it", None, None, model, [(inputs, outputs)], "node", 1e-3, 1e-7)
    return SuiteCase("test_it", "node", 1e-3, 1e-7, source)


@pytest.mark.parametrize(
    ("test", "runtime", "outcome", "says"),
    [
        ("test_abs", "tfjs-wasm@node", WRONG, None),
        ("test_abs", "tfjs-wasm@node", PASSED, "take it off"),
        ("test_abs", "tfjs-wasm@node", Outcome("refused", "no lowering"), "listed because it says 'differ'"),
        ("test_abs", "tfjs-cpu@node", WRONG, "wrong: 1 of 2 differ"),
        ("test_relu", "tfjs-wasm@node", WRONG, "wrong: 1 of 2 differ"),
        ("test_relu", "tfjs-wasm@node", PASSED, None),
    ],
)
def test_list_is_strict(test: str, runtime: str, outcome: Outcome, says: str | None) -> None:
    found = contradiction([LISTED], test, runtime, outcome)
    assert found == says if says is None else says in str(found)


def test_list_names_each_failure_once_and_nothing_else() -> None:
    known = read_known_failures()
    places = [(test, runtime) for test in suite() for runtime in ALL_RUNTIMES]
    covering = {place: [entry.reason for entry in known if entry.covers(*place)] for place in places}
    assert {place: reasons for place, reasons in covering.items() if len(reasons) > 1} == {}
    patterns = [pattern for entry in known for pattern in entry.tests]
    assert [pattern for pattern in patterns if not any(fnmatchcase(test, pattern) for test in suite())] == []
    assert len(patterns) == len(set(patterns))


def test_suite_is_whole() -> None:
    kinds = [one.kind for one in suite().values()]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "node": 1884,
        "simple": 23,
        "pytorch-converted": 82,
        "pytorch-operator": 35,
        "real": 9,
    }


@pytest.mark.parametrize("name", ["test_add", "test_single_relu_model", "test_Conv1d", "test_squeezenet"])
def test_data_fits_the_model(name: str) -> None:
    (data, *_) = suite()[name].data_sets()
    assert all(isinstance(value, np.ndarray) for value in [*data.inputs.values(), *data.outputs])
    assert len(data.outputs) == len(suite()[name].model().graph.output)


@pytest.mark.parametrize("n", [0, 2])
def test_sequences_and_optionals_are_taken_apart(n: int, pool: RuntimePool, tmp_path: Path) -> None:
    xs, x = [np.float32([i, 1]) for i in range(n)], np.float32([7, 8])
    optional = None if n == 0 else np.float32([5])
    right = case(SEQUENCES, [xs, x, optional], [[*xs, x], optional])
    converted = convert(right, tmp_path)
    assert isinstance(converted, Converted)
    assert converted.is_adapted
    assert judge(right, converted, pool.get("tfjs-cpu@node")).has_passed
    for outputs in ([[*xs], optional], [[*xs, x], x], [[*xs, x + 1], optional]):
        one = case(SEQUENCES, [xs, x, optional], outputs)
        again = convert(one, tmp_path)
        assert isinstance(again, Refused) or not judge(one, again, pool.get("tfjs-cpu@node")).has_passed


def test_wrong_values_are_found(pool: RuntimePool, tmp_path: Path) -> None:
    ones = np.ones(2, np.float32)
    right, wrong = case(ADD, [ones, ones], [ones * 2]), case(ADD, [ones, ones], [ones * 2.01])
    converted = convert(right, tmp_path)
    assert isinstance(converted, Converted)
    assert judge(right, converted, pool.get("tfjs-cpu@node")) == PASSED
    other = Converted(tmp_path, wrong.data_sets())
    assert judge(wrong, other, pool.get("tfjs-cpu@node")).stage == "wrong"


def test_wrong_dtypes_and_shapes_are_found(pool: RuntimePool, tmp_path: Path) -> None:
    ones = np.ones(2, np.float32)
    for expected in (np.float64([2, 2]), np.float32([[2, 2]])):
        one = case(ADD, [ones, ones], [expected])
        converted = convert(one, tmp_path)
        assert not isinstance(converted, Refused)
        assert judge(one, converted, pool.get("tfjs-cpu@node")).stage == "wrong"


def test_only_what_must_be_known_is_bound(tmp_path: Path) -> None:
    one, zero = np.float32([1]), np.int64([0])
    converted = convert(case(EXPAND, [one, one - 1, zero], [one[None]]), tmp_path)
    assert isinstance(converted, Converted)
    assert set(converted.bound) == {"axes", "k"}
    assert list(converted.data_sets[0].inputs) == ["x"]

"""The whole backend suite of ONNX on Node's TF.js backends; `make scoreboard` runs it on all of them."""

import tempfile
from pathlib import Path

import pytest

from converter.runtimes import RuntimePool
from tests.onnx_backend.convert import convert
from tests.onnx_backend.judge import judge
from tests.onnx_backend.known_failures import contradiction, read_known_failures
from tests.onnx_backend.suite import suite

RUNTIMES = ("tfjs-cpu@node", "tfjs-wasm@node")
KNOWN = read_known_failures()


@pytest.mark.parametrize("name", suite())
def test_agrees_with_the_suite(name: str, pool: RuntimePool) -> None:
    case = suite()[name]
    with tempfile.TemporaryDirectory() as folder:
        converted = convert(case, Path(folder))
        outcomes = {runtime: judge(case, converted, pool.get(runtime)) for runtime in RUNTIMES}
    found = [contradiction(KNOWN, name, runtime, outcome) for runtime, outcome in outcomes.items()]
    assert [problem for problem in found if problem] == []

"""Runs the whole suite in several runtimes, side by side."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import onnx

from converter.runtimes import RuntimePool
from converter.runtimes.base import RuntimeInfo
from tests.onnx_backend.convert import convert
from tests.onnx_backend.judge import Outcome, judge
from tests.onnx_backend.suite import SuiteCase


@dataclass(frozen=True)
class Score:
    """What the suite found: outcomes by test and runtime, and the operators of each test's model."""

    runtimes: Mapping[str, RuntimeInfo]
    outcomes: Mapping[str, Mapping[str, Outcome]]
    operators: Mapping[str, frozenset[str]]


def score(cases: Mapping[str, SuiteCase], runtimes: Sequence[str], on_case: Callable[[int], None]) -> Score:
    """Convert each test once and run it in every runtime; `on_case` is told how many are done."""
    outcomes: dict[str, dict[str, Outcome]] = {}
    operators: dict[str, frozenset[str]] = {}
    with RuntimePool() as pool, ThreadPoolExecutor(len(runtimes)) as threads:
        started = {name: pool.get(name) for name in runtimes}
        infos = {name: runtime.start() for name, runtime in started.items()}
        for name, case in cases.items():
            operators[name] = frozenset(operators_of(case.model().graph))
            with tempfile.TemporaryDirectory() as folder:
                converted = convert(case, Path(folder))
                futures = {key: threads.submit(judge, case, converted, one) for key, one in started.items()}
                outcomes[name] = {key: future.result() for key, future in futures.items()}
            on_case(len(outcomes))
    return Score(infos, outcomes, operators)


def operators_of(graph: onnx.GraphProto) -> Iterator[str]:
    """The operators of a graph and of the graphs in it; those of ONNX itself without a domain."""
    for node in graph.node:
        yield node.op_type if node.domain in ("", "ai.onnx") else f"{node.domain}::{node.op_type}"
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from operators_of(inner)  # an attribute without a graph has an empty one

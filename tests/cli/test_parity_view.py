import math

import pytest
from rich.console import Console

from converter.cli.parity_view import parity_view
from converter.parity.compare import Rule, TensorVerdict, Tolerance
from converter.parity.output import OutputVerdict
from converter.parity.verdict import ParityReport, RuntimeVerdict
from converter.runtimes.base import RuntimeInfo

TORCH = RuntimeInfo("torch", {"torch": "2.13.0"}, "cpu")
WEBGL = RuntimeInfo("tfjs-webgl@chromium", {"tfjs": "4.22.0"}, "ANGLE [SwiftShader]")


def output(max_abs: float, needed_atol: float, bad: int) -> OutputVerdict:
    tensor = TensorVerdict("y", 1200, bad, max_abs, max_abs, needed_atol=needed_atol, worst=(3,), candidate=max_abs)
    return OutputVerdict.over_samples([("random-1", tensor)], Rule(Tolerance(1e-5, 1e-4)))


def shown(*verdicts: RuntimeVerdict, not_run: dict[str, str] | None = None, width: int = 80) -> list[str]:
    tolerances = {"float32": Tolerance(1e-5, 1e-4), "float16-textures": Tolerance(0.01, 0.02)}
    report = ParityReport(TORCH, tolerances, {"random-1": "0" * 64}, verdicts, not_run or {})
    console = Console(width=width)
    with console.capture() as capture:
        for part in parity_view(report):
            console.print(part, soft_wrap=isinstance(part, str))
    return capture.get().splitlines()


def row(lines: list[str], name: str) -> list[str]:
    return next(line.split() for line in lines if line.split()[:1] == [name])


def test_a_runtime_that_agrees() -> None:
    lines = shown(RuntimeVerdict(WEBGL.name, "passed", WEBGL, (output(5.96e-8, 0.0, 0),), predict_ms=9.0))
    assert row(lines, WEBGL.name) == [WEBGL.name, "passed", "1,200", "5.96e-08", "0", "9.00"]
    assert "1 samples against torch (cpu; torch 2.13.0); tolerance: atol 1e-05, rtol 0.0001" in lines
    assert "tfjs-webgl@chromium (ANGLE [SwiftShader]; tfjs 4.22.0)" in lines


def test_another_class_of_runtimes_is_named_with_its_tolerance() -> None:
    half = RuntimeVerdict(WEBGL.name, "passed", WEBGL, (output(1e-3, 0.0, 0),), classes=("float16-textures",))
    [line] = [line for line in shown(half, width=120) if "samples against" in line]
    assert line.endswith("tolerance: float16-textures atol 0.01, rtol 0.02")


@pytest.mark.parametrize(("needed", "text"), [(3e-4, ["3.0e-04"]), (math.inf, ["none", "passes"])])
def test_a_runtime_that_disagrees(needed: float, text: list[str]) -> None:
    lines = shown(RuntimeVerdict(WEBGL.name, "failed", WEBGL, (output(4e-4, needed, 7),), predict_ms=1.0))
    assert row(lines, WEBGL.name) == [WEBGL.name, "failed", "1,200", "4.00e-04", *text, "1.00"]


def test_a_runtime_that_could_not_run() -> None:
    lines = shown(RuntimeVerdict(WEBGL.name, "error", message="no [browser] here"))
    assert row(lines, WEBGL.name) == [WEBGL.name, "error", "-", "-", "-", "-"]
    assert "error tfjs-webgl@chromium: no [browser] here" in lines


def test_what_was_not_run_is_said_with_the_reason() -> None:
    verdict = RuntimeVerdict(WEBGL.name, "passed", WEBGL, (output(0.0, 0.0, 0),))
    assert "not run tfjs-wasm@chromium: no browser" in shown(verdict, not_run={"tfjs-wasm@chromium": "no browser"})


def test_nothing_is_cut_off_on_a_narrow_terminal() -> None:
    lines = shown(RuntimeVerdict(WEBGL.name, "passed", WEBGL, (output(1.0, 1.0, 1),), predict_ms=12345.0))
    assert not any("…" in line for line in lines)

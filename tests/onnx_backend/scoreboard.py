"""Writes the suite's part of docs/coverage.md: `python -m tests.onnx_backend.scoreboard`."""

import sys
from importlib.metadata import version
from pathlib import Path

from tests.onnx_backend.known_failures import FILE, contradiction, read_known_failures
from tests.onnx_backend.report import markdown
from tests.onnx_backend.score import score
from tests.onnx_backend.suite import suite
from tools.sections import write_section

COVERAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
RUNTIMES = ("tfjs-cpu@node", "tfjs-wasm@node", "tfjs-webgl@chromium", "tfjs-webgpu@chromium")


def main() -> int:
    """Run everything, write the document, and say where the list of known failures is wrong."""
    cases, known = suite(), read_known_failures()
    found = score(cases, RUNTIMES, lambda done: print(f"\r{done} of {len(cases)}", end="", file=sys.stderr))
    print(file=sys.stderr)
    write_section(COVERAGE, "onnx backend suite", markdown(found, known, version("onnx")))
    wrong = [
        f"{test}: {problem}"
        for test, outcomes in found.outcomes.items()
        for runtime, outcome in outcomes.items()
        if (problem := contradiction(known, test, runtime, outcome))
    ]
    print("\n".join([*wrong, f"{COVERAGE.name} is written; {FILE.name} is wrong about {len(wrong)} outcomes"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

"""All cases, gathered from the modules of this folder."""

from importlib import import_module
from pathlib import Path

from tests.ops.case import Case

CASES: list[Case] = [
    case
    for module in sorted(Path(__file__).parent.glob("[a-z]*.py"))
    for case in import_module(f"tests.ops.cases.{module.stem}").CASES
]

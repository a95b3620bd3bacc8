"""Whether a converted test gives what the suite wants, by the suite's own judgement."""

from dataclasses import dataclass

import numpy as np
from onnx.backend.test.runner import Runner

from converter.errors import ConverterError, InternalError
from converter.runtimes.base import LoadedModel, Runtime
from tests.onnx_backend.convert import Converted, Refused
from tests.onnx_backend.suite import DataSet, SuiteCase


@dataclass(frozen=True)
class Outcome:
    """How a test ended in one runtime: `stage` is "passed", or where it failed, and then `reason` says why."""

    stage: str
    reason: str = ""
    bound: tuple[str, ...] = ()
    is_adapted: bool = False

    @property
    def has_passed(self) -> bool:
        """Whether every data set gave the right outputs."""
        return self.stage == "passed"


def judge(case: SuiteCase, converted: Converted | Refused, runtime: Runtime) -> Outcome:
    """Run a test's data sets in a runtime."""
    if isinstance(converted, Refused):
        return Outcome(converted.stage, converted.reason)
    try:
        model = runtime.load(converted.folder)
    except (ConverterError, InternalError) as error:
        return Outcome("load", str(error))
    try:
        faults = [_fault(case, model, data) for data in converted.data_sets]
    finally:
        model.close()
    stage, reason = next(filter(None, faults), ("passed", ""))
    return Outcome(stage, reason, converted.bound, converted.is_adapted)


def _fault(case: SuiteCase, model: LoadedModel, data: DataSet) -> tuple[str, str] | None:
    """Where and why a data set fails, None if it gives what it must."""
    try:
        outputs = list(model.run({name: np.asarray(value) for name, value in data.inputs.items()}).outputs.values())
    except (ConverterError, InternalError) as error:
        return "run", str(error)
    except Exception as error:  # a bug of the border is a result of the suite, not its end
        return "crash", f"{type(error).__name__}: {error}"
    try:
        Runner.assert_similar_outputs(data.outputs, outputs, case.rtol, case.atol)
    except (AssertionError, TypeError) as error:
        return "wrong", " ".join(str(error).split())
    return None

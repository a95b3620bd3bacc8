"""Whether a converted test gives what the suite wants, by the suite's own judgement."""

from collections.abc import Sequence
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

    @property
    def has_passed(self) -> bool:
        """Whether every data set gave the right outputs."""
        return self.stage == "passed"


def judge(case: SuiteCase, converted: Converted | Refused, data_sets: Sequence[DataSet], runtime: Runtime) -> Outcome:
    """Run a test's data sets in a runtime."""
    if isinstance(converted, Refused):
        return Outcome(converted.stage, converted.reason)
    try:
        model = runtime.load(converted.folder)
    except (ConverterError, InternalError) as error:
        return Outcome("load", str(error))
    try:
        reason = next(filter(None, (_fault(case, model, converted, data) for data in data_sets)), None)
    finally:
        model.close()
    if reason is not None:
        return Outcome(*reason, bound=converted.bound)
    return Outcome("passed", bound=converted.bound)


def _fault(case: SuiteCase, model: LoadedModel, converted: Converted, data: DataSet) -> tuple[str, str] | None:
    inputs = {name: np.asarray(value) for name, value in data.inputs.items() if name not in converted.bound}
    try:
        outputs = list(model.run(inputs).outputs.values())
    except (ConverterError, InternalError) as error:
        return "run", str(error)
    except Exception as error:  # a bug of the border is a result of the suite, not its end
        return "crash", f"{type(error).__name__}: {error}"
    try:
        Runner.assert_similar_outputs(data.outputs, outputs, case.rtol, case.atol)
    except (AssertionError, TypeError) as error:
        return "wrong", " ".join(str(error).split())
    return None

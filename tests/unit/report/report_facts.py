"""A proof as the documents see it, with values that can be foreseen."""

from dataclasses import dataclass, field

import numpy as np

from converter.parity.agreement import Agreement
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample
from converter.parity.run import Candidate, check_parity, compute_reference
from converter.report.facts import Facts, Size, Tensor, Timing
from converter.report.spread import SpreadCollector
from converter.runtimes.base import RunResult, RuntimeInfo

TOLERANCE = Tolerance(1e-5, 1e-4)
SAMPLES = [
    Sample(f"batch{size}-random", {"x": np.random.default_rng(size).normal(size=(size, 4)).astype(np.float32)})
    for size in (1, 32)
]


@dataclass
class Doubling:
    """A runtime of one line of numpy: it doubles its input, and is `error` off."""

    name: str
    error: float = 0.0
    outputs: tuple[str, ...] = ("score",)
    load_ms: float = 5.0
    versions: dict[str, str] = field(default_factory=lambda: {"numpy": "2.0"})

    def start(self):
        if self.name == "broken":
            raise OSError("no such device")
        return RuntimeInfo(self.name, self.versions, "a <device>")

    def load(self, model):
        return self

    def run(self, inputs):
        return RunResult({name: (inputs["x"] * 2 + self.error).astype(np.float32) for name in self.outputs}, 1.5)

    def close(self):
        pass


def facts(*runtimes: Doubling, outputs: tuple[str, ...] = ("score",), **changes) -> Facts:
    reference = compute_reference(Doubling("torch", outputs=outputs), None, SAMPLES)
    collector = SpreadCollector(reference.outputs, lambda *_: TOLERANCE)
    candidates = [Candidate(one, None) for one in runtimes or (Doubling("onnxruntime", 1e-6, outputs),)]
    not_run = {"tfjs-webgl@chromium": "no browser"}
    agreement = Agreement.everywhere(TOLERANCE)
    report = check_parity(reference, candidates, SAMPLES, agreement, not_run=not_run, on_outputs=collector)
    values = {
        "name": "scorer",
        "version": "1.2.3",
        "description": "Scores <things> & more.",
        "proof": report,
        "spreads": collector.spreads,
        "timings": (Timing("onnxruntime", load_ms=12.0, p50_ms=3.5),),
        "sizes": (Size("ONNX", 12_345),),
        "ops": {"MatMul": 2, "Relu": 1},
        "inputs": (Tensor("x", "float32", ("batch", 4), "km"),),
        "outputs": (Tensor("score", "float32", ("batch", 4)),),
        "toolchain": {"numpy": "2.0"},
    }
    return Facts(**(values | changes))

"""What is drawn has the distribution that was asked for, and not twice the same values."""

import numpy as np
import pytest

from converter.onnx_model import load_bytes
from converter.pipeline.compile import compile_onnx, write_graph
from tests.ops.case import Case
from tests.ops.test_ops import RUNTIMES

N = 20_000
HALVES = np.log(np.float32([[0.5, 0.3, 0.2]]))


def samples(case, runtime, pool, folder):
    write_graph(compile_onnx(load_bytes(case.model().SerializeToString(), where=case.id)), folder)
    model = pool.get(runtime).load(folder)
    try:
        return [model.run(case.feed()).outputs["Y"].ravel() for _ in range(2)]
    finally:
        model.close()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize(
    ("case", "mean", "deviation"),
    [
        (Case("normal", "RandomNormal", {}, {"shape": [N], "mean": 2.0, "scale": 3.0}), 2.0, 3.0),
        (Case("uniform", "RandomUniform", {}, {"shape": [N], "low": -1.0, "high": 5.0}), 2.0, 6 / 12**0.5),
        (Case("bernoulli", "Bernoulli", {"X": np.full(N, 0.3, dtype=np.float32)}), 0.3, 0.21**0.5),
        (Case("multinomial", "Multinomial", {"X": HALVES}, {"sample_size": N}, outputs={"Y": 6}), 0.7, 0.61**0.5),
    ],
    ids=lambda value: value.id if isinstance(value, Case) else "",
)
def test_moments_and_variety(case, mean, deviation, runtime, pool, tmp_path):
    first, second = samples(case, runtime, pool, tmp_path)
    assert first.size == N
    assert abs(first.mean() - mean) < 5 * deviation / N**0.5
    assert abs(first.std() - deviation) < 0.03 * deviation
    assert (first != second).any()

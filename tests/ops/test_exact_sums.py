"""Sums, means and what is made of them err at most twice as much as onnxruntime, measured against float64."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from zlib import crc32

import numpy as np
import pytest
from onnx import parser

from converter.onnx_model import load_bytes
from converter.pipeline.compile import compile_onnx, write_graph
from converter.runtimes.onnxruntime_ import OnnxRuntime
from tests.ops.test_ops import RUNTIMES

ROUNDING = 2.0**-24
ROWS = {
    "normal": lambda rng, n: rng.normal(size=(32, n)),
    "positive": lambda rng, n: rng.uniform(0, 1, (32, n)),
    "far-from-zero": lambda rng, n: rng.normal(100, 1, (32, n)),
    "equal": lambda rng, n: np.repeat(rng.uniform(-200, 200, (32, 1)), n, 1),
    "sorted": lambda rng, n: np.sort(rng.normal(size=(32, n)), 1),
}


def variance(x):
    return np.square(x - x.mean(-1, keepdims=True)).mean(-1, keepdims=True)


def layer_norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(variance(x) + 1e-5)


def rms_norm(x):
    return x / np.sqrt(np.square(x).mean(-1, keepdims=True) + 1e-5)


def mvn(x):
    return (x - x.mean(-1, keepdims=True)) / (np.sqrt(variance(x)) + 1e-9)


def log_sum_exp(x):
    highest = x.max(-1, keepdims=True)
    return np.log(np.exp(x - highest).sum(-1, keepdims=True)) + highest


@dataclass(frozen=True)
class Sum:
    """A graph over rows of `n` elements, and the same in float64.

    `shape` is what the rows become, as ONNX text in which {n} is their length; `dims` the same with sizes.
    """

    id: str
    body: str
    exact: Callable[[np.ndarray], np.ndarray]
    shape: str = "R, {n}"
    dims: tuple[int, ...] = ()
    opset: int = 17

    def text(self, n: int) -> str:
        head = f'<ir_version: {8 if self.opset < 19 else 10}, opset_import: ["": {self.opset}]>'
        dims = self.shape.format(n=n)
        results = ", ".join(f"y{axis}" for axis in range(dims.count(",") + 1))
        return f"{head} agraph (float[{dims}] x) => (float[{results}] y) {{ {self.body.format(n=n)} }}"


ONES = "scale = ConstantOfShape <value: tensor = float[1] {{1}}> (size) bias = ConstantOfShape (size)"
N_ONES = f"size = Constant <value_ints = [{{n}}]> () {ONES}"
CHANNELS = f"size = Constant <value_ints = [8]> () {ONES}"
LAST = "axis = Constant <value_ints = [-1]> ()"
EPSILON = "epsilon = Constant <value_float = 0.00001> ()"
MOMENTS = (
    "mean = ReduceMean <axes = [-1]> (x) gap = Sub (x, mean) two = Constant <value_float = 2.0> ()"
    " square = Pow (gap, two)"
)
DYNAMIC = ("R, 8, T", (4, 8, -1))
SUMS = [
    Sum("mean", "y = ReduceMean <axes = [-1]> (x)", lambda x: x.mean(-1, keepdims=True)),
    Sum("mean-dynamic", "y = ReduceMean <axes = [-1]> (x)", lambda x: x.mean(-1, keepdims=True), "R, T"),
    Sum("sum", f"{LAST} y = ReduceSum (x, axis)", lambda x: x.sum(-1, keepdims=True)),
    Sum("sum-dynamic", f"{LAST} y = ReduceSum (x, axis)", lambda x: x.sum(-1, keepdims=True), *DYNAMIC),
    Sum("l1", "y = ReduceL1 <axes = [-1]> (x)", lambda x: np.abs(x).sum(-1, keepdims=True)),
    Sum("l2", "y = ReduceL2 <axes = [-1]> (x)", lambda x: np.linalg.norm(x, axis=-1, keepdims=True)),
    Sum("log-sum-exp", "y = ReduceLogSumExp <axes = [-1]> (x)", log_sum_exp),
    Sum("layer-norm", f"{N_ONES} y = LayerNormalization (x, scale, bias)", layer_norm),
    Sum("layer-norm-tokens", f"{N_ONES} y = LayerNormalization (x, scale, bias)", layer_norm, "B, S, {n}", (4, 8, -1)),
    Sum(
        "layer-norm-written-out",
        f"{MOMENTS} variance = ReduceMean <axes = [-1]> (square) {EPSILON} more = Add (variance, epsilon)"
        " deviation = Sqrt (more) y = Div (gap, deviation)",
        layer_norm,
    ),
    Sum(
        "variance-of-squares",
        "mean = ReduceMean <axes = [-1]> (x) square = Mul (x, x) square_mean = ReduceMean <axes = [-1]> (square)"
        " mean_square = Mul (mean, mean) y = Sub (square_mean, mean_square)",
        variance,
    ),
    Sum("rms-norm", f"{N_ONES} y = RMSNormalization (x, scale)", rms_norm, opset=23),
    Sum("instance-norm", f"{CHANNELS} y = InstanceNormalization (x, scale, bias)", layer_norm, "4, 8, {n}", (4, 8, -1)),
    Sum("instance-norm-dynamic", f"{CHANNELS} y = InstanceNormalization (x, scale, bias)", layer_norm, *DYNAMIC),
    Sum(
        "group-norm-dynamic",
        f"{CHANNELS} y = GroupNormalization <num_groups = 4> (x, scale, bias)",
        lambda x: layer_norm(x.reshape(4, 4, -1)).reshape(x.shape),
        *DYNAMIC,
        opset=21,
    ),
    Sum("mean-variance", "y = MeanVarianceNormalization <axes = [2]> (x)", mvn, "4, 8, {n}", (4, 8, -1)),
    Sum("global-pool", "y = GlobalAveragePool (x)", lambda x: x.mean(-1, keepdims=True), "4, 8, {n}", (4, 8, -1)),
]
SIZES = (64, 219, 768, 4099)
AMPLIFIED = {("mean-variance", "equal"): "a deviation of 0: what is divided by it is rounding, in every runtime"}


def rms(values):
    return np.sqrt(np.square(values).mean())


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The compiled graphs of a problem by length, with inputs, exact results, the unit and the error of onnxruntime."""

    @lru_cache(maxsize=1)
    def prepare(problem):
        found = []
        for n in SIZES:
            proto = parser.parse_model(problem.text(n)).SerializeToString()
            folder = tmp_path_factory.mktemp("graph")
            write_graph(compile_onnx(load_bytes(proto, where=problem.id)), folder)
            reference = OnnxRuntime().load(proto)
            rng = np.random.default_rng(crc32(f"{problem.id}{n}".encode()))
            for kind, draw in ROWS.items():
                x = draw(rng, n).astype(np.float32).reshape(problem.dims or (32, n))
                if (problem.id, kind) not in AMPLIFIED:
                    exact, size = (problem.exact(values.astype(np.float64)) for values in (x, np.abs(x)))
                    unit = ROUNDING * max(rms(exact), rms(size), 1)
                    theirs = rms(reference.run({"x": x}).outputs["y"] - exact) / unit
                    found.append((folder, f"{n} {kind}", x, exact, unit, theirs))
        return found

    return prepare


@pytest.mark.parametrize("problem", SUMS, ids=lambda problem: problem.id)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_errors_are_at_most_twice_those_of_onnxruntime(problem, runtime, pool, prepared):
    worse, models = {}, {}
    for folder, name, x, exact, unit, theirs in prepared(problem):
        if folder not in models:
            models[folder] = pool.get(runtime).load(folder)
        ours = rms(models[folder].run({"x": x}).outputs["y"] - exact) / unit
        if not ours <= 2 * (theirs + 1):
            worse[name] = f"{ours:.1f} units of rounding, onnxruntime {theirs:.1f}"
    for model in models.values():
        model.close()
    assert worse == {}


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_constant_row_is_normalized_to_zero(runtime, pool, tmp_path):
    problem = next(one for one in SUMS if one.id == "layer-norm")
    proto = parser.parse_model(problem.text(219)).SerializeToString()
    write_graph(compile_onnx(load_bytes(proto, where="row")), tmp_path)
    model = pool.get(runtime).load(tmp_path)
    y = model.run({"x": np.full((1, 219), -138.47, dtype=np.float32)}).outputs["y"]
    model.close()
    assert np.abs(y).max() < 1e-6

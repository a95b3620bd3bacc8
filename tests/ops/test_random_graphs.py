"""Random graphs give what onnxruntime gives, on cpu and wasm: exactly, where float32 arithmetic is exact."""

import os

import numpy as np
import onnxruntime
import pytest

from converter.onnx_model import load_bytes
from converter.pipeline.compile import compile_onnx, write_graph
from tests.ops.random_graphs import Drawing, model_of

N_GRAPHS = int(os.environ.get("RANDOM_GRAPHS", "500"))
FIRST = int(os.environ.get("RANDOM_GRAPHS_FROM", "0"))
PER_MODEL = 25
RUNTIMES = ("tfjs-cpu@node", "tfjs-wasm@node")


def drawings_of(batch: int) -> list[Drawing]:
    """Every fourth batch is of graphs with a dynamic dimension."""
    seeds = range(FIRST + batch * PER_MODEL, FIRST + (batch + 1) * PER_MODEL)
    return [Drawing(seed, f"g{seed}_", dynamic=batch % 4 == 3) for seed in seeds]


def reference(model, feed):
    """Without optimisations: onnxruntime's own fuse scales into convolutions, before any Floor behind them."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


def fault(kind: str, wanted: np.ndarray, got: np.ndarray) -> str:
    if kind == "index" and not wanted.size:
        return ""  # onnxruntime gives the shape of the operand
    if (wanted.dtype, wanted.shape) != (got.dtype, got.shape):
        return f"{got.dtype}{got.shape}, not {wanted.dtype}{wanted.shape}"
    if kind in ("alike", "real"):  # a pass may round these otherwise, where no Round or comparison follows
        right = np.isclose(got, wanted, rtol=1e-4, atol=1e-5, equal_nan=True)
    else:
        right = (got == wanted) | (np.isnan(got) & np.isnan(wanted))
    return "" if right.all() else f"{got[~right][:3]}, not {wanted[~right][:3]}"


@pytest.mark.parametrize("batch", range(N_GRAPHS // PER_MODEL))
def test_random_graphs_agree(pool, tmp_path, batch):
    drawings = drawings_of(batch)
    kinds = {name: kind for drawing in drawings for name, kind in drawing.outputs().items()}
    model = model_of(drawings).SerializeToString()
    write_graph(compile_onnx(load_bytes(model, where=f"batch {batch}")), tmp_path)
    sizes = (3, 0) if batch % 4 == 3 else (3,)
    feeds = [{name: array for one in drawings for name, array in one.feed(size).items()} for size in sizes]
    faults = {}
    for runtime in RUNTIMES:
        loaded = pool.get(runtime).load(tmp_path)
        try:
            for feed in feeds:
                got = loaded.run(feed).outputs
                for name, wanted in reference(model, feed).items():
                    if problem := fault(kinds[name], wanted, got[name]):
                        faults[runtime, name] = problem
        finally:
            loaded.close()
    assert faults == {}

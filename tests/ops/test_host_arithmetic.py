"""Shapes that a model computes while it runs: several nodes, on every backend, with values read on host and device."""

import numpy as np
import onnx
import pytest
from onnx import helper, parser

from converter.onnx_model import load_bytes
from converter.parity.compare import Tolerance, compare
from converter.pipeline.compile import compile_onnx, write_graph
from converter.runtimes.onnxruntime_ import OnnxRuntime
from converter.tfjs.verify import verify
from tests.ops.test_ops import RUNTIMES

NUMBERS = (
    "int64 zero={0}, int64 one={1}, int64 two={2}, int64[1] first={0}, int64[1] second={1}, int64[1] rest={-1}, "
    "int64[1] far={9223372036854775807}, float low={-10000.0}, int64[3] unset={-1, -1, -1}"
)


def model(header: str, body: str) -> onnx.ModelProto:
    graph = parser.parse_graph(f"g {header} <{NUMBERS}> {{ {body} }}")
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def counted(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.int64).reshape(shape)


MODELS = {
    "view": (
        model(
            "(float[batch, time, 8] X) => (float[batch, half, 16] Y)",
            """s = Shape(X) b = Gather(s, zero) t = Gather(s, one) h = Div(t, two) bs = Unsqueeze(b, first)
            hs = Unsqueeze(h, first) target = Concat<axis=0>(bs, hs, rest) Y = Reshape(X, target)""",
        ),
        {"X": drawn(3, 50, 8)},
    ),
    "size-as-data-and-argument": (
        model(
            "(float[batch, time, 8] X) => (float[batch, half, 8] Y)",
            """s = Shape(X) t = Gather(s, one) scale = Cast<to=1>(t) m = Mul(X, scale) ts = Unsqueeze(t, first)
            hs = Div(ts, two) half = Slice(m, first, hs, second) n = Neg(half) Y = Add(n, scale)""",
        ),
        {"X": drawn(12, 14, 8)},
    ),
    "remainder": (
        model(
            "(float[batch, time, 8] X) => (float[batch, even, 8] Y)",
            """s = Shape(X) t = Gather(s, one) r = Mod(t, two) e = Sub(t, r) es = Unsqueeze(e, first)
            Y = Slice(X, first, es, second)""",
        ),
        {"X": drawn(3, 15, 8)},
    ),
    "constant-as-data-and-argument": (
        model(
            "(int64[batch, 6] X) => (int64[batch, a, b] Y)",
            """d = Mul(X, two) s = Shape(X) t = Gather(s, one) h = Div(t, two) hs = Unsqueeze(h, first)
            b = Gather(s, zero) bs = Unsqueeze(b, first) target = Concat<axis=0>(bs, rest, hs)
            Y = Reshape(d, target)""",
        ),
        {"X": counted(300, 6)},
    ),
    "expand-where": (
        model(
            "(float[1, 1, 8] X, float[batch, time, 8] Z) => (float[batch, time, 8] Y)",
            """s = Shape(Z) given = Slice(s, first, rest) last = Slice(s, rest, far) full = Concat<axis=0>(given, last)
            same = Equal(full, unset) ones = Abs(unset) w = Where(same, ones, full) Y = Expand(X, w)""",
        ),
        {"X": drawn(1, 1, 8), "Z": drawn(3, 50, 8)},
    ),
    "positions": (
        model(
            "(int64[batch, time] I, float[200, 16] E) => (float[batch, time, 16] Y)",
            """s = Shape(I) t = Gather(s, one) r = Range(zero, t, one) p = Gather(E, r) x = Gather(E, I)
            Y = Add(x, p)""",
        ),
        {"I": counted(2, 60), "E": drawn(200, 16)},
    ),
    "causal-mask": (
        model(
            "(float[batch, rows, columns] X) => (float[batch, rows, columns] Y)",
            """s = Shape(X) t = Gather(s, one) u = Gather(s, two) r = Range(zero, t, one) c = Range(zero, u, one)
            rs = Unsqueeze(r, second) cs = Unsqueeze(c, first) later = Less(rs, cs) m = Cast<to=1>(later)
            n = Mul(m, low) Y = Add(X, n)""",
        ),
        {"X": drawn(2, 30, 40)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", MODELS)
def test_shape_arithmetic_agrees_with_onnxruntime(name, runtime, pool, tmp_path):
    proto, feed = MODELS[name]
    content = proto.SerializeToString()
    compiled = compile_onnx(load_bytes(content, where=name), on_pass=lambda _, graph: verify(graph))
    write_graph(compiled, tmp_path)
    loaded = pool.get(runtime).load(tmp_path)
    try:
        got = loaded.run(feed).outputs
    finally:
        loaded.close()
    verdicts = compare(OnnxRuntime().load(content).run(feed).outputs, got, Tolerance(1e-5, 1e-4))
    assert [verdict for verdict in verdicts if verdict.bad] == []

"""Small graphs that use the whole format: functions, every kind of constant, several outputs."""

import numpy as np
import pytest

from converter.tfjs.builder import Builder
from converter.tfjs.graph import FunctionName, Graph, NameAllocator, TensorType


def float32(*shape: int | str | None) -> TensorType:
    return TensorType("float32", shape)


INT = TensorType("int32", ())


@pytest.fixture
def dense() -> Graph:
    """x (N, 3) -> relu(x @ w + b) (N, 4), its rows summed (N), whether they are positive (N)."""
    build = Builder(Graph(metadata={"generator": "test", "async": False}), NameAllocator())
    x = build.placeholder("x", float32("N", 3))
    weights = build.constant(np.arange(12, dtype=np.float32).reshape(3, 4), name="w")
    bias = build.constant(np.array([0.5, -0.0, np.inf, 2], np.float32), name="b")
    (y,) = build.emit("_FusedMatMul", x, weights, bias, name="fc", fused_ops=["BiasAdd", "Relu"], num_args=1)
    (total,) = build.emit("Sum", y, build.parameter([1]), name="total", keep_dims=False)
    zero = build.constant(np.array(0, np.float16), name="zero")
    (positive,) = build.emit("Greater", total, zero, name="positive")
    build.output("out:0/a b", y)
    build.output("sum", total)
    build.output("7", positive)
    return build.graph


@pytest.fixture
def branch() -> Graph:
    """p, x (N) -> x² where p, else -x."""
    names = NameAllocator()
    build = Builder(Graph(), names)
    condition = build.placeholder("p", TensorType("bool", ()))
    x = build.placeholder("x", float32("N"))
    for name, op in (("yes", "Square"), ("no", "Neg")):
        inner = Builder(Graph(), names)
        (y,) = inner.emit(op, inner.placeholder(f"{name}_x", float32("N")), name=f"{name}_y")
        inner.output(f"{name}_out", y)
        build.graph.functions[name] = inner.graph
    calls = {"then_branch": FunctionName("yes"), "else_branch": FunctionName("no")}
    (y,) = build.emit("StatelessIf", condition, x, name="if", types=[float32("N")], **calls)
    build.output("y", y)
    return build.graph


@pytest.fixture
def loop() -> Graph:
    """n, x (4) -> n, and x rotated n times by one place, the moved part doubled each time."""
    names = NameAllocator()
    build, cond, body = (Builder(Graph(), names) for _ in range(3))
    count = build.placeholder("n", INT)
    x = build.placeholder("x", float32(4))
    index, limit, _ = (cond.placeholder(f"c{at}", type_) for at, type_ in enumerate((INT, INT, float32(4))))
    (less,) = cond.emit("Less", index, limit, name="less")
    cond.output("go_on", less)
    index, limit, state = (body.placeholder(f"b{at}", type_) for at, type_ in enumerate((INT, INT, float32(4))))
    (following,) = body.emit("AddV2", index, body.constant(np.array(1, np.int8), name="one"), name="next")
    head, tail = body.emit("SplitV", state, body.parameter([1, 3]), body.parameter(0), name="parts")
    (doubled,) = body.emit("Mul", tail, body.constant(np.array(2, np.float16), name="two"), name="doubled")
    (turned,) = body.emit("ConcatV2", doubled, head, body.parameter(0), name="turned", N=2)
    for key, value in (("i", following), ("n", limit), ("x", turned)):
        body.output(f"o_{key}", value)
    build.graph.functions = {"cond": cond.graph, "body": body.graph}
    zero = build.constant(np.array(0, np.int32), name="zero")
    calls = {"cond": FunctionName("cond"), "body": FunctionName("body")}
    result = build.emit("StatelessWhile", zero, count, x, name="loop", types=[INT, INT, float32(4)], **calls)
    build.output("turns", result[0])
    build.output("y", result[2])
    return build.graph


STORED = {
    "i8": np.array([[-128, -1, 127], [0, 1, 2]], np.int8),
    "u8": np.array([0, 255], np.uint8),
    "i16": np.array([-32768, 32767], np.int16),
    "u16": np.array([0, 65535], np.uint16),
    "f16": np.array([-0.0, 65504, 1e-7, np.nan], np.float16),
    "f32": np.array([-0.0, np.inf, -np.inf, 1e-45, np.nan], np.float32),
    "i32": np.array([-(2**31), 2**31 - 1], np.int32),
    "bools": np.array([[True], [False]]),
    "strings": np.array(["a", "héé", ""], object),
    "no_strings": np.zeros(0, object),
    "empty": np.zeros((0, 3), np.float32),
    "scalar": np.array(3.5, np.float32),
    "turned": np.arange(6, dtype=np.float32).reshape(2, 3).T,
    "big_endian": np.arange(3, dtype=">i4"),
    "big_endian_16": np.arange(-1, 2, dtype=">i2"),
}


@pytest.fixture
def stored() -> Graph:
    """A constant of every kind that the format can hold, each an output."""
    build = Builder(Graph(), NameAllocator())
    build.output("x", build.placeholder("x", TensorType("int32", None)))
    for name, values in STORED.items():
        build.output(f"out_{name}", build.constant(values, name=name))
    return build.graph


@pytest.fixture(params=["dense", "branch", "loop", "stored"])
def graph(request: pytest.FixtureRequest) -> Graph:
    """Each of them in turn."""
    found: Graph = request.getfixturevalue(request.param)
    return found

"""Reductions of rows whose elements all lie beyond 1e20: masked by the lowest number, or by an infinity."""

import numpy as np

from tests.ops.graph_case import GraphCase

N_ROWS, WIDTH = 24, 45  # more elements than WebGL and WebGPU leave to the CPU
SCORES = np.random.default_rng(7).standard_normal((N_ROWS, WIDTH)).astype(np.float32) * 5
KEPT = np.random.default_rng(8).random((N_ROWS, WIDTH)) < 0.5
KEPT[0] = KEPT[5] = False
KEPT[1] = True
LOWEST = "-3.4028234663852886e38"
HIGHEST = LOWEST[1:]


FEED = {"x": SCORES, "m": KEPT}
WITHOUT_ROWS = {name: array[:0] for name, array in FEED.items()}


def masked(
    name: str, body: str, number: str = LOWEST, out: str = "float[a, b] y", *, may_be_empty: bool = False
) -> GraphCase:
    """A graph of scores x and a mask m; `number` is k."""
    text = f"net (float[N, {WIDTH}] x, bool[N, {WIDTH}] m) => ({out}) <float k = {{{number}}}> {{ {body} }}"
    return GraphCase(f"masked-{name}", text, [FEED, *[WITHOUT_ROWS] * may_be_empty])


def counted(name: str, body: str, mask: str = "int64") -> GraphCase:
    """A graph of scores x and a mask m of numbers; k is the lowest number, one is 1."""
    consts = f"float k = {{{LOWEST}}}, float one = {{1.0}}"
    text = f"net (float[N, {WIDTH}] x, {mask}[N, {WIDTH}] m) => (float[a, b] y) <{consts}> {{ {body} }}"
    feed = {"x": SCORES, "m": KEPT.astype(mask.replace("float", "float32"))}
    return GraphCase(f"masked-{name}", text, [feed])


WHERE = "p = Where (m, x, k) "
INFINITE = "z = Constant <value_float = 0.0> () low = Div (k, z) p = Where (m, x, low) "
ADDED = "zero = Sub (x, x) b = Where (m, zero, k) "
SOFTMAX = "y = Softmax <axis = -1> (p)"
REDUCED = "axes = Constant <value_ints = [1]> () "

MASKED = [
    masked("softmax", WHERE + SOFTMAX),
    masked("softmax-1e30", WHERE + SOFTMAX, "-1e30"),
    masked("log-softmax", WHERE + "y = LogSoftmax <axis = -1> (p)"),
    masked("max", WHERE + REDUCED + "y = ReduceMax (p, axes)", may_be_empty=True),
    masked("min", WHERE + REDUCED + "y = ReduceMin (p, axes)", HIGHEST, may_be_empty=True),
    masked("min-by-negation", WHERE + REDUCED + "n = Neg (p) y = ReduceMin (n, axes)"),
    masked("max-of-all", "p = Where (m, k, k) y = ReduceMax <keepdims = 0> (p)", out="float y"),
    masked("log-sum-exp", WHERE + REDUCED + "y = ReduceLogSumExp (p, axes)"),
    masked(
        "max-pool",
        "s = Constant <value_ints = [1, -1, 5, 9]> () q = Where (m, x, k) p = Reshape (q, s) "
        "y = MaxPool <kernel_shape = [5, 5], strides = [2, 2], pads = [2, 2, 2, 2]> (p)",
        out="float[a, b, c, d] y",
    ),
    masked(
        "max-pool-of-the-lowest",
        "s = Constant <value_ints = [1, -1, 5, 9]> () q = Where (m, k, k) p = Reshape (q, s) "
        "y = MaxPool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (p)",
        out="float[a, b, c, d] y",
    ),
    masked(
        "max-rank-5",
        "s = Constant <value_ints = [2, 3, 4, 1, 45]> () e = Constant <value_ints = [4]> () "
        + WHERE + "q = Reshape (p, s) y = ReduceMax (q, e)",
        out="float[a, b, c, d, e] y",
    ),
    masked("added", ADDED + "p = Add (x, b) " + SOFTMAX),
    masked("added-twice", ADDED + "q = Add (b, b) p = Add (x, q) " + SOFTMAX),
    masked("added-and-returned", ADDED + "p = Add (x, b) " + SOFTMAX, out="float[a, b] y, float[c, d] b"),
    masked("added-and-reduced", ADDED + REDUCED + "p = Add (x, b) q = ReduceMax (b, axes) r = Add (p, q) "
           "y = Softmax <axis = -1> (r)"),
    masked("halved", "h = Constant <value_float = 0.5> () q = Where (m, x, k) p = Mul (q, h) " + SOFTMAX),
    masked("unlike-numbers", "h = Constant <value_float = -2e35> () q = Where (m, x, k) e = Cos (x) "
           "z = Constant <value_float = 0.5> () c = Greater (e, z) p = Where (c, q, h) " + SOFTMAX),
    masked("infinite-max", INFINITE + REDUCED + "y = ReduceMax (p, axes)"),
    masked("infinite-softmax", INFINITE + SOFTMAX),
    masked("before-a-guard", INFINITE + "s = Softmax <axis = -1> (p) g = IsNaN (s) y = Where (g, z, s)"),
    masked("first-axis", "t = Transpose (m) u = Transpose (x) p = Where (t, u, k) y = Softmax <axis = 0> (p)"),
    masked("clipped", WHERE + "z = Constant <value_float = -1e4> () q = Clip (p, z) y = Softmax <axis = -1> (q)"),
    masked("in-a-loop", "n = Constant <value_int = 2> () go = Constant <value = bool {1}> () "
           "y = Loop (n, go, x) <body = step (int64 at, bool on, float[N, 45] s) => (bool more, float[N, 45] t) { "
           "more = Identity (on) p = Where (m, s, k) t = Softmax <axis = -1> (p) }>"),
    counted("by-a-product", "f = Cast <to = 1> (m) i = Sub (one, f) b = Mul (i, k) p = Add (x, b) " + SOFTMAX),
    counted("by-a-product-of-floats", "i = Sub (one, m) b = Mul (i, k) p = Add (x, b) " + SOFTMAX, "float"),
    counted("by-a-product-of-bools", "c = Cast <to = 9> (m) f = Cast <to = 1> (c) i = Sub (one, f) b = Mul (i, k) "
            "p = Add (x, b) " + SOFTMAX),
]  # fmt: skip

CASES = MASKED

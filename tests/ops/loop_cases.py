"""Loop, decided before the graph runs and while it does."""

import numpy as np

from tests.ops.graph_case import CONTROL_VERSIONS, IF, OLDEST_OPSET, WHILE, GraphCase, floats, ramp

YES, NO = np.array(True), np.array(False)


def n(value: int) -> np.ndarray:
    return np.array(value)


CASES = [
    *(
        GraphCase(
            f"loop-{since}",
            """net (int64 m, float[3] x) => (float[3] y, float[r, 3] rows) {
              y, rows = Loop (m, , x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2, float[3] o) {
                 k = Cast <to = 1> (i) s2 = Add (s, k) o = Mul (s2, x) g2 = Identity (g) }>
            }""",
            [{"m": n(m), "x": floats(0.5, 1, 2)} for m in (4, 0, 1)],
            WHILE | IF,
            opset=max(since, OLDEST_OPSET),
        )
        for since in CONTROL_VERSIONS
    ),
    GraphCase(
        "loop-unrolled",
        """net (float[3] x) => (float[3] y, float[r, 3] rows) {
          m = Constant <value_int = 4> ()
          y, rows = Loop (m, , x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2, float[3] o) {
             k = Cast <to = 1> (i) s2 = Add (s, k) o = Mul (s2, x) g2 = Identity (g) }>
        }""",
        [{"x": floats(0.5, 1, 2)}],
    ),
    GraphCase(
        "loop-unrolled-until-it-says-no",
        """net (float[3] x) => (float[3] y, float[r, 3] rows) {
          one = Constant <value_int = 1> ()
          c = Constant <value = bool {1}> ()
          y, n = Loop ( , c, x, one)
            <body = b (int64 i, bool g, float[3] s, int64 n1) => (bool g2, float[3] s2, int64 n2) {
             s2 = Add (s, x) two = Constant <value_int = 2> () n2 = Mul (n1, two)
             end = Constant <value_int = 20> () g2 = Less (n2, end) }>
          shape = Constant <value_ints = [-1, 3]> ()
          rows = Reshape (y, shape)
        }""",
        [{"x": floats(0.5, 1, 2)}],
    ),
    GraphCase(
        "loop-of-no-turn",
        """net (float[3] x) => (float[3] y, float[r, 3] rows) {
          m = Constant <value_int = 0> ()
          y, rows = Loop (m, , x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2, float[3] o) {
             s2 = Add (s, x) o = Mul (s2, x) g2 = Identity (g) }>
        }""",
        [{"x": floats(0.5, 1, 2)}],
    ),
    GraphCase(
        "loop-too-long-to-unroll",
        """net (float[3] x) => (float[3] y, float[r] rows) {
          m = Constant <value_int = 700> ()
          y, rows = Loop (m, , x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2, float o) {
             f = Constant <value_float = 0.99> () t = Mul (s, f) u = Add (t, x) s2 = Tanh (u)
             o = ReduceSum <keepdims = 0> (s2) g2 = Identity (g) }>
        }""",
        [{"x": floats(0.5, -1, 2)}],
        WHILE,
    ),
    GraphCase(
        "loop-while",
        """net (bool c, float[3] x) => (float[3] y) {
          y = Loop ( , c, x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2) {
             s2 = Add (s, x) t = ReduceSum <keepdims = 0> (s2) end = Constant <value_float = 20.0> ()
             g2 = Less (t, end) }>
        }""",
        [{"c": YES, "x": floats(0.5, 1, 2)}, {"c": NO, "x": floats(0.5, 1, 2)}],
        WHILE,
    ),
    GraphCase(
        "loop-with-both",
        """net (int64[1] m, bool c, float[3] x) => (float[3] y, float[r, 3] rows, int64[r] turns) {
          y, rows, turns = Loop (m, c, x)
            <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2, float[3] o, int64 i2) {
             s2 = Add (s, x) t = ReduceSum <keepdims = 0> (s2) end = Constant <value_float = 20.0> ()
             g2 = Less (t, end) o = Neg (s2) i2 = Identity (i) }>
        }""",
        [
            {"m": np.array([m]), "c": np.array(c), "x": floats(0.5, 1, 2)}
            for m, c in ((9, True), (2, True), (0, True), (3, False))
        ],
        WHILE | IF,
    ),
    GraphCase(
        "loop-whose-state-grows",
        """net (int64 m, float[1, 2] x) => (float[r, 2] y) {
          y = Loop (m, , x) <body = b (int64 i, bool g, float[r0, 2] s) => (bool g2, float[r1, 2] s2) {
             s2 = Concat <axis = 0> (s, x) g2 = Identity (g) }>
        }""",
        [{"m": n(3), "x": ramp(1, 2)}, {"m": n(0), "x": ramp(1, 2)}],
        WHILE,
    ),
    GraphCase(
        "loop-unrolled-whose-state-grows",
        """net (float[1, 2] x) => (float[r, 2] y, int64[2] shape) {
          m = Constant <value_int = 3> ()
          y = Loop (m, , x) <body = b (int64 i, bool g, float[r0, 2] s) => (bool g2, float[r1, 2] s2) {
             s2 = Concat <axis = 0> (s, x) g2 = Identity (g) }>
          shape = Shape (y)
        }""",
        [{"x": ramp(1, 2)}],
    ),
    GraphCase(
        "loop-of-bools-and-integers",
        """net (int64 m, float[3] x) => (bool[3] b, int32[3] k, bool[r, 3] bs, int32[r, 3] ks) {
          zero = Constant <value_float = 0.0> ()
          b0 = Less (x, zero)
          k0 = Cast <to = 6> (x)
          b, k, bs, ks = Loop (m, , b0, k0)
            <body = body (int64 i, bool g, bool[3] b1, int32[3] k1)
                    => (bool g2, bool[3] b2, int32[3] k2, bool[3] b3, int32[3] k3) {
             b2 = Not (b1) j = Cast <to = 6> (i) k2 = Add (k1, j) b3 = Identity (b1) k3 = Mul (k1, k2)
             g2 = Identity (g) }>
        }""",
        [{"m": n(3), "x": floats(-1.5, 0.5, 2.5)}, {"m": n(0), "x": floats(-1.5, 0.5, 2.5)}],
        WHILE | IF,
    ),
    GraphCase(
        "loop-that-slices",
        """net (int64 m, float[6, 2] x) => (float[2] y, float[r, 1, 2] rows) {
          z = Constant <value_floats = [0.0, 0.0]> ()
          y, rows = Loop (m, , z) <body = b (int64 i, bool g, float[2] s) => (bool g2, float[2] s2, float[1, 2] o) {
             one = Constant <value_ints = [1]> () zero = Constant <value_ints = [0]> ()
             first = Unsqueeze (i, zero) last = Add (first, one)
             o = Slice (x, first, last, zero) row = Gather (x, i) k = Cast <to = 1> (i)
             weighted = Mul (row, k) s2 = Add (s, weighted) g2 = Identity (g) }>
        }""",
        [{"m": n(6), "x": ramp(6, 2)}],
        WHILE | IF,
    ),
    GraphCase(
        "loop-in-loop",
        """net (int64 m, int64 k, float[2] x) => (float[2] y, float[a, b, 2] rows) {
          y, rows = Loop (m, , x) <body = outer (int64 i, bool g, float[2] s) => (bool g2, float[2] s2, float[b, 2] o) {
             fi = Cast <to = 1> (i)
             s2, o = Loop (k, , s) <body = inner (int64 j, bool h, float[2] t) => (bool h2, float[2] t2, float[2] p) {
                fj = Cast <to = 1> (j) u = Add (t, fj) t2 = Add (u, fi) p = Mul (t2, x) h2 = Identity (h) }>
             g2 = Identity (g) }>
        }""",
        [{"m": n(3), "k": n(2), "x": floats(0.5, -1)}],
        WHILE | IF,
    ),
    GraphCase(
        "loop-unrolled-around-a-loop",
        """net (int64 k, float[2] x) => (float[2] y) {
          m = Constant <value_int = 2> ()
          y = Loop (m, , x) <body = outer (int64 i, bool g, float[2] s) => (bool g2, float[2] s2) {
             fi = Cast <to = 1> (i)
             s2 = Loop (k, , s) <body = inner (int64 j, bool h, float[2] t) => (bool h2, float[2] t2) {
                u = Add (t, x) t2 = Add (u, fi) h2 = Identity (h) }>
             g2 = Identity (g) }>
        }""",
        [{"k": n(3), "x": floats(0.5, -1)}],
        WHILE,
    ),
    GraphCase(
        "if-in-loop",
        """net (int64 m, float[2] x) => (float[2] y) {
          y = Loop (m, , x) <body = b (int64 i, bool g, float[2] s) => (bool g2, float[2] s2) {
             two = Constant <value_int = 2> () zero = Constant <value_int = 0> ()
             r = Mod (i, two) odd = Greater (r, zero)
             s2 = If (odd) <then_branch = yes () => (float[2] a) { a = Add (s, x) },
                            else_branch = no () => (float[2] c) { c = Mul (s, x) }>
             g2 = Identity (g) }>
        }""",
        [{"m": n(5), "x": floats(0.5, -1)}],
        WHILE | IF,
    ),
    GraphCase(
        "if-in-unrolled-loop",
        """net (float[2] x) => (float[2] y) {
          m = Constant <value_int = 5> ()
          y = Loop (m, , x) <body = b (int64 i, bool g, float[2] s) => (bool g2, float[2] s2) {
             two = Constant <value_int = 2> () zero = Constant <value_int = 0> ()
             r = Mod (i, two) odd = Greater (r, zero)
             s2 = If (odd) <then_branch = yes () => (float[2] a) { a = Add (s, x) },
                            else_branch = no () => (float[2] c) { c = Mul (s, x) }>
             g2 = Identity (g) }>
        }""",
        [{"x": floats(0.5, -1)}],
    ),
    GraphCase(
        "loop-in-if",
        """net (bool c, int64 m, float[2] x) => (float[2] y) {
          y = If (c) <then_branch = yes () => (float[2] a) {
                a = Loop (m, , x) <body = b (int64 i, bool g, float[2] s) => (bool g2, float[2] s2) {
                   s2 = Add (s, x) g2 = Identity (g) }> },
              else_branch = no () => (float[2] c2) { c2 = Neg (x) }>
        }""",
        [{"c": YES, "m": n(3), "x": floats(0.5, -1)}, {"c": NO, "m": n(3), "x": floats(0.5, -1)}],
        WHILE | IF,
    ),
    GraphCase(
        "loop-over-a-batch",
        """net (int64 m, float[n, 3] x) => (float[n, 3] y, float[r, n] rows) {
          y, rows = Loop (m, , x) <body = b (int64 i, bool g, float[n, 3] s) => (bool g2, float[n, 3] s2, float[n] o) {
             t = Softmax <axis = 1> (s) shape = Shape (s) u = Reshape (t, shape) s2 = Add (u, x)
             axes = Constant <value_ints = [1]> () o = ReduceSum <keepdims = 0> (s2, axes) g2 = Identity (g) }>
        }""",
        [{"m": n(2), "x": ramp(4, 3)}, {"m": n(0), "x": ramp(4, 3)}],
        WHILE | IF,
    ),
    GraphCase(
        "loop-with-large-trip-count",
        """net (bool c, float[3] x) => (float[3] y) {
          m = Constant <value_int = 9223372036854775807> ()
          y = Loop (m, c, x) <body = b (int64 i, bool g, float[3] s) => (bool g2, float[3] s2) {
             s2 = Add (s, x) t = ReduceSum <keepdims = 0> (s2) end = Constant <value_float = 20.0> ()
             g2 = Less (t, end) }>
        }""",
        [{"c": YES, "x": floats(0.5, 1, 2)}],
        WHILE,
    ),
    GraphCase(
        "loop-after-loop",
        """net (int64 m, float[2] x) => (float[2] y, float[r, 2] rows, float[r, 2] more) {
          a, rows = Loop (m, , x) <body = b (int64 i, bool g, float[2] s) => (bool g2, float[2] s2, float[2] s3) {
             s2 = Add (s, x) s3 = Identity (s) g2 = Identity (g) }>
          y, more = Loop (m, , a) <body = d (int64 j, bool h, float[2] t) => (bool h2, float[2] t2, float[2] p) {
             t2 = Mul (t, x) p = Gather (rows, j) h2 = Identity (h) }>
        }""",
        [{"m": n(3), "x": floats(0.5, -1)}, {"m": n(0), "x": floats(0.5, -1)}],
        WHILE | IF,
    ),
]

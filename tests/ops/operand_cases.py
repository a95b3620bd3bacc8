"""Graphs whose kernels could write into what they read: constants, inputs, values with another reader."""

import numpy as np

from tests.ops.graph_case import IF, WHILE, GraphCase, floats

ROW = [{"x": floats(1, 2, 3, 4, shape=(1, 4))}, {"x": floats(5, 6, 7, 8, shape=(1, 4))}]
YES, NO = np.array(True), np.array(False)


def moved(*columns: int) -> np.ndarray:
    return np.asarray([columns], dtype=np.int64)


SHARED = [
    GraphCase(
        "scatter-beside-another-reader",
        """net (float[1, 4] x) => (float[1, 4] y)
        <float two = {2}, int64[1, 2] i = {1, 3}, float[1, 2] u = {100, 200}> {
          g = Mul (x, two)
          s = ScatterElements <axis = 1> (g, i, u)
          y = Add (g, s)
        }""",
        ROW,
    ),
    GraphCase(
        "scatter-into-an-input",
        """net (float[1, 4] x) => (float[1, 4] y)
        <int64[1, 2] i = {1, 3}, float[1, 2] u = {100, 200}> { y = ScatterElements <axis = 1> (x, i, u) }""",
        ROW,
    ),
    GraphCase(
        "scatter-into-a-reshaped-input",
        """net (float[1, 4] x) => (float[2, 2] y, float[4] z)
        <int64[2] s = {2, 2}, int64[1] f = {4}, int64[1, 2] i = {1, 0}, float[1] u = {100}> {
          a = Identity (x)
          r = Reshape (a, s)
          y = ScatterND (r, i, u)
          z = Reshape (x, f)
        }""",
        ROW,
    ),
    GraphCase(
        "scatter-into-a-constant",
        """net (float[1, 4] x, int64[1, 1] i) => (float[1, 4] y)
        <float[1, 4] c = {10, 20, 30, 40}, int64[2] begin = {0, 0}, int64[2] end = {1, 1}> {
          u = Slice (x, begin, end)
          s = ScatterElements <axis = 1> (c, i, u)
          y = Add (s, c)
        }""",
        [one | {"i": moved(at)} for one in ROW for at in (0, 3, 1)],
    ),
    GraphCase(
        "scatter-into-a-slice-of-an-input",
        """net (float[1, 4] x) => (float[1, 2] y, float[1, 4] z)
        <int64[2] begin = {0, 0}, int64[2] end = {1, 2}, int64[1, 1] i = {1}, float[1, 1] u = {100}> {
          h = Slice (x, begin, end)
          y = ScatterElements <axis = 1> (h, i, u)
          z = Neg (x)
        }""",
        ROW,
    ),
    GraphCase(
        "scatter-halves-into-whole-numbers",
        """net (int64[1, 4] x) => (float[1, 4] y, int64[1, 4] z)
        <int64[1, 2] i = {1, 3}, float[1, 2] u = {0.5, 2.5}> {
          f = Cast <to = 1> (x)
          y = ScatterElements <axis = 1> (f, i, u)
          z = Neg (x)
        }""",
        [{"x": moved(1, 2, 3, 4)}],
    ),
    GraphCase(
        "scatter-after-scatter",
        """net (float[1, 4] x) => (float[1, 4] y, float[1, 4] z)
        <int64[1, 1] i = {1}, int64[1, 1] j = {2}, float[1, 1] u = {100}, float[1, 1] v = {200}> {
          e = Exp (x)
          s = ScatterElements <axis = 1> (e, i, u)
          t = ScatterElements <axis = 1> (s, j, v)
          y = ScatterElements <axis = 1> (t, i, v)
          z = Add (s, t)
        }""",
        ROW,
    ),
    GraphCase(
        "scatter-in-a-branch",
        """net (bool p, float[1, 4] x) => (float[1, 4] y, float[1, 4] z)
        <int64[1, 1] i = {1}, float[1, 1] u = {100}> {
          y = If (p) <
            then_branch = yes () => (float[1, 4] a) { a = ScatterElements <axis = 1> (x, i, u) },
            else_branch = no () => (float[1, 4] b) { b = Neg (x) }
          >
          z = Neg (x)
        }""",
        [one | {"p": p} for one in ROW for p in (YES, NO)],
        IF,
    ),
    GraphCase(
        "scatter-in-a-loop",
        """net (int64 n, float[1, 4] x) => (float[1, 4] y, float[1, 4] z)
        <int64[1, 1] i = {1}, bool go = {1}> {
          y = Loop (n, go, x) <body = step (int64 at, bool on, float[1, 4] s) => (bool more, float[1, 4] t) {
            more = Identity (on)
            starts = Constant <value_ints = [0, 2]> ()
            ends = Constant <value_ints = [1, 3]> ()
            u = Slice (s, starts, ends)
            k = ScatterElements <axis = 1> (s, i, u)
            t = Add (k, s)
          }>
          z = Neg (x)
        }""",
        [one | {"n": np.array(n, np.int64)} for one in ROW for n in (3, 1)],
        WHILE,
    ),
]

CASES = SHARED

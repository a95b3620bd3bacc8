"""Sequences and optionals, which dissolve before the graph runs."""

import numpy as np

from tests.ops.graph_case import IF, WHILE, GraphCase, floats, ramp

YES, NO = np.array(True), np.array(False)
ONE = [{"x": ramp(2, 3)}]
TWO = [{"x": ramp(2, 3), "z": ramp(4, 3)}]

SEQUENCES = [
    GraphCase(
        "sequence-of-operands",
        """net (float[2, 3] x, float[4, 3] z) => (float[a, 3] y, int64 n) {
          s = SequenceConstruct (x, z)
          n = SequenceLength (s)
          y = ConcatFromSequence <axis = 0> (s)
        }""",
        TWO,
        opset=11,
    ),
    GraphCase(
        "sequence-built-up",
        """net (float[2, 3] x, float[4, 3] z) => (float[a, 3] y, float[b, 3] last, float[c, 3] first) {
          s0 = SequenceEmpty ()
          s1 = SequenceInsert (s0, x)
          s2 = SequenceInsert (s1, z)
          zero = Constant <value_int = 0> ()
          minus = Constant <value_int = -1> ()
          e = Exp (x)
          s3 = SequenceInsert (s2, e, minus)
          last = SequenceAt (s3, minus)
          s4 = SequenceErase (s3, zero)
          first = SequenceAt (s4, zero)
          s5 = SequenceErase (s4)
          s6 = SequenceInsert (s5, z, zero)
          y = ConcatFromSequence <axis = 0> (s6)
        }""",
        TWO,
    ),
    *(
        GraphCase(
            f"sequence-joined-{axis}",
            f"""net (float[2, 3] x) => (float[a, b, c] y) {{
              e = Exp (x)
              s = SequenceConstruct (x, e)
              y = ConcatFromSequence <axis = {axis}, new_axis = 1> (s)
            }}""",
            ONE,
            opset=opset,
        )
        for axis, opset in ((0, 11), (1, 13), (-1, 18))
    ),
    *(
        GraphCase(
            f"split-to-sequence-{opset}-{name}",
            f"""net (float[4, 3] x) => (float[a, b] y, float[c, d] z) {{
              {sizes}
              s = SplitToSequence <axis = {axis}> ({operands})
              one = Constant <value = int64 {{1}}> ()
              zero = Constant <value = int64 {{0}}> ()
              y = SequenceAt (s, zero)
              z = SequenceAt (s, one)
            }}""",
            [{"x": ramp(4, 3)}],
            opset=opset,
        )
        for opset in (11, 18, 24)
        for name, operands, sizes, axis in (
            ("ones", "x", "", 1),
            ("size", "x, k", "k = Constant <value = int64 {3}> ()", 0),
            ("sizes", "x, k", "k = Constant <value = int64[2] {1, 2}> ()", -1),
        )
    ),
    GraphCase(
        "split-to-sequence-without-the-axis",
        """net (float[4, 3] x) => (float[3] y) {
          s = SplitToSequence <axis = 0, keepdims = 0> (x)
          one = Constant <value_int = 1> ()
          y = SequenceAt (s, one)
        }""",
        [{"x": ramp(4, 3)}],
    ),
    GraphCase(
        "sequence-at-a-place-found-later",
        """net (float[4, 3] x, int64 k) => (float[1, 3] y) {
          s = SplitToSequence <axis = 0> (x)
          y = SequenceAt (s, k)
        }""",
        [{"x": ramp(4, 3), "k": np.array(k)} for k in (0, 2, -1)],
    ),
    GraphCase(
        "sequence-mapped",
        """net (float[2, 3] x, float[2, 3] z) => (float[a, b] y, float[c, d] w) {
          s = SequenceConstruct (x, z)
          m, e = SequenceMap (s, x) <body = b (float[2, 3] p, float[2, 3] q) => (float[2, 3] r, float[2, 3] t) {
             r = Mul (p, q) t = Exp (p) }>
          y = ConcatFromSequence <axis = 0> (m)
          w = ConcatFromSequence <axis = 1> (e)
        }""",
        [{"x": ramp(2, 3), "z": ramp(2, 3)}],
    ),
    GraphCase(
        "sequence-in-a-loop",
        """net (float[2, 3] x) => (float[a, 3] y) {
          m = Constant <value_int = 3> ()
          s0 = SequenceEmpty ()
          s = Loop (m, , s0) <body = b (int64 i, bool g, seq(float[p, 3]) t) => (bool g2, seq(float[p, 3]) t2) {
             k = Cast <to = 1> (i) v = Mul (x, k) t2 = SequenceInsert (t, v) g2 = Identity (g) }>
          y = ConcatFromSequence <axis = 0> (s)
        }""",
        ONE,
    ),
    GraphCase(
        "sequence-read-by-a-loop",
        """net (float[4, 3] x, int64 m) => (float[1, 3] y) {
          s = SplitToSequence <axis = 0> (x)
          z = Constant <value = float[1, 3] {0.0, 0.0, 0.0}> ()
          y = Loop (m, , z) <body = b (int64 i, bool g, float[1, 3] t) => (bool g2, float[1, 3] t2) {
             v = SequenceAt (s, i) t2 = Add (t, v) g2 = Identity (g) }>
        }""",
        [{"x": ramp(4, 3), "m": np.array(m)} for m in (3, 0)],
        WHILE,
    ),
    GraphCase(
        "sequence-out-of-branches",
        """net (bool c, float[2, 3] x, float[4, 3] z) => (float[a, 3] y, seq(float[p, 3]) out) {
          s = If (c) <then_branch = yes () => (seq(float[p, 3]) t) { e = Exp (x) t = SequenceConstruct (e, z) },
                      else_branch = no () => (seq(float[p, 3]) u) { u = SequenceConstruct (z, x) }>
          y = ConcatFromSequence <axis = 0> (s)
          out = Identity (s)
        }""",
        [{"c": c, "x": ramp(2, 3), "z": ramp(4, 3)} for c in (YES, NO)],
        IF,
        reference="evaluator",
    ),
    GraphCase(
        "sequence-as-output",
        """net (float[4, 3] x) => (seq(float[1, 3]) rows, float[4, 3] y) {
          rows = SplitToSequence <axis = 0> (x)
          y = Neg (x)
        }""",
        [{"x": ramp(4, 3)}],
        reference="evaluator",
    ),
]

OPTIONALS = [
    *(
        GraphCase(
            f"optional-{opset}",
            """net (float[2, 3] x) => (float[2, 3] y, bool has, bool hasnt) {
              o = Optional (x)
              none = Optional <type = float[2, 3]> ()
              has = OptionalHasElement (o)
              hasnt = OptionalHasElement (none)
              y0 = If (has) <then_branch = yes () => (float[2, 3] a) { a = OptionalGetElement (o) },
                             else_branch = no () => (float[2, 3] b) { b = OptionalGetElement (none) }>
              y = Exp (y0)
            }""",
            ONE,
            opset=opset,
        )
        for opset in (15, 18)
    ),
    GraphCase(
        "optional-of-a-sequence",
        """net (float[2, 3] x) => (float[4, 3] y) {
          s = SequenceConstruct (x, x)
          o = Optional (s)
          t = OptionalGetElement (o)
          y = ConcatFromSequence <axis = 0> (t)
        }""",
        ONE,
    ),
    GraphCase(
        "optional-28",
        """net (float[3] x) => (bool has, bool hasnt, bool nor_has, float[3] y) {
          o = Optional (x)
          has = OptionalHasElement (o)
          hasnt = OptionalHasElement ()
          nor_has = OptionalHasElement (x)
          z = OptionalGetElement (x)
          y = Neg (z)
        }""",
        [{"x": floats(1, 2, 3)}],
        opset=28,
        reference="evaluator",
    ),
]

CASES = [*SEQUENCES, *OPTIONALS]

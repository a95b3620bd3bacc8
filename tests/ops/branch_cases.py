"""If, and functions of the model, decided before the graph runs and while it does."""

import numpy as np

from tests.ops.graph_case import CONTROL_VERSIONS, IF, OLDEST_OPSET, GraphCase, floats, ramp

YES, NO = np.array(True), np.array(False)
BOTH = [{"c": YES, "x": ramp(2, 3)}, {"c": NO, "x": ramp(2, 3)}]

BRANCHES = [
    *(
        GraphCase(
            f"if-{since}",
            """net (bool c, float[2, 3] x) => (float[2, 3] y) {
              y = If (c) <then_branch = yes () => (float[2, 3] a) { a = Mul (x, x) },
                          else_branch = no () => (float[2, 3] b) { b = Neg (x) }>
            }""",
            BOTH,
            IF,
            opset=max(since, OLDEST_OPSET),
        )
        for since in CONTROL_VERSIONS
    ),
    GraphCase(
        "if-known",
        """net (float[2, 3] x) => (float[2, 3] y, float[2, 3] z) {
          s = Size (x)
          six = Constant <value_int = 6> ()
          c = Equal (s, six)
          y, z = If (c) <then_branch = yes () => (float[2, 3] a, float[2, 3] x2) { a = Mul (x, x) x2 = Identity (x) },
                         else_branch = no () => (float[2, 3] b, float[2, 3] d) { b = Neg (x) d = Relu (b) }>
        }""",
        [{"x": ramp(2, 3)}],
    ),
    GraphCase(
        "if-condition-of-one-element",
        """net (bool[1] c, float[n, 3] x) => (float[n, 3] y) {
          y = If (c) <then_branch = yes () => (float[n, 3] a) { a = Exp (x) },
                      else_branch = no () => (float[n, 3] b) { b = Neg (x) }>
        }""",
        [{"c": np.array([True]), "x": ramp(2, 3)}, {"c": np.array([False]), "x": ramp(4, 3)}],
        IF,
    ),
    GraphCase(
        "if-of-different-shapes",
        """net (bool c, float[2, 3] x) => (float[a, b] y) {
          y = If (c) <then_branch = yes () => (float[2, 3] p) { p = Exp (x) },
                      else_branch = no () => (float[3, 2] q) { q = Transpose <perm = [1, 0]> (x) }>
        }""",
        BOTH,
        IF,
    ),
    GraphCase(
        "if-that-hands-on",
        """net (bool c, float[2, 3] x) => (float[2, 3] y, float[2, 3] z, int64[2] k, bool[2, 3] w) {
          e = Exp (x)
          y, z, k, w = If (c)
            <then_branch = yes () => (float[2, 3] a, float[2, 3] a2, int64[2] one, bool[2, 3] g) {
               a = Identity (e) a2 = Identity (e) one = Constant <value_ints = [1, 2]> () g = Greater (e, x) },
             else_branch = no () => (float[2, 3] b, float[2, 3] x2, int64[2] two, bool[2, 3] l) {
               b = Neg (x) x2 = Identity (x) two = Constant <value_ints = [3, 4]> () l = Less (e, x) }>
        }""",
        BOTH,
        IF,
    ),
    GraphCase(
        "if-in-if",
        """net (bool c, bool d, float[2, 3] x) => (float[2, 3] y) {
          e = Exp (x)
          y = If (c) <then_branch = yes () => (float[2, 3] a) {
                        i = Neg (e)
                        a = If (d) <then_branch = yy () => (float[2, 3] p) { p = Add (i, x) },
                                    else_branch = yn () => (float[2, 3] q) { q = Mul (i, e) }> },
                      else_branch = no () => (float[2, 3] b) { b = Neg (x) }>
        }""",
        [{"c": c, "d": d, "x": ramp(2, 3)} for c in (YES, NO) for d in (YES, NO)],
        IF,
    ),
    GraphCase(
        "if-with-weights",
        """net (bool c, float[2, 70] x) => (float[2, 70] y) {
          shape = Constant <value_ints = [70, 70]> ()
          w = ConstantOfShape <value = float[1] {0.01}> (shape)
          y = If (c) <then_branch = yes () => (float[2, 70] a) { a = MatMul (x, w) },
                      else_branch = no () => (float[2, 70] b) { m = MatMul (x, w) b = Neg (m) }>
        }""",
        [{"c": YES, "x": ramp(2, 70)}, {"c": NO, "x": ramp(2, 70)}],
        IF,
    ),
    GraphCase(
        "if-on-the-data",
        """net (float[n] x) => (float[n] y) {
          m = ReduceSum <keepdims = 0> (x)
          zero = Constant <value_float = 0.0> ()
          c = Greater (m, zero)
          y = If (c) <then_branch = yes () => (float[n] a) { a = Sqrt (x) },
                      else_branch = no () => (float[n] b) { b = Abs (x) }>
        }""",
        [{"x": floats(1, 4, 9)}, {"x": floats(-1, -2)}],
        IF,
    ),
    GraphCase(
        "if-with-a-convolution",
        """net (bool c, float[1, 2, 5, 5] x, float[3, 2, 3, 3] w) => (float[1, 3, 5, 5] y) {
          y = If (c) <then_branch = yes () => (float[1, 3, 5, 5] a) {
                        s = Conv <pads = [1, 1, 1, 1]> (x, w) a = Relu (s) },
                      else_branch = no () => (float[1, 3, 5, 5] b) {
                        t = Conv <pads = [1, 1, 1, 1]> (x, w) b = Neg (t) }>
        }""",
        [{"c": c, "x": ramp(1, 2, 5, 5), "w": ramp(3, 2, 3, 3)} for c in (YES, NO)],
        IF,
    ),
]

FUNCTIONS = [
    GraphCase(
        "function-in-branch",
        """net (bool c, float[2, 3] x) => (float[2, 3] y) {
          y = If (c) <then_branch = yes () => (float[2, 3] a) { a = own.twice <by = 3.0> (x) },
                      else_branch = no () => (float[2, 3] b) { t = own.twice (x) b = own.twice (t) }>
        }
        <domain: "own", opset_import: ["" : 18, "own" : 1]>
        twice <by: float = 2.0> (x) => (y) {
          k = Constant <value_float: float = @by> () t = own.add (x, k) y = Mul (t, k)
        }
        <domain: "own", opset_import: ["" : 18]>
        add (p, q) => (r) { r = Add (p, q) }
        """,
        BOTH,
        IF,
        imports=', "own" : 1',
    ),
    GraphCase(
        "function-of-another-opset",
        """net (float[2, 3] x) => (float[2, 3] y) { y = own.f (x) }
        <domain: "own", opset_import: ["" : 16]>
        f (x) => (y) { s = Softmax <axis = 0> (x) y = Mul (s, x) }
        """,
        [{"x": ramp(2, 3)}],
        imports=', "own" : 1',
        reference="evaluator",
    ),
]

CASES = [*BRANCHES, *FUNCTIONS]

"""Scan, decided before the graph runs and while it does."""

from tests.ops.graph_case import IF, WHILE, GraphCase, floats, ramp

SCAN_VERSIONS = (9, 11, 16, 19, 21, 23, 24, 25)

CASES = [
    *(
        GraphCase(
            f"scan-{since}",
            """net (float[2] h, float[4, 2] x) => (float[2] y, float[4, 2] z) {
              y, z = Scan <num_scan_inputs = 1, body = b (float[2] s, float[2] v) => (float[2] s2, float[2] o) {
                 s2 = Add (s, v) o = Mul (s2, s2) }> (h, x)
            }""",
            [{"h": floats(1, -1), "x": ramp(4, 2)}],
            opset=since,
        )
        for since in SCAN_VERSIONS
    ),
    GraphCase(
        "scan-8",
        """net (float[3, 2] h, float[3, 4, 2] x) => (float[3, 2] y, float[3, 4, 2] z) {
          y, z = Scan <num_scan_inputs = 1, body = b (float[2] s, float[2] v) => (float[2] s2, float[2] o) {
             s2 = Add (s, v) o = Mul (s2, s2) }> ( , h, x)
        }""",
        [{"h": ramp(3, 2), "x": ramp(3, 4, 2)}],
        opset=8,
    ),
    GraphCase(
        "scan-of-unknown-length",
        """net (float[2] h, float[t, 2] x) => (float[2] y, float[t, 2] z) {
          y, z = Scan <num_scan_inputs = 1, body = b (float[2] s, float[2] v) => (float[2] s2, float[2] o) {
             s2 = Add (s, v) o = Mul (s2, s2) }> (h, x)
        }""",
        [{"h": floats(1, -1), "x": ramp(4, 2)}, {"h": floats(1, -1), "x": ramp(1, 2)}],
        WHILE | IF,
    ),
    *(
        GraphCase(
            f"scan-{name}",
            f"""net (float[2] h, float[{size}, 2] x, float[2, {size}] w)
                    => (float[2] y, float[a, b] z, float[c, d] r) {{
              y, z, r = Scan <num_scan_inputs = 2, scan_input_axes = [0, -1], scan_input_directions = [1, 0],
                              scan_output_axes = [1, -1], scan_output_directions = [0, 1],
                body = body (float[2] s, float[2] v, float[2] u) => (float[2] s2, float[2] o, float[2] p) {{
                   s1 = Add (s, v) s2 = Mul (s1, u) o = Neg (s2) p = Exp (v) }}> (h, x, w)
            }}""",
            [{"h": floats(1, -1), "x": ramp(4, 2), "w": ramp(2, 4)}],
            left,
        )
        for name, size, left in (("both-ways", 4, frozenset()), ("both-ways-of-unknown-length", "t", WHILE | IF))
    ),
    GraphCase(
        "scan-without-state",
        """net (float[4, 2] x) => (float[4] z) {
          z = Scan <num_scan_inputs = 1, body = b (float[2] v) => (float o) { o = ReduceSum <keepdims = 0> (v) }> (x)
        }""",
        [{"x": ramp(4, 2)}],
    ),
    GraphCase(
        "scan-of-a-batch",
        """net (float[n, 2] h, float[n, 4, 2] x) => (float[n, 2] y, float[a, b, 2] z) {
          y, z = Scan <num_scan_inputs = 1, scan_input_axes = [1], scan_output_axes = [1],
            body = b (float[n, 2] s, float[n, 2] v) => (float[n, 2] s2, float[n, 2] o) {
               t = Add (s, v) s2 = Tanh (t) o = Identity (s2) }> (h, x)
        }""",
        [{"h": ramp(3, 2), "x": ramp(3, 4, 2)}],
    ),
]

"""Graphs whose arguments are computed from shapes of which only some dimensions are known."""

import numpy as np

from tests.ops.graph_case import IF, GraphCase, floats, ramp


def batches(*shape: int) -> list[dict[str, np.ndarray]]:
    """One input for each batch size."""
    return [{"x": ramp(size, *shape)} for size in (1, 3, 2)]


def assignment(opset: int) -> GraphCase:
    """y[x > 0.5] = -2, as PyTorch exports it."""
    axes = ", axes" if opset >= 13 else ""
    return GraphCase(
        f"mask-assignment-{opset}",
        f"""net (float[batch, 3, 4] x) => (float[batch, 3, 4] y) {{
            half = Constant <value = float {{0.5}}> ()
            value = Constant <value = float {{-2}}> ()
            flat = Constant <value_ints = [-1]> ()
            axes = Constant <value_ints = [0]> ()
            mask = Greater (x, half)
            nonzero = NonZero (mask)
            indices = Transpose <perm = [1, 0]> (nonzero)
            row = Reshape (mask, flat)
            numbers = Cast <to = 7> (row)
            count = ReduceSum <keepdims = 1> (numbers{axes})
            values = Expand (value, count)
            updates = Reshape (values, flat)
            double = Add (x, x)
            y = ScatterND (double, indices, updates)
        }}""",
        [{"x": floats(*values, shape=(size, 3, 4))} for size, values in MASKED],
        opset=opset,
    )


MASKED = (
    (1, [0.0] * 12),
    (2, [1.0, 0.25, -3.0, 0.75] * 6),
    (3, [0.5, 0.6] * 18),
    (1, [2.0] * 12),
)

CASES = [
    *map(assignment, (12, 13, 16, 18)),
    GraphCase(
        "mask-assignment-of-rows",
        """net (float[batch, 3, 2] x, int32[batch, 3] m) => (float[batch, 3, 2] y) {
            nonzero = NonZero (m)
            indices = Transpose (nonzero)
            shape = Shape (indices)
            zero = Constant <value_ints = [0]> ()
            two = Constant <value_ints = [2]> ()
            count = Gather (shape, zero)
            target = Concat <axis = 0> (count, two)
            updates = ConstantOfShape <value = float[1] {7}> (target)
            y = ScatterND (x, indices, updates)
        }""",
        [
            {"x": ramp(1, 3, 2), "m": np.int32([[0, 3, -1]])},
            {"x": ramp(2, 3, 2), "m": np.zeros((2, 3), np.int32)},
            {"x": ramp(2, 3, 2), "m": np.int32([[1, 1, 1], [0, 0, 1]])},
        ],
    ),
    GraphCase(
        "shape-if-over-known-axis",
        """net (float[batch, 3, 1] x) => (float[batch, c] y) {
            shape = Shape (x)
            two = Constant <value = int64 {2}> ()
            one = Constant <value = int64 {1}> ()
            size = Gather (shape, two)
            is_one = Equal (size, one)
            y = If (is_one) <
                then_branch = yes () => (float[p, q] a) { axes = Constant <value_ints = [2]> () a = Squeeze (x, axes) },
                else_branch = no () => (float[p, q, r] b) { b = Identity (x) }
            >
        }""",
        batches(3, 1),
    ),
    GraphCase(
        "shape-if-over-dynamic-axis-stays",
        """net (float[batch, 3] x) => (float[batch, 3] y) {
            shape = Shape <end = 1> (x)
            one = Constant <value_ints = [1]> ()
            is_one = Equal (shape, one)
            y = If (is_one) <
                then_branch = yes () => (float[p, q] a) { a = Neg (x) },
                else_branch = no () => (float[p, q] b) { b = Abs (x) }
            >
        }""",
        batches(3),
        left=IF,
    ),
    GraphCase(
        "shape-if-over-equal-sizes",
        """net (float[n, 3] x, float[n, 3] z) => (float[n, 3] y) {
            one = Shape <end = 1> (x)
            other = Shape <end = 1> (z)
            both = Equal (one, other)
            minus = Constant <value_ints = [-1]> ()
            never = Equal (one, minus)
            not_never = Not (never)
            all = And (both, not_never)
            y = If (all) <
                then_branch = yes () => (float[p, q] a) { a = Add (x, z) },
                else_branch = no () => (float[p, q] b) { b = Sub (x, z) }
            >
        }""",
        [{"x": ramp(n, 3), "z": ramp(n, 3) * 2} for n in (1, 4)],
    ),
    GraphCase(
        "shape-loop-over-known-axis",
        """net (float[batch, 4] x) => (float[batch, 4] y) {
            shape = Shape (x)
            at = Constant <value = int64 {1}> ()
            trips = Gather (shape, at)
            true = Constant <value = bool {1}> ()
            y = Loop (trips, true, x) <
                body = step (int64 i, bool c, float[p, q] v) => (bool d, float[p, q] w) {
                    d = Identity (c)
                    f = Cast <to = 1> (i)
                    w = Add (v, f)
                }
            >
        }""",
        batches(4),
    ),
    GraphCase(
        "shape-reshape-with-known-inner-size",
        """net (float[batch, 3, 6] x) => (float[batch, 2] y)
               <float[18, 2] w = {0.5, -1, 2, 3, 0, 1, 1.5, -2, 0.25, 1, 0, 0, 1, 1, -1, 2, 0.5, 0.5,
                                  1, -1, 2, 0, 3, 1, -0.5, 1, 2, 2, 1, -3, 0, 1, 1, 0.5, 1, 0}> {
            batch = Shape <end = 1> (x)
            rest = Shape <start = 1> (x)
            inner = ReduceProd <keepdims = 1> (rest)
            target = Concat <axis = 0> (batch, inner)
            flat = Reshape (x, target)
            y = MatMul (flat, w)
        }""",
        batches(3, 6),
    ),
    GraphCase(
        "shape-squeeze-after-reshape",
        """net (float[batch, 3, 6] x) => (float[batch, 18] y) {
            size = Size (x)
            batch = Shape <end = 1> (x)
            inner = Div (size, batch)
            one = Constant <value_ints = [1]> ()
            target = Concat <axis = 0> (batch, one, inner)
            flat = Reshape (x, target)
            axes = Constant <value_ints = [1]> ()
            y = Squeeze (flat, axes)
        }""",
        batches(3, 6),
    ),
    GraphCase(
        "shape-expand-by-selection",
        """net (float[batch, 3, 2] x) => (float[batch, 4, 2] y) <float[1, 1, 2] token = {0.5, -2}> {
            batch = Shape <end = 1> (x)
            keep = Constant <value_ints = [-1, -1]> ()
            wanted = Concat <axis = 0> (batch, keep)
            minus = Constant <value_ints = [-1]> ()
            is_kept = Equal (wanted, minus)
            ones = Constant <value_ints = [1, 1, 1]> ()
            target = Where (is_kept, ones, wanted)
            tokens = Expand (token, target)
            y = Concat <axis = 1> (tokens, x)
        }""",
        batches(3, 2),
    ),
    GraphCase(
        "shape-range-tile-pad-slice-split",
        """net (float[batch, 6] x) => (float[batch, 12] y, float[batch, 4] head, float[batch, 2] tail) {
            columns = Shape <start = 1> (x)
            scalar = Squeeze (columns)
            zero = Constant <value = int64 {0}> ()
            one = Constant <value = int64 {1}> ()
            two = Constant <value_ints = [2]> ()
            positions = Range (zero, scalar, one)
            ramp = Cast <to = 1> (positions)
            moved = Add (x, ramp)
            single = Constant <value_ints = [1]> ()
            repeats = Concat <axis = 0> (single, two)
            y = Tile (moved, repeats)
            start = Sub (columns, two)
            begin = Constant <value_ints = [0]> ()
            axes = Constant <value_ints = [1]> ()
            tail = Slice (x, start, columns, axes)
            head = Slice (x, begin, start, axes)
        }""",
        batches(6),
    ),
    GraphCase(
        "shape-constant-of-shape-of-twice-the-batch",
        """net (float[batch, 2] x) => (float[m, 2] y) {
            shape = Shape (x)
            factors = Constant <value_ints = [2, 1]> ()
            target = Mul (shape, factors)
            zeros = ConstantOfShape <value = float[1] {0.5}> (target)
            pair = Concat <axis = 0> (x, x)
            y = Add (zeros, pair)
        }""",
        batches(2),
    ),
    GraphCase(
        "shape-declared-of-another-batch-size",
        """net (float[batch, 3] x) => (float[2, 3, 1] y) <float[2, 3] a, float[7, 5] b> {
            a = Relu (x)
            b = Neg (a)
            target = Constant <value_ints = [-1, 3, 1]> ()
            y = Reshape (b, target)
        }""",
        batches(3),
    ),
    GraphCase(
        "shape-declared-with-another-rank",
        """net (float[batch, 3] x) => (float[1, 1, 2] y) <float[4] w, float[3, 2] v = {1, 2, 3, -1, 0.5, 0}> {
            w = Abs (x)
            y = MatMul (w, v)
        }""",
        batches(3),
    ),
    *(
        GraphCase(
            f"shape-resize-{name}",
            f"""net (float[batch, 2, {sizes}] x) => (float[batch, 2, {", ".join("abc"[: len(target)])}] y) {{
                kept = Shape <start = 0, end = 2> (x)
                target = Constant <value_ints = {list(target)}> ()
                sizes = Concat <axis = 0> (kept, target)
                y = Resize <mode = "{mode}", coordinate_transformation_mode = "{coordinates}"{more}>
                    (x, , , sizes)
            }}""",
            batches(2, *map(int, sizes.split(", "))),
            opset=19,
        )
        for name, mode, coordinates, more, sizes, target in (
            ("cubic", "cubic", "pytorch_half_pixel", ", cubic_coeff_a = -0.75", "5, 4", (9, 8)),
            ("cubic-antialias", "cubic", "half_pixel", ", antialias = 1", "6, 5", (3, 2)),
            ("linear-antialias", "linear", "half_pixel", ", antialias = 1", "7, 5", (3, 4)),
            ("trilinear", "linear", "half_pixel", "", "2, 3, 4", (4, 5, 3)),
            ("nearest", "nearest", "asymmetric", ', nearest_mode = "ceil"', "3, 4", (5, 6)),
        )
    ),
]

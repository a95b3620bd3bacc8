"""Values of shape computations that are known element by element, and the output shapes that follow from them."""

import re

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper, parser

from converter.onnx_model import Expression, OnnxGraph, load_bytes, prepare
from converter.onnx_model import expression as ex
from converter.onnx_model.expression import Integer

HEAD = '<ir_version: 8, opset_import: ["" : 18]>\n'
SIZES = ({"n": 1, "m": 1}, {"n": 1, "m": 6}, {"n": 2, "m": 3}, {"n": 5, "m": 2}, {"n": 7, "m": 8})


def prepared(text: str) -> OnnxGraph:
    proto = parser.parse_model(HEAD + text)
    return prepare(load_bytes(proto.SerializeToString(), where="test"), has_lowering=lambda *_: True).graph


def value_of(expression: Integer, sizes: dict[str, int]) -> int:
    """The number that an expression stands for; names of sizes that were computed say how."""
    text = re.sub(r"\bfloor\(", "int(", str(expression)).replace(" mod ", " % ")
    return int(eval(text, {"int": int, **sizes}))


def sign(value: int) -> int:
    return (value > 0) - (value < 0)


def test_expressions_stand_for_the_numbers_that_their_sizes_give() -> None:
    rng = np.random.default_rng(0)
    n, m = ex.size("n"), ex.size("m")
    pool: list[Integer] = [n, m, -3, -1, 0, 1, 2, 4]
    compared = {"sum": 0, "quotient": 0, "order": 0}
    for _ in range(500):
        one, other = (pool[rng.integers(len(pool))] for _ in range(2))
        quotient, rest, less = ex.divide(one, other), ex.modulo(one, other), ex.is_less(one, other)
        lowest, highest, equal = ex.minimum(one, other), ex.maximum(one, other), ex.is_equal(one, other)
        for sizes in SIZES:
            a, b = value_of(one, sizes), value_of(other, sizes)
            assert value_of(ex.add(one, other), sizes) == a + b
            assert value_of(ex.subtract(one, other), sizes) == a - b
            assert value_of(ex.multiply(one, other), sizes) == a * b
            compared["sum"] += 1
            if quotient is not None and b != 0:
                assert value_of(quotient, sizes) == sign(a) * sign(b) * (abs(a) // abs(b))
                compared["quotient"] += 1
            if rest is not None:
                assert value_of(rest, sizes) == a % b
            if less is not None:
                assert less == (a < b)
                compared["order"] += 1
            assert equal is None or equal == (a == b)
            assert lowest is None or value_of(lowest, sizes) == min(a, b)
            assert highest is None or value_of(highest, sizes) == max(a, b)
        made = [ex.add(one, other), ex.multiply(one, other), quotient, rest][rng.integers(4)]
        if isinstance(made, Expression) and len(str(made)) < 40 and len(pool) < 60:
            pool.append(made)
    assert len(pool) > 30
    assert min(compared.values()) > 300


class Drawn:
    """A random graph that computes with the shape of its input, whose rank is 4; every value is an output."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes = [helper.make_node("Shape", ["x"], ["shape"])]
        self.constants: list[onnx.TensorProto] = []
        self.values, self.fours, self.flags = ["shape"], ["shape"], ["never"]  # vectors; those of 4 elements; bools
        self.add("Less", "shape", self.constant([0, 0, 0, 0]), name="never")
        for _ in range(14):
            self.draw()

    def constant(self, array: object) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype=np.int64), f"c{len(self.constants)}"))
        return self.constants[-1].name

    def one_of(self, values: list[str]) -> str:
        return values[self.rng.integers(len(values))]

    def add(self, op: str, *inputs: str, name: str = "", **attrs: object) -> str:
        self.nodes.append(helper.make_node(op, inputs, [name or f"v{len(self.nodes)}"], **attrs))
        return str(self.nodes[-1].output[0])

    def draw(self) -> None:
        four, other = self.one_of(self.fours), self.one_of(self.fours)
        match self.rng.integers(6):
            case 0:
                op = self.one_of(["Add", "Sub", "Mul", "Min", "Max"])
                self.fours.append(self.add(op, four, other))
            case 1:
                op = self.one_of(["Div", "Mod", "Add", "Sub", "Mul"])
                self.fours.append(self.add(op, four, self.constant(self.rng.integers(1, 5, 4))))
            case 2:
                op = self.one_of(["Equal", "Less", "Greater", "GreaterOrEqual", "LessOrEqual"])
                right = other if self.rng.integers(2) else self.constant(self.rng.integers(-1, 4, 4))
                self.flags.append(self.add(op, four, right))
            case 3:
                op = self.one_of(["And", "Or", "Xor"])
                self.flags.append(self.add(op, self.one_of(self.flags), self.one_of(self.flags)))
                self.fours.append(self.add("Where", self.one_of(self.flags), four, other))
            case 4:
                whole = self.add("Floor", self.add("Cast", four, to=1))
                self.fours.append(self.add("Cast", whole, to=7))
            case 5:
                self.move(four)
        self.values.append(self.fours[-1])

    def move(self, four: str) -> None:
        value = self.one_of(self.values)
        match self.rng.integers(4):
            case 0:
                self.values.append(self.add("Concat", value, self.constant([-1, 7]), value, axis=0))
            case 1:
                bounds = (int(self.rng.integers(-4, 3)), 9, 0, int(self.rng.integers(1, 3)))
                self.values.append(self.add("Slice", value, *(self.constant([bound]) for bound in bounds)))
            case 2:
                self.fours.append(self.add("Gather", four, self.constant(self.rng.permutation(4))))
            case 3:
                op = self.one_of(["ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin"])
                self.values.append(self.add(op, four, keepdims=1))

    def model(self) -> onnx.ModelProto:
        x = helper.make_tensor_value_info("x", 1, ["n", "m", 3, 4])
        outputs = [onnx.ValueInfoProto(name=node.output[0]) for node in self.nodes]
        graph = helper.make_graph(self.nodes, "drawn", [x], outputs, self.constants)
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return onnx.shape_inference.infer_shapes(proto)


def test_random_shape_computations_agree_with_onnxruntime() -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    counts = {"numbers": 0, "expressions": 0, "unknown": 0}
    for seed in range(40):
        proto = Drawn(seed).model()
        loaded = load_bytes(proto.SerializeToString(), where="test")
        graph = prepare(loaded, has_lowering=lambda *_: True).graph
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options)
        names = [info.name for info in session.get_outputs()]
        for sizes in SIZES:
            x = np.zeros((sizes["n"], sizes["m"], 3, 4), np.float32)
            truth = dict(zip(names, session.run(None, {"x": x}), strict=True))
            for name, array in truth.items():
                if name in graph.constants:
                    np.testing.assert_array_equal(graph.constants[name], array)
                    counts["numbers"] += 1
                for known, number in zip(graph.elements.get(name, ()), array.ravel(), strict=name in graph.elements):
                    counts["unknown" if known is None else "expressions"] += 1
                    assert known is None or value_of(known, sizes) == number, f"{name}: {known} is not {number}"
    assert counts["numbers"] > 500
    assert counts["expressions"] > 2000


SHAPES = {
    "unnamed": ("(float[?, 3, 6] x)", "s = Shape <end = 1> (x) c = Constant <value_ints = [18]> () "
                "t = Concat <axis = 0> (s, c) y = Reshape (x, t)", ("x[0]", 18)),
    "inner": ("(float[n, 5, 2, 3] x)", "a = Shape <end = 2> (x) c = Constant <value_ints = [6]> () "
              "t = Concat <axis = 0> (a, c) y = Reshape (x, t)", ("n", 5, 6)),
    "left over": ("(float[n, m, 6] x)", "c = Constant <value_ints = [0, -1]> () y = Reshape (x, c)", ("n", "6*m")),
    "there and back": ("(float[n, m, 6] x)", "c = Constant <value_ints = [-1, 6]> () r = Reshape (x, c) "
                       "s = Shape <end = 2> (x) d = Constant <value_ints = [-1]> () t = Concat <axis = 0> (s, d) "
                       "y = Reshape (r, t)", ("n", "m", 6)),
    "flatten": ("(float[n, m, 6] x)", "y = Flatten (x)", ("n", "6*m")),
    "concat": ("(float[n, 2] x, float[m, 2] z)", "y = Concat <axis = 0> (x, z, x)", ("m + 2*n", 2)),
    "halves": ("(float[n, m] x)", "c = Constant <value_ints = [1, 2]> () s = Shape (x) t = Div (s, c) "
               "y = ConstantOfShape (t)", ("n", "floor((m)/(2))")),
    "input value": ("(float[n, 6] x, int64[1] k)", "c = Constant <value_ints = [3]> () "
                    "t = Concat <axis = 0> (k, c) y = Reshape (x, t)", ("2*n", 3)),
    "expand": ("(float[n, 1] x)", "s = Shape <end = 1> (x) c = Constant <value_ints = [7]> () "
               "t = Concat <axis = 0> (s, c) y = Expand (x, t)", ("n", 7)),
}  # fmt: skip


@pytest.mark.parametrize(("inputs", "nodes", "shape"), SHAPES.values(), ids=SHAPES)
def test_output_shapes_follow_from_the_elements_that_are_known(inputs, nodes, shape) -> None:
    rank = ", ".join("?" * len(shape))
    types = prepared(f"net {inputs} => (float[{rank}] out) {{ {nodes} out = Relu (y) }}").types
    assert types["y"].shape == shape
    assert types["out"].shape == shape

"""Graph models written by hand, node by node, so that the runtimes are tested without the compiler."""

import json
from pathlib import Path

import numpy as np

TYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "bool": "DT_BOOL"}


class GraphModel:
    """Collects nodes, constants and the signature, then writes a model folder."""

    def __init__(self, *, is_async: bool = False) -> None:
        self.is_async = is_async
        self.nodes: list[dict] = []
        self.functions: list[dict] = []
        self.constants: dict[str, np.ndarray] = {}
        self.inputs: dict[str, tuple[str, str, list, str]] = {}
        self.outputs: dict[str, tuple[str, str, list, str]] = {}

    def node(self, name: str, op: str, *inputs: str, **attrs: dict) -> str:
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attrs})
        return name

    def const(self, name: str, values) -> str:
        self.constants[name] = np.asarray(values)
        return self.node(name, "Const", dtype={"type": TYPES[self.constants[name].dtype.name]})

    def input(self, key: str, dtype: str, shape: list, *, stored: str | None = None) -> str:
        node = f"in{len(self.inputs)}"
        stored = stored or dtype
        dims = [{"size": str(dim if isinstance(dim, int) else -1)} for dim in shape]
        self.node(node, "Placeholder", dtype={"type": TYPES[stored]}, shape={"shape": {"dim": dims}})
        self.inputs[key] = (node, dtype, shape, stored)
        return node

    def output(self, key: str, source: str, dtype: str, shape: list, *, stored: str | None = None) -> None:
        node = self.node(f"out{len(self.outputs)}", "Identity", source)
        self.outputs[key] = (node, dtype, shape, stored or dtype)

    def as_json(self) -> dict:
        def signature(slots):
            return {
                key: {"name": f"{node}:0", "dtype": TYPES[stored], "tensorShape": {"unknownRank": True}}
                for key, (node, _, _, stored) in slots.items()
            }

        def metadata(slots):
            return [{"name": key, "dtype": dtype, "shape": shape} for key, (_, dtype, shape, _) in slots.items()]

        weights = [{"name": n, "shape": list(v.shape), "dtype": v.dtype.name} for n, v in self.constants.items()]
        return {
            "format": "graph-model",
            "signature": {"inputs": signature(self.inputs), "outputs": signature(self.outputs)},
            "modelTopology": {
                "node": self.nodes,
                "library": {"function": self.functions},
                "versions": {"producer": 1},
            },
            "weightsManifest": [{"paths": ["group1-shard1of1.bin"], "weights": weights}],
            "userDefinedMetadata": {
                "async": self.is_async,
                "inputs": metadata(self.inputs),
                "outputs": metadata(self.outputs),
            },
        }

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        folder.joinpath("model.json").write_text(json.dumps(self.as_json()))
        folder.joinpath("group1-shard1of1.bin").write_bytes(b"".join(v.tobytes() for v in self.constants.values()))
        return folder


WEIGHTS = np.arange(12, dtype=np.float32).reshape(4, 3) / 10
BIAS = np.array([0.5, -0.5, 0.25], np.float32)


def linear() -> GraphModel:
    """y = x @ WEIGHTS + BIAS, with a dynamic batch."""
    model = GraphModel()
    product = model.node("product", "MatMul", model.input("x", "float32", ["batch", 4]), model.const("w", WEIGHTS))
    model.output("y", model.node("sum", "AddV2", product, model.const("b", BIAS)), "float32", ["batch", 3])
    return model


def doubled(dtype: str, stored: str = "int32") -> GraphModel:
    """y = x + x in `dtype`."""
    model = GraphModel()
    x = model.input("x", dtype, ["n"], stored=stored)
    model.output("y", model.node("sum", "AddV2", x, x), dtype, ["n"], stored=stored)
    return model


def negated() -> GraphModel:
    """y = not x."""
    model = GraphModel()
    y = model.node("not", "LogicalNot", model.input("x", "bool", ["n"]))
    model.output("y", y, "bool", ["n"])
    return model


def nonzero() -> GraphModel:
    """The indices of x that are not zero: their number depends on the data."""
    model = GraphModel(is_async=True)
    x = model.input("x", "float32", ["rows", "columns"])
    where = model.node("where", "Where", model.node("is", "NotEqual", x, model.const("zero", np.float32(0))))
    transposed = model.node("t", "Transpose", where, model.const("perm", np.array([1, 0], np.int32)))
    model.output("indices", transposed, "int64", [2, "n"], stored="int32")
    return model


def many_outputs() -> GraphModel:
    """Output names that no JavaScript identifier could be, in an order that JavaScript objects don't keep."""
    model = GraphModel()
    x = model.input("in:0/a b", "float32", [])
    model.output("out:0/a b", x, "float32", [])
    model.output("10", model.node("neg", "Neg", x), "float32", [])
    model.output("2", model.node("greater", "Greater", x, model.const("one", np.float32(1))), "bool", [])
    model.output("ünï/✓", model.const("seven", np.array([7, 8], np.int32)), "int64", [2], stored="int32")
    return model


def scattered_input() -> GraphModel:
    """y = x with 100 and 200 in its second and fourth row, written without a copy of x."""
    model = GraphModel()
    x = model.input("x", "float32", [4, 1])
    rows, values = np.array([[1], [3]], np.int32), np.array([[100], [200]], np.float32)
    y = model.node("y", "TensorScatterUpdate", x, model.const("rows", rows), model.const("values", values))
    model.output("y", y, "float32", [4, 1])
    return model


def scattered_constant() -> GraphModel:
    """y = c + x, and s = c with the first two rows of y in its second and fourth, written without a copy of c."""
    model = GraphModel()
    c = model.const("c", np.array([[10], [20], [30], [40]], np.float32))
    rows = model.const("rows", np.array([[1], [3]], np.int32))
    y = model.node("y", "AddV2", c, model.input("x", "float32", [4, 1]))
    begin, size = model.const("begin", np.array([0, 0], np.int32)), model.const("size", np.array([2, 1], np.int32))
    s = model.node("s", "TensorScatterUpdate", c, rows, model.node("head", "Slice", y, begin, size))
    model.output("y", y, "float32", [4, 1])
    model.output("s", s, "float32", [4, 1])
    return model


def endless() -> GraphModel:
    """A loop that never ends."""
    model = GraphModel(is_async=True)
    x = model.input("x", "bool", [])
    model.node("loop", "StatelessWhile", x, cond={"func": {"name": "same"}}, body={"func": {"name": "same"}})
    model.output("y", "loop", "bool", [])
    model.functions.append(
        {
            "signature": {
                "name": "same",
                "inputArg": [{"name": "value", "type": "DT_BOOL"}],
                "outputArg": [{"name": "result", "type": "DT_BOOL"}],
            },
            "nodeDef": [{"name": "same_value", "op": "Identity", "input": ["value"], "attr": {}}],
            "ret": {"result": "same_value:output:0"},
        }
    )
    return model

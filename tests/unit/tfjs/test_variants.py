from pathlib import Path

import numpy as np
import pytest

from converter.tfjs.builder import Builder
from converter.tfjs.encodings import ENCODINGS, Encoding
from converter.tfjs.graph import FunctionName, Graph, NameAllocator, TensorType
from converter.tfjs.read import read
from converter.tfjs.variants import Variants
from converter.tfjs.write import write


@pytest.fixture
def graph() -> Graph:
    """x (1, 32) times one matrix or another by a condition; a bias is too small to be rounded."""
    rng, names = np.random.default_rng(0), NameAllocator()
    build = Builder(Graph(metadata={"generator": "test"}), names)
    condition = build.placeholder("p", TensorType("bool", ()))
    x = build.placeholder("x", TensorType("float32", (1, 32)))
    bias = build.constant(rng.normal(size=32).astype(np.float32), name="bias")
    (shifted,) = build.emit("AddV2", x, bias, name="shifted")
    for branch in ("yes", "no"):
        inner = Builder(Graph(), names)
        matrix = inner.constant(rng.normal(size=(32, 32)).astype(np.float32), name=f"{branch}_w")
        argument = inner.placeholder(f"{branch}_x", TensorType("float32", (1, 32)))
        (y,) = inner.emit("MatMul", argument, matrix, name=f"{branch}_y", transpose_a=False, transpose_b=False)
        inner.output(f"{branch}_out", y)
        build.graph.functions[branch] = inner.graph
    calls = {"then_branch": FunctionName("yes"), "else_branch": FunctionName("no")}
    (y,) = build.emit("StatelessIf", condition, shifted, name="if", types=[TensorType("float32", (1, 32))], **calls)
    build.output("y", y)
    return build.graph


@pytest.mark.parametrize("yes", ENCODINGS)
@pytest.mark.parametrize("no", ["float32", "uint8"])
def test_a_variant_is_what_write_writes(graph: Graph, tmp_path: Path, yes: Encoding, no: Encoding) -> None:
    encodings: dict[str, Encoding] = {"yes_w": yes, "no_w": no}
    (tmp_path / "variants").mkdir()
    variants = Variants(graph, tmp_path / "variants", generator="test")
    variants.write({})
    size_bytes = variants.write(encodings)
    files = write(graph, tmp_path / "whole", generator="test", encodings=encodings)
    assert size_bytes == sum(file.stat().st_size for file in files[1:])
    one, other = read(tmp_path / "variants"), read(tmp_path / "whole")
    assert list(one.nodes) == list(other.nodes)
    for (_, found), (_, wanted) in zip(one.walk(), other.walk(), strict=True):
        assert found.constants.keys() == wanted.constants.keys()
        for name, values in wanted.constants.items():
            assert np.array_equal(found.constants[name], values)


def test_a_weight_is_written_once(graph: Graph, tmp_path: Path) -> None:
    variants = Variants(graph, tmp_path, generator="test")
    variants.write({"yes_w": "uint8"})
    before = {file.name: file.stat().st_ino for file in tmp_path.glob("*.bin")}
    variants.write({"yes_w": "uint8", "no_w": "float16"})
    after = {file.name: file.stat().st_ino for file in tmp_path.glob("*.bin")}
    assert len(before) == 3
    assert len(after) == 4
    assert before.items() < after.items()


def test_a_graph_without_weights_has_none(tmp_path: Path) -> None:
    build = Builder(Graph(), NameAllocator())
    build.output("y", build.emit("Neg", build.placeholder("x", TensorType("float32", (2,))), name="neg")[0])
    assert Variants(build.graph, tmp_path, generator="test").write({}) == 0
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]
    assert list(read(tmp_path).nodes) == list(build.graph.nodes)

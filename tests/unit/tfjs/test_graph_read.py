import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from converter.errors import ArtifactError, InternalError
from converter.tfjs.builder import Builder
from converter.tfjs.graph import FunctionName, Graph, NameAllocator, Ref, TensorType
from converter.tfjs.read import read
from converter.tfjs.verify import verify
from converter.tfjs.write import write

GENERATOR = "compat-export 0.0.0"


def assert_same(one: Graph, other: Graph) -> None:
    assert list(one.nodes.values()) == list(other.nodes.values())
    assert one.inputs == other.inputs
    assert one.outputs == other.outputs
    assert one.metadata == other.metadata
    assert one.constants.keys() == other.constants.keys()
    for name, values in one.constants.items():
        found = other.constants[name]
        assert (found.shape, found.dtype) == (values.shape, values.dtype.newbyteorder("=")), name
        assert found.tolist() == values.tolist() if values.dtype == object else found.tobytes() == native(values), name
    assert list(one.functions) == list(other.functions)
    for name, function in one.functions.items():
        assert_same(function, other.functions[name])


def native(values: np.ndarray) -> bytes:
    return values.astype(values.dtype.newbyteorder("=")).tobytes()


def test_reading_undoes_writing(graph: Graph, tmp_path: Path) -> None:
    files = write(graph, tmp_path / "one", generator=GENERATOR, shard_bytes=16)
    found = read(tmp_path / "one")
    assert_same(order_of_files(graph), found)
    verify(found)
    again = write(found, tmp_path / "two", generator=GENERATOR, shard_bytes=16)
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]


def order_of_files(graph: Graph) -> Graph:
    """The parameters of a function come first in a file."""
    for function in graph.functions.values():
        parameters = {name: function.nodes[name] for name in function.inputs.values()}
        function.nodes = {**parameters, **function.nodes}
    return graph


DIMS = st.lists(st.sampled_from([1, 2, 3, "N", "batch", None]), max_size=3).map(tuple)
VALUES = st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "float16", "float32", "bool"]).flatmap(
    lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
METADATA = st.dictionaries(
    st.text(), st.none() | st.booleans() | st.integers() | FINITE | st.text() | st.lists(st.text())
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    names = NameAllocator()
    build = Builder(Graph(metadata=draw(METADATA)), names)
    condition = build.placeholder(draw(st.text()), TensorType("bool", ()))
    for key in draw(st.lists(st.text(min_size=1), min_size=1, max_size=3, unique=True)):
        if key not in build.graph.inputs:
            dtype = draw(st.sampled_from(["float32", "int32"]))
            build.placeholder(key, TensorType(dtype, draw(st.none() | DIMS)))
    pool = [Ref(name) for name in build.graph.inputs.values() if name != condition.node]
    for step in range(draw(st.integers(0, 6))):
        extend(draw, build, condition, pool, f"step{step}")
    for key in draw(st.lists(st.text(), min_size=1, max_size=3, unique=True)):
        build.output(key, draw(st.sampled_from(pool or [condition])))
    return build.graph


def extend(draw: st.DrawFn, build: Builder, condition: Ref, pool: list[Ref], name: str) -> None:
    """Append one operation if it fits the values that were drawn for it."""
    make = draw(st.sampled_from([constant, unary, binary, reshaped, sliced, branched]))
    with suppress(InternalError):  # these operands don't fit this op
        pool += make(draw, build, condition, pool, name)


def constant(draw: st.DrawFn, build: Builder, condition: Ref, pool: list[Ref], name: str) -> tuple[Ref, ...]:
    return (build.constant(draw(VALUES), name=name),)


def unary(draw: st.DrawFn, build: Builder, condition: Ref, pool: list[Ref], name: str) -> tuple[Ref, ...]:
    x = draw(st.sampled_from(pool or [condition]))
    op, attrs = draw(st.sampled_from([("Abs", {}), ("Identity", {}), ("LeakyRelu", {"alpha": draw(FINITE)})]))
    return build.emit(op, x, name=name, **attrs)


def binary(draw: st.DrawFn, build: Builder, condition: Ref, pool: list[Ref], name: str) -> tuple[Ref, ...]:
    operands = [draw(st.sampled_from(pool or [condition])) for _ in range(2)]
    return build.emit(draw(st.sampled_from(["AddV2", "Less", "IdentityN"])), *operands, name=name)


def reshaped(draw: st.DrawFn, build: Builder, condition: Ref, pool: list[Ref], name: str) -> tuple[Ref, ...]:
    shape = build.parameter(draw(st.lists(st.sampled_from([-1, 0, 1, 2, 3]), max_size=3)))
    return build.emit("Reshape", draw(st.sampled_from(pool or [condition])), shape, name=name)


def sliced(draw: st.DrawFn, build: Builder, condition: Ref, pool: list[Ref], name: str) -> tuple[Ref, ...]:
    length = draw(st.integers(1, 3))
    spec = [build.parameter(draw(st.lists(st.integers(-3, 3), min_size=length, max_size=length))) for _ in range(3)]
    masks = {key: draw(st.integers(0, 7)) for key in ("begin_mask", "end_mask", "shrink_axis_mask")}
    return build.emit("StridedSlice", draw(st.sampled_from(pool or [condition])), *spec, name=name, **masks)


def branched(draw: st.DrawFn, build: Builder, condition: Ref, pool: list[Ref], name: str) -> tuple[Ref, ...]:
    x = draw(st.sampled_from(pool or [condition]))
    for kind in ("then", "else"):
        inner = Builder(Graph(), build.names)
        parameter = inner.placeholder(f"{name}_{kind}_x", build.type_of(x))
        addend = inner.constant(draw(VALUES), name=f"{name}_{kind}_c")
        inner.output("sum", parameter)
        inner.output("constant", addend)
        build.graph.functions[f"{name}_{kind}"] = inner.graph
    calls = {f"{kind}_branch": FunctionName(f"{name}_{kind}") for kind in ("then", "else")}
    bodies = [build.graph.functions[call.name] for call in calls.values()]
    constants = [body.type_of(body.outputs["constant"]) for body in bodies]
    if constants[0] != constants[1]:
        for call in calls.values():
            del build.graph.functions[call.name]
        raise InternalError("the branches return different types")
    return build.emit("StatelessIf", condition, x, name=name, types=[build.type_of(x), constants[0]], **calls)


@settings(max_examples=60)
@given(graph=graphs(), shard_bytes=st.sampled_from([1, 5, 4 << 20]))
def test_reading_undoes_writing_for_any_graph(
    tmp_path_factory: pytest.TempPathFactory, graph: Graph, shard_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("model")
    files = write(graph, folder / "one", generator=GENERATOR, shard_bytes=shard_bytes)
    twice = write(graph, folder / "two", generator=GENERATOR, shard_bytes=shard_bytes)
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in twice]
    assert_same(graph, read(folder / "one"))


@pytest.fixture
def folder(loop: Graph, tmp_path: Path) -> Path:
    write(loop, tmp_path, generator=GENERATOR, shard_bytes=8)
    return tmp_path


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "model.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def test_quantised_weights_of_other_tools_are_widened(dense: Graph, tmp_path: Path) -> None:
    write(dense, tmp_path, generator=GENERATOR)
    steps = np.arange(12, dtype=np.uint8)

    def quantise(document: dict[str, Any]) -> None:
        spec = next(spec for spec in document["weightsManifest"][0]["weights"] if spec["name"] == "w")
        spec["quantization"] = {"dtype": "uint8", "min": -1.5, "scale": 0.25}

    edit(tmp_path, quantise)
    (shard,) = tmp_path.glob("*.bin")
    shard.write_bytes(steps.tobytes() + shard.read_bytes()[48:])
    expected = (steps * np.float32(0.25) - np.float32(1.5)).reshape(3, 4)
    np.testing.assert_array_equal(read(tmp_path).constants["w"], expected, strict=True)


def test_a_missing_document_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="can't be read") as caught:
        read(tmp_path)
    assert caught.value.where == str(tmp_path / "model.json")
    assert caught.value.exit_code == 6
    assert caught.value.hint


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000], ids=["empty", "open", "bytes", "deep"])
def test_a_document_that_is_no_json_is_refused(folder: Path, text: bytes) -> None:
    (folder / "model.json").write_bytes(text)
    with pytest.raises(ArtifactError, match="is no JSON") as caught:
        read(folder)
    assert caught.value.where == str(folder / "model.json")


def nodes(document: dict[str, Any]) -> dict[str, Any]:
    return {node["name"]: node for node in document["modelTopology"]["node"]}


def weights(document: dict[str, Any]) -> dict[str, Any]:
    return {spec["name"]: spec for spec in document["weightsManifest"][0]["weights"]}


DAMAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "format": lambda document: document.update(format="layers-model"),
    "no-topology": lambda document: document.pop("modelTopology"),
    "no-signature": lambda document: document.pop("signature"),
    "node-is-text": lambda document: document["modelTopology"]["node"].append("x"),
    "unknown-op": lambda document: nodes(document)["loop"].update(op="Frobnicate"),
    "unknown-operand": lambda document: nodes(document)["loop"].update(input=["nowhere"]),
    "bad-operand-index": lambda document: nodes(document)["output/y"].update(input=["loop:9"]),
    "negative-operand-index": lambda document: nodes(document)["output/y"].update(input=["loop:-1"]),
    "twice-defined": lambda document: document["modelTopology"]["node"].append(nodes(document)["x"]),
    "unknown-function": lambda document: nodes(document)["loop"]["attr"].update(body={"func": {"name": "z"}}),
    "recursion": lambda document: document["modelTopology"]["library"]["function"][1]["nodeDef"].append(
        {"name": "r", "op": "StatelessWhile", "input": ["b0"], "attr": nodes(document)["loop"]["attr"]}
    ),
    "attr-of-two-kinds": lambda document: nodes(document)["loop"]["attr"].update(body={"i": "1", "f": 1.0}),
    "attr-of-no-kind": lambda document: nodes(document)["loop"]["attr"].update(body={"tensor": {}}),
    "bad-base64": lambda document: nodes(document)["loop"]["attr"].update(body={"s": "?"}),
    "unknown-output": lambda document: document["signature"]["outputs"]["y"].update(name="nowhere:0"),
    "unknown-input": lambda document: document["signature"]["inputs"]["x"].update(name="nowhere:0"),
    "placeholder-type": lambda document: nodes(document)["x"]["attr"].update(dtype={"type": "DT_INT64"}),
    "constant-without-weight": lambda document: nodes(document)["zero"].update(name="naught"),
    "weight-dtype": lambda document: weights(document)["zero"].update(dtype="int64"),
    "weight-shape": lambda document: weights(document)["zero"].update(shape=[-1]),
    "weight-shape-float": lambda document: weights(document)["zero"].update(shape=[1.0]),
    "weight-quantization": lambda document: weights(document)["one"]["quantization"].update(dtype="uint32"),
    "weight-twice": lambda document: weights(document)["two"].update(name="one"),
    "no-shards": lambda document: document["weightsManifest"][0].update(paths=[]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_document_that_is_no_graph_model_is_refused(folder: Path, damage: Callable[[dict[str, Any]], Any]) -> None:
    edit(folder, damage)
    with pytest.raises(ArtifactError, match="is no graph model") as caught:
        read(folder)
    assert caught.value.where == str(folder / "model.json")
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    "path", ["../outside.bin", "/etc/hostname", "sub/../../outside.bin", "link.bin"], ids=lambda path: path
)
def test_a_shard_outside_the_folder_is_refused(folder: Path, path: str) -> None:
    (folder.parent / "outside.bin").write_bytes(bytes(100))
    (folder / "sub").mkdir()
    (folder / "link.bin").symlink_to(folder.parent / "outside.bin")
    edit(folder, lambda document: document["weightsManifest"][0].update(paths=[path]))
    with pytest.raises(ArtifactError, match="leaves the folder") as caught:
        read(folder)
    assert caught.value.where == str(folder / "model.json")
    assert path in caught.value.what


def test_a_missing_shard_is_named(folder: Path) -> None:
    shard = sorted(folder.glob("*.bin"))[1]
    shard.unlink()
    with pytest.raises(ArtifactError, match="missing") as caught:
        read(folder)
    assert caught.value.where == str(shard)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + b"x"], ids=["short", "long"])
@pytest.mark.parametrize("index", [0, -1], ids=["first", "last"])
def test_a_shard_of_the_wrong_size_is_named(folder: Path, index: int, change: Callable[[bytes], bytes]) -> None:
    shards = sorted(folder.glob("*.bin"))
    assert len(shards) == 3
    shard = shards[index]
    shard.write_bytes(change(shard.read_bytes()))
    with pytest.raises(ArtifactError, match="the weights need 19") as caught:
        read(folder)
    assert caught.value.where == str(shard)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda data: data[:-1], "end before the weights do", id="short"),
        pytest.param(lambda data: data + b"x", "go on after the weights end", id="long"),
        pytest.param(lambda data: b"\xff" * len(data), "end before the weights do", id="lengths"),
    ],
)
def test_shards_with_strings_are_checked_as_they_are_read(
    stored: Graph, tmp_path: Path, change: Callable[[bytes], bytes], message: str
) -> None:
    shard = write(stored, tmp_path, generator=GENERATOR)[1]
    shard.write_bytes(change(shard.read_bytes()))
    with pytest.raises(ArtifactError, match=message) as caught:
        read(tmp_path)
    assert caught.value.where == str(shard)

import base64
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.errors import InternalError
from converter.tfjs.builder import Builder
from converter.tfjs.graph import Graph, NameAllocator, TensorType
from converter.tfjs.write import write

GENERATOR = "compat-export 0.0.0"


def document(graph: Graph, folder: Path, **options: Any) -> dict[str, Any]:
    write(graph, folder, generator=GENERATOR, **options)
    found: dict[str, Any] = json.loads((folder / "model.json").read_bytes())
    return found


def test_equal_graphs_give_equal_bytes(graph: Graph, tmp_path: Path) -> None:
    one, other = (write(graph, tmp_path / name, generator=GENERATOR) for name in ("one", "other"))
    assert [file.name for file in one] == [file.name for file in other]
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in other]
    assert sorted(one) == sorted((tmp_path / "one").iterdir())


def test_the_document_says_what_tfjs_reads(dense: Graph, tmp_path: Path) -> None:
    found = document(dense, tmp_path)
    assert found["format"] == "graph-model"
    assert found["generatedBy"] == found["convertedBy"] == GENERATOR
    assert found["userDefinedMetadata"] == dense.metadata
    assert found["signature"]["inputs"] == {
        "x": {
            "name": "x:0",
            "dtype": "DT_FLOAT",
            "tensorShape": {"dim": [{"size": "-1", "name": "N"}, {"size": "3"}]},
        }
    }
    assert {key: (info["name"], info["dtype"]) for key, info in found["signature"]["outputs"].items()} == {
        "out:0/a b": ("output/out_0/a_b:0", "DT_FLOAT"),
        "sum": ("output/sum:0", "DT_FLOAT"),
        "7": ("output/7:0", "DT_BOOL"),
    }
    nodes = {node["name"]: node for node in found["modelTopology"]["node"]}
    assert list(nodes) == list(dense.nodes)
    assert nodes["x"]["attr"] == {
        "dtype": {"type": "DT_FLOAT"},
        "shape": {"shape": {"dim": [{"size": "-1", "name": "N"}, {"size": "3"}]}},
    }
    assert nodes["fc"] == {
        "name": "fc",
        "op": "_FusedMatMul",
        "input": ["x", "w", "b"],
        "attr": {
            "fused_ops": {"list": {"s": [base64.b64encode(op).decode() for op in (b"BiasAdd", b"Relu")]}},
            "num_args": {"i": "1"},
        },
    }
    assert nodes["w"] == {"name": "w", "op": "Const", "attr": {"dtype": {"type": "DT_FLOAT"}}}
    assert nodes["total"]["attr"] == {"keep_dims": {"b": False}}


def test_functions_are_a_library(loop: Graph, tmp_path: Path) -> None:
    cond, body = document(loop, tmp_path)["modelTopology"]["library"]["function"]
    assert cond["signature"] == {
        "name": "cond",
        "inputArg": [
            {"name": "c0", "type": "DT_INT32"},
            {"name": "c1", "type": "DT_INT32"},
            {"name": "c2", "type": "DT_FLOAT"},
        ],
        "outputArg": [{"name": "go_on", "type": "DT_BOOL"}],
    }
    assert cond["ret"] == {"go_on": "output/go_on:0"}
    assert [node["op"] for node in cond["nodeDef"]] == ["Less", "Identity"]
    assert body["ret"] == {f"o_{key}": f"output/o_{key}:0" for key in ("i", "n", "x")}
    inputs = {node["name"]: node.get("input") for node in body["nodeDef"]}
    assert inputs["doubled"] == ["parts:1", "two"]
    assert inputs["turned"] == ["doubled", "parts", "param/0"]


def test_constants_of_functions_are_in_the_one_manifest(loop: Graph, tmp_path: Path) -> None:
    (group,) = document(loop, tmp_path)["weightsManifest"]
    assert [spec["name"] for spec in group["weights"]] == ["zero", "one", "param/1x3", "param/0", "two"]


def test_narrow_arrays_are_stored_narrow(stored: Graph, tmp_path: Path) -> None:
    (group,) = document(stored, tmp_path)["weightsManifest"]
    specs = {spec.pop("name"): spec for spec in group["weights"]}
    shifted = {"scale": 1, "dtype": "uint16"}
    assert specs == {
        "i8": {"shape": [2, 3], "dtype": "int32", "quantization": {"dtype": "uint8", "min": -128, "scale": 1}},
        "u8": {"shape": [2], "dtype": "int32", "quantization": {"dtype": "uint8", "min": 0, "scale": 1}},
        "i16": {"shape": [2], "dtype": "int32", "quantization": {**shifted, "min": -32768}},
        "u16": {"shape": [2], "dtype": "int32", "quantization": {**shifted, "min": 0}},
        "f16": {"shape": [4], "dtype": "float32", "quantization": {"dtype": "float16"}},
        "f32": {"shape": [5], "dtype": "float32"},
        "i32": {"shape": [2], "dtype": "int32"},
        "bools": {"shape": [2, 1], "dtype": "bool"},
        "strings": {"shape": [3], "dtype": "string"},
        "no_strings": {"shape": [0], "dtype": "string"},
        "empty": {"shape": [0, 3], "dtype": "float32"},
        "scalar": {"shape": [], "dtype": "float32"},
        "turned": {"shape": [3, 2], "dtype": "float32"},
        "big_endian": {"shape": [3], "dtype": "int32"},
        "big_endian_16": {"shape": [3], "dtype": "int32", "quantization": {**shifted, "min": -32768}},
    }


def test_the_bytes_are_what_tfjs_decodes(stored: Graph, tmp_path: Path) -> None:
    (shard,) = write(stored, tmp_path, generator=GENERATOR)[1:]
    values = stored.constants
    strings = [(1).to_bytes(4, "little"), b"a", (5).to_bytes(4, "little"), "héé".encode(), bytes(4)]
    assert shard.read_bytes() == b"".join(
        [
            (values["i8"].astype(np.int16) + 128).astype(np.uint8).tobytes(),
            values["u8"].tobytes(),
            (values["i16"].astype(np.int32) + 32768).astype("<u2").tobytes(),
            *(values[name].tobytes() for name in ("u16", "f16", "f32", "i32", "bools")),
            *strings,
            values["scalar"].tobytes(),
            np.ascontiguousarray(values["turned"]).tobytes(),
            values["big_endian"].astype("<i4").tobytes(),
            (values["big_endian_16"].astype(np.int32) + 32768).astype("<u2").tobytes(),
        ]
    )


@pytest.mark.parametrize(("size_mib", "sizes_mib"), [(3, [3]), (9, [4, 4, 1]), (24, [4] * 6), (30, [5] * 6)])
def test_no_more_shards_than_a_browser_fetches_at_once(tmp_path: Path, size_mib: int, sizes_mib: list[int]) -> None:
    graph = Graph()
    builder = Builder(graph, NameAllocator())
    builder.output("y", builder.constant(np.zeros(size_mib << 18, np.float32), name="w"))
    shards = write(graph, tmp_path, generator=GENERATOR)[1:]
    assert [shard.stat().st_size >> 20 for shard in shards] == sizes_mib


@pytest.mark.parametrize("shard_bytes", [1, 7, 16, 84, 1000])
def test_shards_are_full_but_for_the_last(dense: Graph, tmp_path: Path, shard_bytes: int) -> None:
    whole = write(dense, tmp_path / "whole", generator=GENERATOR)[1].read_bytes()
    shards = write(dense, tmp_path / "cut", generator=GENERATOR, shard_bytes=shard_bytes)[1:]
    assert b"".join(shard.read_bytes() for shard in shards) == whole
    assert {shard.stat().st_size for shard in shards[:-1]} <= {shard_bytes}
    assert 0 < shards[-1].stat().st_size <= shard_bytes
    names = [f"group1-shard{at + 1}of{len(shards)}.bin" for at in range(len(shards))]
    assert [shard.name for shard in shards] == names
    assert json.loads((tmp_path / "cut" / "model.json").read_bytes())["weightsManifest"][0]["paths"] == names


def test_a_graph_without_constants_has_no_manifest(tmp_path: Path) -> None:
    build = Builder(Graph(), NameAllocator())
    build.output("y", build.placeholder("x", TensorType("float32", None)))
    found = document(build.graph, tmp_path)
    assert found["weightsManifest"] == []
    assert found["signature"]["inputs"]["x"]["tensorShape"] == {"unknownRank": True}
    assert [file.name for file in tmp_path.iterdir()] == ["model.json"]


@pytest.mark.parametrize("alpha", [float("inf"), float("-inf"), float("nan")])
def test_an_attribute_that_json_lacks_is_refused(tmp_path: Path, alpha: float) -> None:
    build = Builder(Graph(), NameAllocator())
    (y,) = build.emit("LeakyRelu", build.placeholder("x", TensorType("float32", (1,))), name="leaky", alpha=alpha)
    build.output("y", y)
    with pytest.raises(InternalError, match=r"leaky \(LeakyRelu\): attribute alpha=.* can't be written"):
        write(build.graph, tmp_path, generator=GENERATOR)
    assert list(tmp_path.iterdir()) == []


def test_negative_zero_stays_negative(tmp_path: Path) -> None:
    build = Builder(Graph(), NameAllocator())
    (y,) = build.emit("LeakyRelu", build.placeholder("x", TensorType("float32", (1,))), name="leaky", alpha=-0.0)
    build.output("y", y)
    write(build.graph, tmp_path, generator=GENERATOR)
    assert b'"alpha":{"f":-0.0}' in (tmp_path / "model.json").read_bytes()


@pytest.mark.parametrize("dtype", ["float64", "int64", "int8", "bool"])
def test_values_that_can_not_stand_for_the_node_are_refused(dense: Graph, tmp_path: Path, dtype: str) -> None:
    dense.constants["b"] = np.zeros(4, dtype)
    with pytest.raises(InternalError, match=rf"b \(Const\): {dtype} values can't stand for float32"):
        write(dense, tmp_path, generator=GENERATOR)


def test_a_failure_leaves_no_document(dense: Graph, tmp_path: Path) -> None:
    (tmp_path / "group1-shard1of1.bin").mkdir()
    with pytest.raises(OSError, match="group1-shard1of1"):
        write(dense, tmp_path, generator=GENERATOR)
    assert [file.name for file in tmp_path.iterdir()] == ["group1-shard1of1.bin"]


def test_memory_stays_near_one_piece(dense: Graph, tmp_path: Path) -> None:
    turned = np.zeros((1000, 4000), np.float32).T
    dense.nodes["w"] = replace(dense.nodes["w"], outputs=(TensorType("float32", turned.shape),))
    dense.constants["w"] = turned
    tracemalloc.start()
    try:
        write(dense, tmp_path, generator=GENERATOR)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert turned.nbytes == 16_000_000
    assert peak < 5_000_000

import json

import numpy as np
import pytest
from graph_models import (
    BIAS,
    WEIGHTS,
    GraphModel,
    doubled,
    linear,
    many_outputs,
    negated,
    nonzero,
    scattered_constant,
    scattered_input,
)

from converter.errors import ConverterError, ParityError, RuntimeMissing
from converter.parity.agreement import Agreement
from converter.parity.compare import Tolerance
from converter.parity.inputs import Sample
from converter.parity.run import Candidate, Reference, check_parity
from converter.runtimes.base import RuntimeInfo
from converter.runtimes.catalog import CHROMIUM_RUNTIMES, NODE_RUNTIMES

RUNTIMES = tuple(name for name in (*NODE_RUNTIMES, *CHROMIUM_RUNTIMES) if name.startswith("tfjs-"))
DEVICES = {
    "cpu": "JavaScript",
    "wasm": "WebAssembly, SIMD, 1 thread",
    "webgl": "ANGLE (",
    "webgl-f16": "float16 textures",
    "webgpu": "swiftshader",
}
F16 = "tfjs-webgl-f16@chromium"


@pytest.fixture(scope="module", params=RUNTIMES)
def runtime(request, pool):
    runtime = pool.get(request.param)
    runtime.start()
    return runtime


@pytest.fixture
def wasm(pool):
    runtime = pool.get("tfjs-wasm@node")
    runtime.start()
    return runtime


def test_start_tells_versions_and_device(runtime):
    info = runtime.start()
    backend, place = info.name.removeprefix("tfjs-").split("@")
    assert info.name == runtime.name
    assert info.versions["tfjs"] == "4.22.0"
    assert set(info.versions) == {"tfjs", place}
    assert int(info.versions[place].split(".")[0]) >= 22
    assert DEVICES[backend] in info.device


@pytest.mark.parametrize("batch", [1, 7])
def test_dynamic_batch(runtime, tmp_path, batch):
    x = np.random.default_rng(batch).standard_normal((batch, 4)).astype(np.float32)
    model = runtime.load(linear().write(tmp_path))
    result = model.run({"x": x})
    np.testing.assert_allclose(result.outputs["y"], x @ WEIGHTS + BIAS, atol=2e-3 if runtime.name == F16 else 1e-6)
    assert result.outputs["y"].dtype == np.float32
    assert model.load_ms > 0
    assert result.predict_ms > 0
    model.close()


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "int8", "uint8"])
def test_integers_come_back_as_they_went(runtime, tmp_path, dtype):
    x = np.array([0, 1, 60], dtype)
    model = runtime.load(doubled(dtype).write(tmp_path))
    y = model.run({"x": x}).outputs["y"]
    model.close()
    assert y.dtype == dtype
    assert y.tolist() == [0, 2, 120]


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_come_back_as_they_went(runtime, tmp_path, dtype):
    model = runtime.load(doubled(dtype, "float32").write(tmp_path))
    y = model.run({"x": np.array([0.5, -3.0], dtype)}).outputs["y"]
    model.close()
    assert y.dtype == dtype
    assert y.tolist() == [1.0, -6.0]


def test_bool(runtime, tmp_path):
    model = runtime.load(negated().write(tmp_path))
    y = model.run({"x": np.array([True, False, True])}).outputs["y"]
    model.close()
    assert y.dtype == np.bool_
    assert y.tolist() == [False, True, False]


def test_data_dependent_shapes_run_asynchronously(runtime, tmp_path):
    x = np.array([[0, 1, 2], [3, 0, 0]], np.float32)
    model = runtime.load(nonzero().write(tmp_path))
    indices = model.run({"x": x}).outputs["indices"]
    model.close()
    assert indices.dtype == np.int64
    assert indices.tolist() == np.stack(np.nonzero(x)).tolist()


def test_names_and_order_of_outputs_are_the_models(runtime, tmp_path):
    model = runtime.load(many_outputs().write(tmp_path))
    outputs = model.run({"in:0/a b": np.array(3, np.float32)}).outputs
    model.close()
    assert list(outputs) == ["out:0/a b", "10", "2", "ünï/✓"]
    assert [value.tolist() for value in outputs.values()] == [3.0, -3.0, True, [7, 8]]
    assert all(isinstance(value, np.ndarray) for value in outputs.values())


def test_no_tensor_is_left(runtime, tmp_path):
    folders = [model.write(tmp_path / str(i)) for i, model in enumerate([linear(), nonzero()])]
    before = runtime.memory()
    models = [runtime.load(folder) for folder in folders]
    loaded = runtime.memory()
    for _ in range(3):
        models[0].run({"x": np.ones((2, 4), np.float32)})
        models[1].run({"x": np.eye(3, dtype=np.float32)})
    assert runtime.memory() == loaded
    for model in models:
        model.close()
    assert loaded["n_tensors"] > before["n_tensors"]
    assert runtime.memory() == before


def test_what_fails_leaves_no_tensor(runtime, tmp_path):
    broken = linear()
    broken.output("z", broken.node("what", "NoSuchOp", "product"), "float32", [])
    unfit = GraphModel()
    product = unfit.node("product", "MatMul", unfit.input("x", "float32", ["a", "b"]), unfit.const("w", WEIGHTS))
    unfit.output("y", product, "float32", ["a", 3])
    before = runtime.memory()
    with pytest.raises(ConverterError, match="NoSuchOp") as refused:
        runtime.load(broken.write(tmp_path / "broken")).run({"x": np.ones((1, 4), np.float32)})
    model = runtime.load(unfit.write(tmp_path / "unfit"))
    with pytest.raises(ConverterError, match="inner shapes"):
        model.run({"x": np.ones((1, 9), np.float32)})
    model.close()
    assert refused.value.where == runtime.name
    assert refused.value.exit_code == 1
    assert runtime.memory()["n_tensors"] - before["n_tensors"] in (0, 2)  # `broken` is loaded still: w and b


def test_weights_of_a_refused_graph_are_freed(runtime, tmp_path):
    folder = linear().write(tmp_path)
    document = json.loads((folder / "model.json").read_text())
    document["modelTopology"]["node"][2]["input"].append("nowhere")
    (folder / "model.json").write_text(json.dumps(document))
    before = runtime.memory()
    with pytest.raises(ConverterError) as refused:
        runtime.load(folder)
    assert refused.value.where == runtime.name
    assert runtime.memory() == before


@pytest.mark.parametrize(
    "shard",
    ["../secret.bin", "/etc/hostname", "a/../../secret.bin", "..\\secret.bin", "http://127.0.0.1/x.bin", "link.bin"],
)
@pytest.mark.parametrize("name", ["tfjs-wasm@node", "tfjs-wasm@chromium"])
def test_shards_outside_the_folder_are_refused(pool, tmp_path, name, shard):
    (tmp_path / "secret.bin").write_bytes(bytes(48))
    model = linear().as_json()
    model["weightsManifest"][0]["paths"] = [shard]
    folder = linear().write(tmp_path / "model")
    (folder / "model.json").write_text(json.dumps(model))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    runtime = pool.get(name)
    runtime.start()
    with pytest.raises(ConverterError, match="leaves the model's folder") as refused:
        runtime.load(folder)
    assert refused.value.where == name


@pytest.mark.parametrize("damage", ["missing shard", "short shard", "no json", "no model", "no manifest"])
def test_damaged_folders_are_refused(runtime, tmp_path, damage):
    folder = linear().write(tmp_path)
    if damage == "missing shard":
        (folder / "group1-shard1of1.bin").unlink()
    elif damage == "short shard":
        (folder / "group1-shard1of1.bin").write_bytes(bytes(8))
    elif damage == "no json":
        (folder / "model.json").write_text("{")
    elif damage == "no model":
        (folder / "model.json").unlink()
    else:
        (folder / "model.json").write_text("{}")
    before = runtime.memory()
    with pytest.raises(ConverterError) as refused:
        runtime.load(folder)
    assert refused.value.where == runtime.name
    assert refused.value.exit_code == 1
    assert runtime.memory() == before


def test_a_model_without_our_metadata_is_refused_and_freed(wasm, tmp_path):
    folder = linear().write(tmp_path)
    document = linear().as_json()
    del document["userDefinedMetadata"]
    (folder / "model.json").write_text(json.dumps(document))
    before = wasm.memory()
    with pytest.raises(ConverterError, match="userDefinedMetadata"):
        wasm.load(folder)
    assert wasm.memory() == before


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"the inputs are \[\], the model takes \['x'\]"),
        ({"x": np.array([1 << 31])}, "don't fit int32"),
        ({"x": np.array([-(1 << 31) - 1])}, "don't fit int32"),
        ({"x": np.array([1], np.int32)}, "the array is int32, the model takes int64"),
        ({"x": np.array([[1]])}, r"the shape is \(1, 1\), the model takes \(n\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(wasm, tmp_path, inputs, message):
    model = wasm.load(doubled("int64").write(tmp_path))
    with pytest.raises(ConverterError, match=message):
        model.run(inputs)
    model.close()


def test_the_ends_of_int32_fit(wasm, tmp_path):
    model = GraphModel()
    model.output("y", model.input("x", "int64", ["n"], stored="int32"), "int64", ["n"], stored="int32")
    loaded = wasm.load(model.write(tmp_path))
    ends = np.array([-(1 << 31), (1 << 31) - 1])
    assert loaded.run({"x": ends}).outputs["y"].tolist() == ends.tolist()
    loaded.close()


def test_webgpu_faults_are_errors_not_zeros(pool, tmp_path):
    """TF.js 4.22 writes invalid WGSL for an int32 transpose of rank 3, and hands out zeros."""
    model = GraphModel()
    x = model.input("x", "int32", ["a", "b", "c"])
    moved = model.node("moved", "Transpose", x, model.const("perm", np.array([2, 1, 0], np.int32)))
    model.output("y", moved, "int32", ["c", "b", "a"])
    runtime = pool.get("tfjs-webgpu@chromium")
    runtime.start()
    loaded = runtime.load(model.write(tmp_path))
    with pytest.raises(ConverterError, match="the device reported"):
        loaded.run({"x": np.arange(4096, dtype=np.int32).reshape(16, 16, 16)})
    loaded.close()
    healthy = runtime.load(linear().write(tmp_path / "healthy"))
    healthy.run({"x": np.ones((1, 4), np.float32)})
    healthy.close()


def test_two_runtimes_hold_the_same_model_at_once(pool, tmp_path):
    folder, x = linear().write(tmp_path), np.ones((2, 4), np.float32)
    models = [pool.get(name) for name in ("tfjs-cpu@node", "tfjs-wasm@node")]
    for runtime in models:
        runtime.start()
    loaded = [runtime.load(folder) for runtime in models]
    first, second = (model.run({"x": x}).outputs["y"] for model in loaded)
    np.testing.assert_allclose(first, second, rtol=1e-6)
    for model in loaded:
        model.close()


def test_float16_textures_are_of_one_page_only(pool, tmp_path):
    x = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    gaps = {}
    for name in (F16, "tfjs-webgl@chromium"):
        model = pool.get(name).load(linear().write(tmp_path))
        gaps[name] = np.abs(model.run({"x": x}).outputs["y"] - (x @ WEIGHTS + BIAS)).max()
        model.close()
    assert 1e-5 < gaps[F16] < 5e-3  # a half has 11 bits
    assert gaps["tfjs-webgl@chromium"] < 1e-6
    assert "float16" not in pool.get("tfjs-webgl@chromium").start().device


def test_a_stopped_runtime_says_so_and_starts_again(pool, tmp_path):
    runtime = pool.get("tfjs-cpu@chromium")
    runtime.start()
    model = runtime.load(linear().write(tmp_path))
    runtime.close()
    with pytest.raises(RuntimeMissing, match="was not started"):
        model.run({"x": np.ones((1, 4), np.float32)})
    model.close()
    runtime.start()
    runtime.load(tmp_path).close()


@pytest.mark.parametrize("name", ["tfjs-cpu@chromium", "tfjs-wasm@chromium"])
def test_more_shards_than_a_browser_fetches_at_once(pool, tmp_path, name):
    n_shards, shard_bytes = 9, 4 << 20
    document = linear().as_json()
    group = document["weightsManifest"][0]
    content = b"".join(values.tobytes() for values in linear().constants.values())
    n_spare = (n_shards * shard_bytes - len(content)) // 4
    group["weights"].append({"name": "spare", "shape": [n_spare], "dtype": "float32"})
    group["paths"] = [f"{index}.bin" for index in range(n_shards)]
    content += bytes(4 * n_spare)
    for index, path in enumerate(group["paths"]):
        (tmp_path / path).write_bytes(content[index * shard_bytes : (index + 1) * shard_bytes])
    (tmp_path / "model.json").write_text(json.dumps(document))
    model = pool.get(name).load(tmp_path)
    y = model.run({"x": np.ones((1, 4), np.float32)}).outputs["y"]
    model.close()
    np.testing.assert_allclose(y, np.ones((1, 4)) @ WEIGHTS + BIAS, atol=1e-6)


X = np.array([[1], [2], [3], [4]], np.float32)
OVERWRITTEN = 'the model overwrites its input: element 1 of "x" was 2 and is 100 after the run'


def parity_of(runtime, model, wanted):
    reference = Reference(RuntimeInfo("numpy", {}, "cpu"), {"x": wanted})
    agreement = Agreement.everywhere(Tolerance(1e-2 if runtime.name == F16 else 1e-6, 0))
    return check_parity(reference, [Candidate(runtime, model)], [Sample("x", {"x": X})], agreement)


def test_a_model_that_overwrites_its_input_fails_parity(runtime, tmp_path):
    wanted = {"y": np.array([[1], [100], [3], [200]], np.float32)}
    report = parity_of(runtime, scattered_input().write(tmp_path), wanted)
    if not runtime.name.startswith("tfjs-cpu@"):
        assert report.passed, str(report.runtimes[0])
        return
    with pytest.raises(ParityError) as caught:
        report.raise_if_failed()
    assert f"{runtime.name}: {runtime.name}: {OVERWRITTEN}" in str(caught.value)


def test_a_model_that_overwrites_a_constant_fails_parity(runtime, tmp_path):
    wanted = {
        "y": np.array([[11], [22], [33], [44]], np.float32),
        "s": np.array([[10], [11], [30], [22]], np.float32),
    }
    report = parity_of(runtime, scattered_constant().write(tmp_path), wanted)
    if not runtime.name.startswith("tfjs-cpu@"):
        assert report.passed, str(report.runtimes[0])
        return
    with pytest.raises(ParityError) as caught:
        report.raise_if_failed()
    gap = "2 of 4 values of output y differ, by up to 18"
    assert f"{runtime.name}: x: a second run on the same inputs gives other outputs: {gap}" in str(caught.value)


def test_inputs_of_every_kind_are_found_unchanged(runtime, tmp_path):
    model = GraphModel()
    given = {
        "f": np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 3e38, -1e-5, 1 / 3], np.float32),
        "i": np.array([2**31 - 1, -(2**31), 16777217, 0, 5], np.int32),
        "b": np.array([True, False, True]),
        "e": np.zeros((0, 3), np.float32),
    }
    for key, array in given.items():
        model.output(f"{key}_out", model.input(key, array.dtype.name, list(array.shape)), array.dtype.name, [None])
    sums = [model.node(f"sum{i}", "AddV2", f"in{i}", f"in{i}") for i in (0, 1)]
    for name, dtype in zip(sums, ("float32", "int32"), strict=True):
        model.output(name, name, dtype, [None])
    loaded = runtime.load(model.write(tmp_path))
    try:
        assert loaded.run(given).outputs["b_out"].tolist() == [True, False, True]
    finally:
        loaded.close()

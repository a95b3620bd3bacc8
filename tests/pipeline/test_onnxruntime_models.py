"""Files from onnxruntime's optimizer and quantizer convert, and agree with it."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from converter.cli import main
from converter.errors import UnsupportedError
from converter.onnx_model import load
from converter.pipeline.compile import compile_onnx, write_graph
from converter.runtimes import RuntimePool
from converter.runtimes.onnxruntime_ import OnnxRuntime
from tests.pipeline import onnxruntime_models as models

RUNTIMES = ("tfjs-cpu@node", "tfjs-wasm@node")
EXTENDED, ALL = "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def bert(folder: Path) -> Path:
    return models.exported_bert(folder / "bert.onnx")


@pytest.fixture(scope="module")
def images(folder: Path) -> Path:
    return models.exported_images(folder / "images.onnx")


def operators(path: Path) -> set[str]:
    return {node.op_type for node in onnx.load(path).graph.node if node.domain == "com.microsoft"}


def tokens(batch: int, length: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(batch)
    mask = (np.arange(length) < rng.integers(1, length + 1, (batch, 1))).astype(np.int64)
    ids, segments = rng.integers(0, models.WORDS, mask.shape), rng.integers(0, 2, mask.shape)
    return dict(zip(models.TOKENS, (ids, segments, mask), strict=True))


def pixels(batch: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(batch).standard_normal((batch, 3, 16, 16)).astype(np.float32)}


def largest_error(path: Path, inputs: list[dict[str, np.ndarray]], pool: RuntimePool, folder: Path) -> float:
    """The largest difference from onnxruntime, over the inputs and the runtimes."""
    write_graph(compile_onnx(load(path)), folder)
    reference, errors = OnnxRuntime().load(path.read_bytes()), []
    for runtime in RUNTIMES:
        model = pool.get(runtime).load(folder)
        for one in inputs:
            wanted, got = reference.run(one).outputs, model.run(one).outputs
            assert {name: (a.dtype, a.shape) for name, a in got.items()} == {
                name: (a.dtype, a.shape) for name, a in wanted.items()
            }
            errors += [float(np.abs(got[name] - array).max()) for name, array in wanted.items()]
        model.close()
    return max(errors)


@pytest.mark.parametrize("way", ["fused", "extended"])
def test_an_optimized_bert_passes_parity(way: str, bert: Path, tmp_path: Path) -> None:
    file = tmp_path / "bert.onnx"
    if way == "fused":
        models.fused_bert(bert, file)
        assert operators(file) == {"Attention", "BiasGelu", "EmbedLayerNormalization", "SkipLayerNormalization"}
    else:
        models.optimized(bert, file, EXTENDED)
        assert operators(file) == {"BiasGelu", "FusedGemm", "FusedMatMul"}
    samples = {
        f"{at}/{name}": array for at, size in enumerate([(1, 8), (3, 5)]) for name, array in tokens(*size).items()
    }
    np.savez(tmp_path / "tokens.npz", **samples)
    flags = ["--artifacts", str(tmp_path), "--quiet", "--runtimes", ",".join(RUNTIMES), "--size", "sequence=8"]
    assert main(["convert", str(file), "--samples", str(tmp_path / "tokens.npz"), *flags]) == 0
    parity = json.loads((tmp_path / "bert" / "0.1.0" / "parity.json").read_bytes())
    assert parity["reference"]["name"] == "onnxruntime"
    assert {one["name"]: one["status"] for one in parity["runtimes"]} == dict.fromkeys(RUNTIMES, "passed")


@pytest.mark.parametrize("level", [None, EXTENDED])
def test_a_quantized_bert_agrees(level: str | None, bert: Path, tmp_path: Path, pool: RuntimePool) -> None:
    fused = models.fused_bert(bert, tmp_path / "fused.onnx")
    file = models.dynamically_quantized(fused, tmp_path / "quantized.onnx")
    assert operators(file) == {"BiasGelu", "QAttention", "QEmbedLayerNormalization", "SkipLayerNormalization"}
    if level is not None:
        file = models.optimized(file, tmp_path / "saved.onnx", level)
        assert "DynamicQuantizeMatMul" in operators(file)
    assert largest_error(file, [tokens(1, 8), tokens(3, 5)], pool, tmp_path / "graph") < 1e-5


QUANTIZED_IMAGES = {
    "QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QGemm",
    "QLinearSoftmax",
}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "activations", "level", "found"),
    [
        pytest.param("QOperator", "QUInt8", None, QUANTIZED_IMAGES, id="operators"),
        pytest.param("QOperator", "QInt8", None, QUANTIZED_IMAGES, id="operators-int8"),
        pytest.param("QOperator", "QUInt8", ALL, QUANTIZED_IMAGES | {"QLinearConv"}, id="channels-last"),
        pytest.param("QDQ", "QUInt8", None, set(), id="pairs"),
        pytest.param("QDQ", "QUInt8", EXTENDED, QUANTIZED_IMAGES, id="pairs-fused"),
        pytest.param("QDQ", "QUInt16", None, {"QuantizeLinear", "DequantizeLinear"}, id="pairs-of-16-bits"),
    ],
)
def test_a_quantized_cnn_agrees_within_one_step(
    form: str, activations: str, level: str | None, found: set[str], images: Path, tmp_path: Path, pool: RuntimePool
) -> None:
    """One step: a sum that falls on a tie may round the other way, as float32 sums differ in their order."""
    file = models.statically_quantized(images, tmp_path / "quantized.onnx", form, activations)
    if level is not None:
        file = models.optimized(file, tmp_path / "saved.onnx", level)
    assert operators(file) == found
    assert largest_error(file, [pixels(1), pixels(4)], pool, tmp_path / "graph") <= 1 / 255 + 1e-6


def test_a_fused_cnn_agrees(images: Path, tmp_path: Path, pool: RuntimePool) -> None:
    file = models.optimized(images, tmp_path / "fused.onnx", EXTENDED)
    assert "FusedConv" in operators(file)
    assert largest_error(file, [pixels(1), pixels(4)], pool, tmp_path / "graph") < 1e-6


def test_a_file_laid_out_for_a_processor_is_refused_with_the_remedy(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = models.optimized(images, tmp_path / "laid-out.onnx", ALL)
    with pytest.raises(
        UnsupportedError, match=r"com\.microsoft\.nchwc::Conv\): onnxruntime's optimizer laid"
    ) as refused:
        compile_onnx(load(file))
    assert "ORT_ENABLE_EXTENDED" in refused.value.hint
    assert "since 0" not in str(refused.value)
    main(["inspect", str(file)])
    printed = capsys.readouterr().out
    assert "com.microsoft.nchwc::Conv: onnxruntime's optimizer laid" in printed
    assert "since 0" not in printed


def _with(path: Path, change: Callable[[onnx.ModelProto], None], new: Path) -> Path:
    model = onnx.load(path)
    change(model)
    new.write_bytes(model.SerializeToString())
    return new


def test_an_import_that_a_file_lacks_is_made_up_for(images: Path, tmp_path: Path, pool: RuntimePool) -> None:
    def forget(model: onnx.ModelProto) -> None:
        kept = [entry for entry in model.opset_import if entry.domain != "com.microsoft"]
        del model.opset_import[:]
        model.opset_import.extend(kept)

    fused = models.optimized(images, tmp_path / "fused.onnx", EXTENDED)
    file = _with(fused, forget, tmp_path / "forgetful.onnx")
    assert largest_error(file, [pixels(2)], pool, tmp_path / "graph") < 1e-6


def test_another_contributed_operator_is_refused_by_its_name(images: Path, tmp_path: Path) -> None:
    def rename(model: onnx.ModelProto) -> None:
        next(node for node in model.graph.node if node.op_type == "FusedConv").op_type = "NhwcFusedConv"

    fused = models.optimized(images, tmp_path / "fused.onnx", EXTENDED)
    with pytest.raises(
        UnsupportedError, match=r"\(com\.microsoft::NhwcFusedConv\): only some of onnxruntime's"
    ) as refused:
        compile_onnx(load(_with(fused, rename, tmp_path / "other.onnx")))
    assert "since 0" not in str(refused.value)
    assert "optimizer" in refused.value.hint


@pytest.mark.parametrize("level", [None, EXTENDED])
def test_a_quantized_lstm_agrees(level: str | None, tmp_path: Path, pool: RuntimePool) -> None:
    source = models.exported_sequences(tmp_path / "sequences.onnx")
    file = models.dynamically_quantized(source, tmp_path / "quantized.onnx")
    if level is not None:
        file = models.optimized(file, tmp_path / "saved.onnx", level)
    assert operators(file) == {"DynamicQuantizeLSTM"} | (set() if level is None else {"DynamicQuantizeMatMul"})
    rng = np.random.default_rng(2)
    inputs = [{"x": rng.standard_normal((5, batch, 6)).astype(np.float32)} for batch in (1, 3)]
    assert largest_error(file, inputs, pool, tmp_path / "graph") < 1e-5

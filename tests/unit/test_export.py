import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from converter.checkpoint import load_module, resolve_factory
from converter.checkpoint.factory import build
from converter.checkpoint.quiet import torch_is_quiet
from converter.config import TensorSpec
from converter.errors import ConfigError, UnsupportedError
from converter.export import Exporter, onnx_from_module
from converter.forward import tensors_of

IMAGE = TensorSpec(name="image", shape=("batch", 3, "height", "width"))
PAIR = (TensorSpec(name="left", shape=("batch", 3)), TensorSpec(name="right", shape=("batch", 3)))


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.relu(self.norm(self.conv(x)))
        return y.mean((2, 3)), y


class Add(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + 2 * b


def dims(value: onnx.ValueInfoProto) -> list[int | str]:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]


def run(model: onnx.ModelProto, *arrays: np.ndarray) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in model.graph.input]
    return session.run(None, dict(zip(names, arrays, strict=True)))


def test_named_dimensions_stay_dynamic_and_keep_their_names() -> None:
    torch.manual_seed(0)
    network = Cnn().eval()
    model = onnx_from_module(network, [IMAGE], ["pooled", "maps"], opset=18)
    assert dims(model.graph.input[0]) == ["batch", 3, "height", "width"]
    assert dims(model.graph.output[0]) == ["batch", 4]
    assert [value.name for value in model.graph.output] == ["pooled", "maps"]
    for shape in ((1, 3, 8, 9), (6, 3, 21, 40)):
        x = np.random.default_rng(0).random(shape, dtype=np.float32)
        with torch.no_grad():
            wanted = network(torch.from_numpy(x))
        for got, want in zip(run(model, x), wanted, strict=True):
            np.testing.assert_allclose(got, want.numpy(), atol=1e-5)


def test_outputs_are_named_by_default() -> None:
    assert [v.name for v in onnx_from_module(Add(), PAIR).graph.output] == ["output"]
    assert [v.name for v in onnx_from_module(Cnn().eval(), [IMAGE]).graph.output] == ["output_0", "output_1"]


def test_inputs_are_given_in_order_under_their_names() -> None:
    model = onnx_from_module(Add(), PAIR, ["sum"])
    assert [dims(value) for value in model.graph.input] == [["batch", 3], ["batch", 3]]
    left, right = np.ones((2, 3), np.float32), np.full((2, 3), 5, np.float32)
    np.testing.assert_array_equal(run(model, left, right)[0], left + 2 * right)


def test_nothing_tells_where_the_model_was_made() -> None:
    model = onnx_from_module(Cnn().eval(), [IMAGE])
    data = model.SerializeToString()
    for trace in (b"stack_trace", b"namespace", b"pkg.torch", b"Cnn", b".py", str(Path.cwd()).encode()):
        assert trace not in data
    assert model.producer_name == "pytorch"
    assert not model.doc_string
    assert not model.graph.metadata_props


@pytest.mark.parametrize("opset", [18, 20, 23])
def test_the_opset_is_the_one_asked_for(opset: int) -> None:
    model = onnx_from_module(Cnn().eval(), [IMAGE], opset=opset)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", opset)]


def test_an_opset_that_torch_lacks_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="not 99") as caught:
        onnx_from_module(Add(), PAIR, opset=99)
    assert caught.value.where == "export.opset"


def test_exporting_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    onnx_from_module(Add(), PAIR)
    assert capfd.readouterr() == ("", "")


SCRIPT = """
import hashlib, torch
from torch import nn
from converter.config import TensorSpec
from converter.export import Exporter, onnx_from_module

torch.manual_seed(3)
layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.GELU(), nn.Flatten(), nn.Linear(144, 5), nn.Softmax(-1)]
model = onnx_from_module(nn.Sequential(*layers).eval(), [TensorSpec(name="image", shape=("batch", 3, 8, 8))])
print(hashlib.sha256(model.SerializeToString()).hexdigest())
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_an_exported_program_exports_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, batch = Cnn().eval(), torch.export.Dim("n")
    with torch_is_quiet():
        program = torch.export.export(network, (torch.rand(2, 3, 8, 8),), dynamic_shapes=({0: batch},))
        torch.export.save(program, tmp_path / "cnn.pt2")
    module = load_module(tmp_path / "cnn.pt2", None).module
    model = onnx_from_module(module, [TensorSpec(name="image", shape=("batch", 3, 8, 8))])
    assert dims(model.graph.input[0]) == ["batch", 3, 8, 8]
    x = np.random.default_rng(0).random((5, 3, 8, 8), dtype=np.float32)
    with torch.no_grad():
        np.testing.assert_allclose(run(model, x)[0], network(torch.from_numpy(x))[0].numpy(), atol=1e-5)


def test_a_dimension_that_needs_a_certain_size_gets_one() -> None:
    class Patches(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.unflatten(1, (-1, 16)).mean(2)

    model = onnx_from_module(Patches(), [TensorSpec(name="wave", shape=("batch", "sample"))])
    assert dims(model.graph.input[0]) == ["batch", "sample"]
    assert run(model, np.ones((2, 48), np.float32))[0].shape == (2, 3)


def test_integer_inputs_are_drawn_within_their_range() -> None:
    spec = TensorSpec(name="ids", dtype="int64", shape=("batch", "token"), low=0, high=9)
    model = onnx_from_module(nn.Embedding(10, 4), [spec])
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.INT64
    assert dims(model.graph.output[0]) == ["batch", "token", 4]


def test_a_forward_with_star_args() -> None:
    class Sum(nn.Module):
        def forward(self, first: Tensor, *rest: Tensor) -> Tensor:
            return first + sum(rest)

    model = onnx_from_module(Sum(), [*PAIR, TensorSpec(name="third", shape=("batch", 1))])
    assert [dims(value) for value in model.graph.input] == [["batch", 3], ["batch", 3], ["batch", 1]]


class Fixed(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (a * 2 if a.shape[0] == 5 else a) + b


class Unrolled(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        for row in a.unbind(0):
            b = b + row
        return b


@pytest.mark.parametrize("network", [Fixed(), Unrolled()], ids=["branch", "loop"])
def test_a_dimension_that_the_code_fixes_is_named(network: nn.Module) -> None:
    with pytest.raises(ConfigError, match="can't be dynamic: batch of left") as caught:
        onnx_from_module(network, PAIR)
    assert caught.value.exit_code == 2
    assert "as a number" in caught.value.hint


@pytest.mark.parametrize(
    ("specs", "complaint"),
    [
        pytest.param(
            [TensorSpec(name="image", shape=("batch", 4, 8, 8))],
            r"doesn't accept image float32\[batch, 4, 8, 8\]: .*expected input\[5, 4, 8, 8\] to have 3 channels",
            id="channels",
        ),
        pytest.param([TensorSpec(name="image", shape=("batch", 3))], r"image float32\[batch, 3\]", id="rank"),
        pytest.param([IMAGE.model_copy(update={"dtype": "int64"})], "image int64", id="dtype"),
        pytest.param([IMAGE, IMAGE.model_copy(update={"name": "other"})], "2 are declared: image, other", id="count"),
        pytest.param([], "inputs are unknown", id="none"),
    ],
)
def test_inputs_that_do_not_fit_are_named_with_torchs_complaint(specs: list[TensorSpec], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        onnx_from_module(Cnn().eval(), specs)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_bounds_that_do_not_fit_the_last_dimension() -> None:
    spec = TensorSpec(name="left", shape=("batch", 3), low=(0.0, 1.0), high=(2.0, 3.0))
    with pytest.raises(ConfigError, match="low and high don't fit") as caught:
        onnx_from_module(Add(), [spec, PAIR[1]])
    assert caught.value.where == "inputs.left"


@pytest.mark.parametrize(
    ("names", "complaint"), [(["one"], r"1 name\(s\) for 2 output\(s\)"), (["a", "a"], "a name is given twice")]
)
def test_output_names_that_do_not_fit(names: list[str], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        onnx_from_module(Cnn().eval(), [IMAGE], names)


def test_control_flow_over_values_is_unsupported(capfd: pytest.CaptureFixture[str]) -> None:
    class Branch(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a if a.sum() > b.sum() else b

    with pytest.raises(UnsupportedError, match="data-dependent") as caught:
        onnx_from_module(Branch(), PAIR)
    assert caught.value.exit_code == 4
    assert "control flow" in caught.value.hint
    assert capfd.readouterr() == ("", "")


def test_an_operator_that_onnx_lacks_is_named() -> None:
    class Svd(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return torch.linalg.svd(a)[1] + b

    with pytest.raises(UnsupportedError, match="svd"):
        onnx_from_module(Svd(), PAIR)


def test_an_lstm_with_a_projection_is_refused_with_the_reason() -> None:
    network = nn.Sequential(nn.LSTM(3, 6, proj_size=2, batch_first=True))
    with pytest.raises(UnsupportedError, match="ONNX has no LSTM with a projection") as caught:
        onnx_from_module(network, [TensorSpec(name="wave", shape=("batch", 4, 3))])
    assert (caught.value.where, caught.value.exit_code) == ("module 0", 4)
    assert "without proj_size" in caught.value.hint


@pytest.mark.parametrize("result", [3, "text", None, (), {"a": None}])
def test_networks_must_return_tensors(result: object) -> None:
    class Odd(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> object:
            return result

    with pytest.raises(UnsupportedError, match="the network returns"):
        onnx_from_module(Odd(), PAIR)


def test_nested_results_are_flattened_in_order_and_none_is_passed_over() -> None:
    class Nested(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> dict[str, object]:
            return {"z": a + 1, "nothing": None, "a": [b + 2, (b + 3, a)]}

    model = onnx_from_module(Nested(), PAIR, ["z", "b2", "b3", "same"])
    a, b = np.zeros((2, 3), np.float32), np.full((2, 3), 10, np.float32)
    assert [float(array[0, 0]) for array in run(model, a, b)] == [1, 12, 13, 0]
    tensors = tensors_of(Nested()(torch.from_numpy(a), torch.from_numpy(b)))
    assert [float(tensor[0, 0]) for tensor in tensors] == [1, 12, 13, 0]


def test_older_exporter_writes_what_older_readers_can_read() -> None:
    torch.manual_seed(0)
    module = Cnn().eval()
    model = onnx_from_module(module, (IMAGE,), ("mean", "map"), opset=12, exporter="torchscript")
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 12)]
    assert [dims(value) for value in model.graph.input] == [["batch", 3, "height", "width"]]
    assert [value.name for value in model.graph.output] == ["mean", "map"]
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)
    image = np.random.default_rng(0).random((2, 3, 9, 14), np.float32)
    with torch.no_grad():
        expected = module(torch.from_numpy(image))
    for found, wanted in zip(run(model, image), expected, strict=True):
        np.testing.assert_allclose(found, wanted.numpy(), atol=1e-6)


class Bags(nn.Module):
    def __init__(self, mode: str, padding_idx: int | None) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(9, 4, mode=mode, padding_idx=padding_idx)

    def forward(self, ids: Tensor) -> Tensor:
        return self.bag(ids)


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize(("mode", "padding"), [("sum", None), ("mean", 3), ("max", -6)])
def test_bags_of_one_size_need_no_loop(mode: str, padding: int | None, exporter: Exporter) -> None:
    torch.manual_seed(0)
    network = Bags(mode, padding).eval()
    spec = TensorSpec(name="ids", dtype="int64", shape=("batch", 5), low=0, high=8)
    model = onnx_from_module(network, [spec], ["y"], opset=18, exporter=exporter)
    assert not {"Loop", "If"} & {node.op_type for node in model.graph.node}
    for ids in ([[3] * 5, [1, 3, 3, 0, 8]], [[2, 2, 7, 3, 1]]):
        (found,) = run(model, np.asarray(ids, np.int64))
        np.testing.assert_allclose(found, network(torch.tensor(ids)).detach().numpy(), rtol=1e-5, atol=1e-6)


ODD = """from torch import nn


class Odd(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x
"""


def test_code_that_torch_cannot_export_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(ODD)
    network = build(resolve_factory("odd.py:Odd", tmp_path), {})
    with pytest.raises(UnsupportedError) as caught:
        onnx_from_module(network, [TensorSpec(name="x", shape=("batch", 3))], (), opset=18)
    assert caught.value.where == "odd.py, line 6: if x.sum() > 0:"

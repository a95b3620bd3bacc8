"""A fault that was planted on purpose is found at its node, and what is written about it fails by itself."""

import json
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from converter.cli import main
from converter.config import TOLERANCES
from converter.errors import ArtifactError, CheckpointError, ConfigError, RuntimeMissing
from converter.fileio import read_safetensors
from converter.onnx_model import nodes_of
from converter.parity.compare import Tolerance
from converter.pipeline.bisect import BisectOutcome, bisect
from converter.pipeline.events import StepFinished
from converter.pipeline.reproducer import EXPECTED_NAME, INPUTS_NAME, MODEL_NAME
from converter.pipeline.target import Target, open_target
from converter.tfjs.passes import PASSES
from tests.pipeline.planted import faulty_registry, forgetful_fusion, upside_down

NODE, CHROMIUM = "tfjs-wasm@node", "tfjs-webgl@chromium"
MLP = """
<ir_version: 10, opset_import: ["" : 18]>
mlp (float[batch, 3] x) => (float[batch, 2] y)
<float[3, 4] w = {0.5, -0.25, 1.0, 2.0, -1.5, 0.75, 1, 2, 3, 4, 5, 6}, float[4] b = {0.1, -0.2, 3, 4},
 float[4, 2] v = {1, 2, 3, 4, 5, 6, 7, 8}>
{
    h = MatMul(x, w)
    s = Add(h, b)
    a = Relu(s)
    z = MatMul(a, v)
    y = Sigmoid(z)
}
"""


@pytest.fixture
def mlp(tmp_path: Path) -> Target:
    path = tmp_path / "mlp.onnx"
    onnx.save(parser.parse_model(MLP), path)
    return open_target(path)


@pytest.fixture(scope="module")
def crepe(tmp_path_factory: pytest.TempPathFactory) -> Target:
    from fetch import fetch

    from tests.pipeline.test_real_models import CREPE

    root = tmp_path_factory.mktemp("crepe")
    flags = ["--name", "crepe", "--artifacts", str(root), "--no-verify", "--quiet"]
    assert main(["convert", str(fetch("crepe-tiny")), *CREPE, *flags]) == 0
    return open_target(root / "crepe" / "0.1.0")


@pytest.fixture
def ppocr(model_file) -> Target:
    return open_target(model_file("ppocr-cls"), flags={"inputs": [{"name": "x", "shape": ["batch", 3, 48, 192]}]})


def nth(target: Target, op: str, n: int) -> str:
    """The name of the nth node of an operator."""
    return [node.name for node in nodes_of(target.onnx) if node.op == op][n]


def assert_fails_alone(outcome: BisectOutcome, folder: Path, op: str, node: str, **spoil) -> None:
    """The reproducer is one node, diverges where the fault is, and agrees where it is not."""
    assert outcome.write_reproducer(folder)
    assert [one.op_type for one in onnx.load(folder / MODEL_NAME).graph.node] == [op]
    limits = outcome.divergence.piece.tolerance
    again = open_target(folder / MODEL_NAME, inputs=folder / INPUTS_NAME, atol=limits.atol, rtol=limits.rtol)
    found = bisect(again, outcome.info.name, registry=faulty_registry(op, node, **spoil)).divergence
    assert found is not None
    assert found.node.op == op
    assert found.is_alone
    assert bisect(again, outcome.info.name).divergence is None
    assert read_safetensors(folder / EXPECTED_NAME)[0].keys() == set(found.node.outputs)


def test_a_right_model_agrees(mlp: Target) -> None:
    told = []
    outcome = bisect(mlp, NODE, emit=told.append)
    assert outcome.divergence is None
    assert outcome.as_json()["status"] == "agrees"
    assert [event.note for event in told if isinstance(event, StepFinished)] == [f"{len(mlp.samples)} samples agree"]


@pytest.mark.parametrize(
    ("op", "n", "runtime"),
    [
        ("MatMul", 0, NODE),
        ("Add", 0, NODE),
        ("Relu", 0, NODE),
        ("MatMul", 1, NODE),
        ("Sigmoid", 0, NODE),
        ("MatMul", 1, CHROMIUM),
    ],
)
def test_mlp(mlp: Target, tmp_path: Path, op: str, n: int, runtime: str) -> None:
    node = nth(mlp, op, n)
    outcome = bisect(mlp, runtime, registry=faulty_registry(op, node))
    found = outcome.divergence
    assert found is not None
    assert (found.node.name, found.pass_name) == (node, None)
    assert found.is_alone
    assert_fails_alone(outcome, tmp_path / "repro", op, node)


@pytest.mark.parametrize(("op", "n", "runtime"), [("Conv", 2, NODE), ("MaxPool", 4, NODE), ("Conv", 1, CHROMIUM)])
def test_crepe(crepe: Target, tmp_path: Path, op: str, n: int, runtime: str) -> None:
    node = nth(crepe, op, n)
    outcome = bisect(crepe, runtime, registry=faulty_registry(op, node))
    assert outcome.divergence is not None
    assert outcome.divergence.node.name == node
    assert_fails_alone(outcome, tmp_path / "repro", op, node)


@pytest.mark.parametrize(
    ("op", "n", "runtime"), [("HardSigmoid", 3, NODE), ("BatchNormalization", 20, NODE), ("Conv", 30, CHROMIUM)]
)
def test_model_of_566_nodes(ppocr: Target, tmp_path: Path, op: str, n: int, runtime: str) -> None:
    assert len(nodes_of(ppocr.onnx)) >= 100
    node = nth(ppocr, op, n)
    outcome = bisect(ppocr, runtime, registry=faulty_registry(op, node))
    assert outcome.divergence is not None
    assert outcome.divergence.node.name == node
    assert_fails_alone(outcome, tmp_path / "repro", op, node)


def test_the_finding_says_what_a_person_needs(mlp: Target, tmp_path: Path) -> None:
    node = nth(mlp, "Relu", 0)
    outcome = bisect(mlp, NODE, registry=faulty_registry("Relu", node, spoil=upside_down))
    found = outcome.as_json()["divergence"]
    assert (found["node"], found["op"], found["value"], found["pass"]) == (node, "Relu", "a", None)
    assert found["inputs"] == [{"name": "s", "dtype": "float32", "shape": [1, 4]}]
    assert found["fails_alone"]
    assert found["bad"] > 0
    assert found["max_abs"] > 0
    outcome.write_reproducer(tmp_path / "repro")
    text = (tmp_path / "repro" / "README.md").read_text()
    assert node in text
    assert "compat-export bisect repro.onnx --samples inputs.safetensors --runtime tfjs-wasm@node" in text


def test_a_fault_of_a_pass_is_its_own(mlp: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PASSES, "fuse-bias-activation", forgetful_fusion)
    outcome = bisect(mlp, NODE)
    found = outcome.divergence
    assert found is not None
    assert (found.pass_name, found.node.op) == ("fuse-bias-activation", "Relu")
    assert found.piece is not None
    assert [node.op for node in found.piece.nodes] == ["MatMul", "Add", "Relu"]
    outcome.write_reproducer(tmp_path / "repro")
    again = open_target(tmp_path / "repro" / MODEL_NAME, inputs=tmp_path / "repro" / INPUTS_NAME)
    assert bisect(again, NODE).divergence is not None
    monkeypatch.undo()
    assert bisect(again, NODE).divergence is None


def test_errors_that_only_add_up_are_no_fault_of_one_node(tmp_path: Path) -> None:
    """Each node is within the tolerance of what it should have been given, and their chain is not."""
    steps = " ".join(f"v{i + 1} = Mul(v{i}, k)" for i in range(8))
    text = f"chain (float[4] v0) => (float[4] v8) <float[1] k = {{1.5}}> {{ {steps} }}"
    path = tmp_path / "chain.onnx"
    onnx.save(parser.parse_model(f'<ir_version: 10, opset_import: ["" : 18]> {text}'), path)

    def a_little(ctx, value):
        return ctx.emit("Mul", value, ctx.data(1 + 2e-5))

    registry = faulty_registry("Mul", spoil=a_little)
    found = bisect(open_target(path, atol=0, rtol=7e-5), "tfjs-cpu@node", registry=registry).divergence
    assert found is not None
    assert found.gap.value == "v4"
    assert found.piece is not None
    assert not found.is_alone
    assert len(found.piece.nodes) >= 4


def test_a_kernel_that_breaks_is_found(mlp: Target) -> None:
    def broken(ctx, value):
        return ctx.emit("GatherV2", value, ctx.data(np.array([99], np.int32)), ctx.param(0))

    node = nth(mlp, "Relu", 0)
    found = bisect(mlp, "tfjs-cpu@node", registry=faulty_registry("Relu", node, spoil=broken)).divergence
    assert found is not None
    assert found.node.name == node


@pytest.mark.parametrize("runtime", ["onnxruntime", "torch", "onnxruntime-web@node"])
def test_only_graphs_can_be_looked_into(mlp: Target, runtime: str) -> None:
    with pytest.raises(ConfigError, match=r"runs no TF\.js graph") as caught:
        bisect(mlp, runtime)
    assert caught.value.exit_code == 2


def test_a_runtime_that_is_missing_is_said(mlp: Target, tmp_path: Path) -> None:
    with pytest.raises(RuntimeMissing):
        bisect(mlp, CHROMIUM, browser=tmp_path / "none")


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(CheckpointError):
        open_target(tmp_path / "text.onnx")
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ArtifactError):
        open_target(tmp_path)


def test_inputs_that_are_no_safetensors_are_refused(mlp: Target, tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"can't be read"):
        open_target(tmp_path / "mlp.onnx", inputs=tmp_path / "x.safetensors")


def test_a_reproducer_spoils_no_other_folder(mlp: Target, tmp_path: Path) -> None:
    outcome = bisect(mlp, NODE, registry=faulty_registry("Relu", nth(mlp, "Relu", 0)))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"notes\.txt"):
        outcome.write_reproducer(tmp_path / "mine")
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["notes.txt"]


def test_the_command_that_is_printed_shows_the_fault_again(tmp_path: Path, capsys, monkeypatch) -> None:
    """With no tolerance at all, rounding is the fault: it needs no planting, and its reproducer has it too."""
    weights = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, ["batch", 64])],
        [onnx.helper.make_tensor_value_info("y", 1, ["batch", 64])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    imports = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, ir_version=10, opset_imports=imports), tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    flags = ["--runtime", "tfjs-cpu@node", "--atol", "0", "--rtol", "0", "--to", "found"]
    assert main(["bisect", "model.onnx", *flags, "--json"]) == 5
    document = json.loads(capsys.readouterr().out)
    assert document["divergence"]["node"] == "product"
    program, *arguments = shlex.split(document["command"])
    assert program == "compat-export"
    assert main([*arguments, "--to", "again", "--json"]) == 5
    assert json.loads(capsys.readouterr().out)["divergence"]["fails_alone"]


def test_a_runtime_has_the_tolerance_of_its_class(mlp: Target, tmp_path: Path) -> None:
    assert mlp.tolerance_in("tfjs-wasm@node") == Tolerance(**TOLERANCES["float32"])
    assert mlp.tolerance_in("tfjs-webgl-f16@chromium") == Tolerance(**TOLERANCES["float16-textures"])
    exact = open_target(tmp_path / "mlp.onnx", atol=0.0, rtol=0.0)
    assert exact.tolerance_in("tfjs-webgl-f16@chromium") == Tolerance(0.0, 0.0)

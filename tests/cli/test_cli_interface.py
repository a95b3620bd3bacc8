"""Names and dimensions of inputs and outputs on the command line: what is converted is what was named."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import parser

from converter.artifact.vectors import load_vectors
from tests.cli.conftest import Cli, Run
from tests.cli.test_cli_convert import manifest_of

NETWORKS = """
from dataclasses import dataclass

import torch
from torch import nn


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))


@dataclass
class Scores:
    logits: torch.Tensor
    loss: object = None


class Masked(Scaled):
    def forward(self, x, mask=None, *, shift=None):
        y = x * self.scale
        y = y if mask is None else y * mask
        y = y if shift is None else y + 10 * shift
        return {"scores": Scores(y), "hidden": (y + 1, None)}


class Random(Scaled):
    def forward(self, x):
        return x * self.scale + torch.rand_like(x)


class Counting(Scaled):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return x * self.scale + self.calls
"""
STATEFUL = """
<ir_version: 10, opset_import: ["" : 18]>
stateful (float[?, ?] x, float[2, ?, 3] state) => (float[?, ?, ?] y)
<int64[1] first = {0}, int64[1] last = {2}>
{
    sequence = Unsqueeze(x, first)
    features = ReduceMean<keepdims = 1>(sequence, last)
    h, c = Split<axis = 0, num_outputs = 2>(state)
    all, y, cell = LSTM<hidden_size = 3>(features, w, r, , , h, c)
}
"""


@pytest.fixture
def network(cli: Cli, tmp_path: Path):
    """Convert a network of this file."""
    (tmp_path / "networks.py").write_text(NETWORKS)

    def convert(name: str, *arguments: str) -> Run:
        torch.save({"scale": torch.tensor(2.0), **({"calls": torch.tensor(0.0)} if name == "Counting" else {})},
                   tmp_path / "net.pth")  # fmt: skip
        factory = f"{tmp_path / 'networks.py'}:{name}"
        runtimes = ("--runtimes", "tfjs-cpu@node", "--artifacts", tmp_path)
        return cli("convert", tmp_path / "net.pth", "--factory", factory, *runtimes, *arguments)

    return convert


@pytest.fixture
def stateful(tmp_path: Path) -> Path:
    """A model whose state has to have the batch size of its input, which no name says."""
    model = parser.parse_model(STATEFUL)
    rng = np.random.default_rng(0)
    for name, width in (("w", 1), ("r", 3)):
        weights = rng.normal(size=(1, 12, width)).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(weights, name))
    onnx.save(model, tmp_path / "stateful.onnx")
    return tmp_path / "stateful.onnx"


def test_inputs_are_those_that_were_named_and_outputs_keep_their_names(network, tmp_path: Path) -> None:
    run = network("Masked", "--input", "shift=batch,2", "--input", "x=batch,2", "--json")
    assert run.code == 0, run.out
    assert run.document["notes"] == []
    manifest = manifest_of(tmp_path / "net/0.1.0")
    assert [one["name"] for one in manifest["inputs"]] == ["shift", "x"]
    assert [one["name"] for one in manifest["outputs"]] == ["scores.logits", "hidden.0"]
    vectors = load_vectors(tmp_path / "net/0.1.0")
    for label, inputs in vectors.inputs.items():
        expected = 2 * inputs["x"] + 10 * inputs["shift"]
        np.testing.assert_allclose(vectors.outputs[label]["scores.logits"], expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(vectors.outputs[label]["hidden.0"], expected + 1, rtol=1e-6, atol=1e-6)


def test_names_of_which_only_some_are_parameters_are_refused(network) -> None:
    run = network("Masked", "--input", "x=batch,2", "--input", "shift_by=batch,2")
    assert run.code == 2
    assert "no parameter shift_by" in run.err
    assert "forward(x, mask=None, *, shift=None); declare --input x=batch,2 --input shift=batch,2" in run.err


def test_binding_by_position_is_said(network) -> None:
    run = network("Masked", "--input", "audio=batch,2", "--no-verify", "--json")
    assert run.code == 0, run.out
    [note] = run.document["notes"]
    assert note == "inputs are bound by position, as forward() has no parameter of these names: audio -> x"


@pytest.mark.parametrize("name", ["Random", "Counting"])
def test_a_network_that_does_not_repeat_itself_is_no_matter_of_tolerance(network, name: str) -> None:
    run = network(name, "--input", "x=batch,2")
    assert run.code == 5
    assert "does not repeat itself: output output differs between two runs on the same input" in run.err
    assert "reference torch" in run.err
    assert "would pass" not in run.err


def test_an_onnx_model_that_does_not_repeat_itself(cli: Cli, tmp_path: Path) -> None:
    text = '<ir_version: 10, opset_import: ["" : 18]> noisy (float[n, 3] x) => (float[n, 3] y) '
    onnx.save(parser.parse_model(text + "{ noise = RandomNormalLike(x) y = Add(x, noise) }"), tmp_path / "noisy.onnx")
    run = cli("convert", tmp_path / "noisy.onnx", "--artifacts", tmp_path, "--runtimes", "tfjs-cpu@node")
    assert run.code == 5
    assert "reference onnxruntime" in run.err
    assert "does not repeat itself" in run.err


def test_dimensions_without_a_name_are_bound_one_by_one(cli: Cli, stateful: Path) -> None:
    bind = ["--bind", "x_dim_0=1", "--bind", "x_dim_1=576", "--bind", "state_dim_1=1"]
    run = cli("convert", stateful, *bind, "--artifacts", stateful.parent, "--runtimes", "tfjs-cpu@node")
    assert run.code == 0, run.err
    manifest = manifest_of(stateful.parent / "stateful/0.1.0")
    assert {one["name"]: one["shape"] for one in manifest["inputs"]} == {"x": [1, 576], "state": [2, 1, 3]}


def test_dimensions_that_are_equal_get_one_name(cli: Cli, stateful: Path) -> None:
    inputs = ["--input", "x=batch,n", "--input", "state=2,batch,3"]
    run = cli("convert", stateful, *inputs, "--artifacts", stateful.parent, "--runtimes", "tfjs-cpu@node")
    assert run.code == 0, run.err


def test_sizes_that_were_guessed_wrongly_are_named_with_what_to_type(cli: Cli, stateful: Path) -> None:
    run = cli("convert", stateful, "--artifacts", stateful.parent, "--runtimes", "tfjs-cpu@node")
    assert run.code == 1
    assert "no names to x_dim_0, x_dim_1, state_dim_1" in run.err
    assert "--input x=x_dim_0,x_dim_1 --input state=2,state_dim_1,3" in run.err
    assert "--size state_dim_1=1" in run.err


def test_unknown_dimensions_of_outputs_are_those_of_no_other_tensor(cli: Cli, tmp_path: Path) -> None:
    text = '<ir_version: 10, opset_import: ["" : 18]> g (float[?, 3] x) => (int64[2, ?] y, int64[2, ?] z) '
    onnx.save(
        parser.parse_model(text + "{ y = NonZero(x) n = Neg(x) r = Relu(n) z = NonZero(r) }"), tmp_path / "g.onnx"
    )
    run = cli("convert", tmp_path / "g.onnx", "--artifacts", tmp_path, "--runtimes", "tfjs-cpu@node")
    assert run.code == 0, run.err
    manifest = manifest_of(tmp_path / "g/0.1.0")
    [x], [y, z] = ([one["shape"] for one in manifest[role]] for role in ("inputs", "outputs"))
    assert x == ["x_dim_0", 3]
    assert (y[0], z[0]) == (2, 2)
    assert len({x[0], y[1], z[1]}) == 3


@pytest.mark.parametrize("verify", [(), ("--no-verify",)], ids=["verified", "not-verified"])
def test_sizes_that_contradict_the_model_are_no_bug(cli: Cli, stateful: Path, verify: tuple[str, ...]) -> None:
    bind = ["--bind", "x_dim_0=1", "--bind", "x_dim_1=576", "--bind", "state_dim_1=576"]
    run = cli("convert", stateful, *bind, "--artifacts", stateful.parent, *verify)
    assert run.code == 2
    assert "the model doesn't accept x[1, 576], state[2, 576, 3]" in run.err
    assert "--bind" in run.err

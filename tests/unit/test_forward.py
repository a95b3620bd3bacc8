"""Inputs reach the parameters that they are named after, and outputs keep the names that the network gives them."""

from collections import OrderedDict, UserDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from converter.checkpoint import load_module
from converter.checkpoint.quiet import torch_is_quiet
from converter.config import TensorSpec
from converter.errors import ConfigError, UnsupportedError
from converter.export import ChannelsLast, onnx_from_module
from converter.forward import bind_inputs, output_names, tensors_of
from converter.runtimes.torch_ import TorchRuntime

X, MASK, SHIFT = (TensorSpec(name=name, shape=("batch", 2)) for name in ("x", "mask", "shift"))
ARRAYS = {
    name: np.float32([[one, one + 1], [one + 2, one + 3]]) for name, one in {"x": 1, "mask": 10, "shift": 100}.items()
}


class Masked(nn.Module):
    def forward(self, x: Tensor, mask: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
        y = x if mask is None else x * mask
        return y if shift is None else y + shift


class Keywords(nn.Module):
    def forward(self, x: Tensor, /, mask: Tensor | None = None, *, shift: Tensor | None = None) -> Tensor:
        return Masked()(x, mask, shift)


class Ignoring(nn.Module):
    def forward(self, x: Tensor, *args: object, **kwargs: object) -> Tensor:
        assert not args
        assert not kwargs
        return x * 3


def specs(*names: str) -> list[TensorSpec]:
    return [TensorSpec(name=name, shape=("batch", 2)) for name in names]


def both(module: nn.Module, inputs: list[TensorSpec], arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The first output of the reference, and of the exported model."""
    model = onnx_from_module(module, inputs)
    assert [one.name for one in model.graph.input] == [spec.name for spec in inputs]
    names = tuple(one.name for one in model.graph.output)
    reference = TorchRuntime(module, inputs, names).load("")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [reference.run(arrays).outputs[names[0]], session.run(names[:1], dict(arrays))[0]]


@pytest.mark.parametrize("network", [Masked(), Keywords()], ids=["plain", "keyword-only"])
@pytest.mark.parametrize(
    "names", [("x", "shift"), ("shift", "x"), ("shift", "mask", "x")], ids=lambda names: "-".join(names)
)
def test_inputs_go_to_the_parameters_of_their_names_in_any_order(network: nn.Module, names: tuple[str, ...]) -> None:
    arrays = {name: ARRAYS[name] for name in names}
    expected = arrays["x"] * arrays.get("mask", np.float32(1)) + arrays["shift"]
    for found in both(network, specs(*names), arrays):
        np.testing.assert_array_equal(found, expected)


def test_hooks_see_inputs_as_an_app_passes_them() -> None:
    network = Masked()
    network.register_forward_pre_hook(lambda _, inputs: tuple(one / 2 for one in inputs))
    for found in both(network, specs("shift", "x"), {"x": ARRAYS["x"], "shift": ARRAYS["shift"]}):
        np.testing.assert_array_equal(found, ARRAYS["x"] / 2 + ARRAYS["shift"])


def test_a_parameter_that_no_call_can_reach_is_refused() -> None:
    class Gap(nn.Module):
        def forward(self, x: Tensor | None = None, mask: Tensor | None = None, /) -> Tensor:
            return Masked()(x, mask)

    with pytest.raises(ConfigError, match="takes mask by position only, after x, which is no input") as caught:
        bind_inputs(Gap(), [MASK])
    assert "forward(x=None, mask=None, /)" in caught.value.hint


def test_where_no_name_matches_inputs_are_bound_by_position_and_that_is_said() -> None:
    binding = bind_inputs(Masked(), specs("audio", "gain"))
    assert binding.note.startswith("by position")
    assert "audio -> x, gain -> mask" in binding.note
    arrays = {"audio": ARRAYS["x"], "gain": ARRAYS["mask"]}
    for found in both(Masked(), specs("audio", "gain"), arrays):
        np.testing.assert_array_equal(found, ARRAYS["x"] * ARRAYS["mask"])
    assert bind_inputs(Masked(), [SHIFT, X]).note == ""


@pytest.mark.parametrize(("name", "is_by_name"), [("x", True), ("images", False)])
def test_args_and_kwargs_that_get_nothing_do_no_harm(name: str, is_by_name: bool) -> None:
    assert bind_inputs(Ignoring(), specs(name)).is_by_name == is_by_name
    for found in both(Ignoring(), specs(name), {name: ARRAYS["x"]}):
        np.testing.assert_array_equal(found, ARRAYS["x"] * 3)


def test_kwargs_alone_take_every_name() -> None:
    class Sum(nn.Module):
        def forward(self, **inputs: Tensor) -> Tensor:
            return inputs["left"] - inputs["right"]

    arrays = {"right": ARRAYS["x"], "left": ARRAYS["mask"]}
    for found in both(Sum(), specs("right", "left"), arrays):
        np.testing.assert_array_equal(found, ARRAYS["mask"] - ARRAYS["x"])


def test_an_exported_program_takes_what_it_took(tmp_path: Path) -> None:
    x, shift = (torch.from_numpy(ARRAYS[name]) for name in ("x", "shift"))
    with torch_is_quiet():
        torch.export.save(torch.export.export(Keywords(), (x,), {"shift": shift}), tmp_path / "keywords.pt2")
    module = load_module(tmp_path / "keywords.pt2", None).module
    fixed = [TensorSpec(name=name, shape=(2, 2)) for name in ("shift", "x")]
    for found in both(module, fixed, {"x": ARRAYS["x"], "shift": ARRAYS["shift"]}):
        np.testing.assert_array_equal(found, ARRAYS["x"] + ARRAYS["shift"])


@pytest.mark.parametrize(
    ("network", "names", "what", "line"),
    [
        pytest.param(Masked(), ["x", "shfit"], "no parameter shfit",
                     "forward(x, mask=None, shift=None); declare --input x=batch,2 --input shift=batch,2", id="typo"),
        pytest.param(Masked(), ["audio", "shift"], "no parameter audio",
                     "declare --input x=batch,2 --input shift=batch,2", id="some"),
        pytest.param(Masked(), ["mask"], "forward() needs x", "declare --input x=DIMS --input mask=batch,2",
                     id="missing"),
        pytest.param(Ignoring(), ["x", "args"], "no parameter args", "forward(x, *args, **kwargs); declare --input x=",
                     id="args"),
        pytest.param(Masked(), ["a", "b", "c", "d"], "takes 3 input(s) by position, 4 are declared: a, b, c, d",
                     "--input mask=batch,2", id="many"),
        pytest.param(Keywords(), ["mask", "shift"], "forward() needs x", "forward(x, /, mask=None, *, shift=None)",
                     id="positional-only"),
        pytest.param(Masked(), ["x", "x"], "x is declared twice", "a name of its own", id="twice"),
    ],
)  # fmt: skip
def test_names_that_do_not_fit_are_refused_with_the_signature_and_what_to_type(
    network: nn.Module, names: list[str], what: str, line: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        onnx_from_module(network, specs(*names))
    assert what in caught.value.what
    assert line in caught.value.hint


def test_the_line_to_type_keeps_shapes_and_dtypes() -> None:
    ids = TensorSpec(name="ids", dtype="int64", shape=("batch", 7))
    with pytest.raises(ConfigError) as caught:
        bind_inputs(Masked(), [X, ids])
    assert caught.value.hint.endswith("declare --input x=batch,2 --input mask=batch,7:int64")


def test_images_with_their_channels_last_keep_their_names() -> None:
    class Images(nn.Module):
        def forward(self, scale: Tensor, image: Tensor) -> Tensor:
            return image * scale[:, :, None, None]

    module = Images()
    inputs = [TensorSpec(name="image", shape=("batch", 4, 5, 2)), TensorSpec(name="scale", shape=("batch", 2))]
    turned = ChannelsLast(module, bind_inputs(module, inputs), ["image"])
    image = np.random.default_rng(0).random((1, 4, 5, 2), np.float32)
    found = TorchRuntime(turned, inputs, ("y",)).load("").run({"image": image, "scale": np.float32([[2, 3]])})
    np.testing.assert_array_equal(found.outputs["y"], image.transpose(0, 3, 1, 2) * np.float32([2, 3])[:, None, None])


@dataclass
class Detection:
    boxes: Tensor
    loss: Tensor | None
    heads: dict[str, Tensor]


class Pair(NamedTuple):
    mean: Tensor
    peak: Tensor


class Fields(OrderedDict):
    """A dictionary with attributes, as the results of the transformers package are."""

    def __getattr__(self, name: str) -> object:
        return self[name]


T = torch.ones(1)


@pytest.mark.parametrize(
    ("result", "names"),
    [
        pytest.param(T, ["output"], id="tensor"),
        pytest.param((T,), ["output"], id="tuple-of-one"),
        pytest.param([T, (T, None, T)], ["output_0", "output_1", "output_2"], id="nested-tuples"),
        pytest.param({"logits": T}, ["logits"], id="one-key"),
        pytest.param({"z": T, "nothing": None, "a": T}, ["z", "a"], id="keys"),
        pytest.param({"a": {"b": T, "c": [T, T]}, 3: T}, ["a.b", "a.c.0", "a.c.1", "3"], id="nested"),
        pytest.param(Detection(T, None, {"small": T}), ["boxes", "heads.small"], id="dataclass"),
        pytest.param(Pair(T, T), ["mean", "peak"], id="named-tuple"),
        pytest.param(Fields(logits=T, hidden=(T, T)), ["logits", "hidden.0", "hidden.1"], id="fields"),
        pytest.param(UserDict(a=T), ["a"], id="mapping"),
        pytest.param([{"boxes": T}, {"boxes": T}], ["output_0.boxes", "output_1.boxes"], id="list-of-dictionaries"),
        pytest.param((T, {"aux": T}), ["output_0", "output_1.aux"], id="tuple-with-dictionary"),
        pytest.param(deque([T, T]), ["output_0", "output_1"], id="registered-structure"),
    ],
)
def test_outputs_keep_their_names(result: object, names: list[str]) -> None:
    assert output_names(result) == names
    assert len(tensors_of(result)) == len(names)


@pytest.mark.parametrize("result", [{"a.b": T, "a": {"b": T}}, {"": T}], ids=["dots", "empty"])
def test_outputs_without_a_name_of_their_own_need_one(result: object) -> None:
    with pytest.raises(ConfigError, match="called") as caught:
        output_names(result)
    assert "--output" in caught.value.hint


def test_what_is_no_tensor_is_refused_by_its_name() -> None:
    with pytest.raises(UnsupportedError, match=r"returns a int as a\.n"):
        tensors_of({"a": {"n": 3}})


def test_exported_outputs_and_the_reference_have_the_names_of_a_dataclass() -> None:
    class Detector(nn.Module):
        def forward(self, x: Tensor) -> Detection:
            return Detection(x + 1, None, {"large": x + 2, "none": None, "small": x + 3})

    model = onnx_from_module(Detector(), [X])
    names = [one.name for one in model.graph.output]
    assert names == ["boxes", "heads.large", "heads.small"]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    reference = TorchRuntime(Detector(), [X], tuple(names)).load("").run({"x": ARRAYS["x"]}).outputs
    for add, name, found in zip((1, 2, 3), names, session.run(names, {"x": ARRAYS["x"]}), strict=True):
        np.testing.assert_array_equal(found, ARRAYS["x"] + add)
        np.testing.assert_array_equal(reference[name], found)


@pytest.mark.parametrize("given", [(), ("y", "x")], ids=["own", "given"])
def test_an_output_with_the_name_of_an_input_is_refused(given: tuple[str, ...]) -> None:
    class Same(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"y": x + 1, "x": x * 2}

    with pytest.raises(ConfigError, match="an input and an output are both called x") as caught:
        onnx_from_module(Same(), [X], given)
    assert "--output y --output x_out" in caught.value.hint


def test_weights_keep_their_names_and_never_take_that_of_an_input() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x = nn.Parameter(torch.full((2,), 5.0))
            self.network = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.network(x + self.x)

    torch.manual_seed(0)
    network = Own()
    names = {one.name for one in onnx_from_module(network, [X]).graph.initializer}
    assert {"network.weight", "network.bias"} <= names
    assert "x" not in names
    exported, reference = both(network, [X], {"x": ARRAYS["x"]})
    np.testing.assert_allclose(exported, reference, rtol=1e-5)

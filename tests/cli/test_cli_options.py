from typing import Any

import pytest

from converter.cli.options import bindings_from_texts, input_from_text, names_from_list, object_from_json
from converter.config import TensorSpec
from converter.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("x=batch,3", {"name": "x", "shape": ["batch", 3]}, id="shape"),
        pytest.param("x=", {"name": "x", "shape": []}, id="scalar"),
        pytest.param("x=4:int64", {"name": "x", "shape": [4], "dtype": "int64"}, id="dtype"),
        pytest.param("x=4:0..9", {"name": "x", "shape": [4], "low": 0.0, "high": 9.0}, id="range"),
        pytest.param(
            "a:0/b=batch, 2:float16:-1e-3..2.5",
            {"name": "a:0/b", "shape": ["batch", 2], "dtype": "float16", "low": -1e-3, "high": 2.5},
            id="all-and-an-odd-name",
        ),
        pytest.param("a=b=3", {"name": "a=b", "shape": [3]}, id="name-with-equals"),
    ],
)
def test_input(text: str, value: dict[str, Any]) -> None:
    assert input_from_text(text) == value
    TensorSpec.model_validate(value)


@pytest.mark.parametrize("text", ["x", "=3", "x=3:float32:1", "x=3:0..", "x=3:..1", "x=3:0..1:2", ""])
def test_input_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="NAME=DIMS") as raised:
        input_from_text(text)
    assert raised.value.where == "--input"


def test_range_must_be_numbers() -> None:
    with pytest.raises(ConfigError, match="'low' is not a number"):
        input_from_text("x=3:low..high")


def test_names() -> None:
    assert names_from_list(None, "--runtimes") is None
    assert names_from_list("a, b", "--runtimes") == ("a", "b")


@pytest.mark.parametrize("text", ["", "a,", ",a", "a,,b"])
def test_empty_name_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="empty name") as raised:
        names_from_list(text, "--runtimes")
    assert raised.value.where == "--runtimes"


def test_bindings() -> None:
    assert bindings_from_texts(["batch=1", "time=16"]) == {"batch": 1, "time": 16}


@pytest.mark.parametrize("texts", [["batch"], ["batch="], ["=1"], ["batch=-1"], ["batch=1.5"], ["b=1", "b=2"]], ids=str)
def test_binding_of_another_form_is_refused(texts: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        bindings_from_texts(texts)
    assert raised.value.where == "--bind"


def test_object() -> None:
    assert object_from_json('{"hidden": 32}', "--kwargs") == {"hidden": 32}


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "hidden=32"])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        object_from_json(text, "--kwargs")
    assert raised.value.where == "--kwargs"

"""The options that say which model a command reads: its network, its inputs and its outputs."""

from typing import Annotated, Any

import typer

from converter.cli.options import input_from_text, object_from_json

MODEL, EXPORT = "Model", "Artifact"

FactoryOption = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="The code that gives a state dict its network: FILE.py:NAME or package.module:NAME.",
        rich_help_panel=MODEL,
    ),
]
KwargsOption = Annotated[
    str | None, typer.Option(metavar="JSON", help="Keyword arguments of the factory.", rich_help_panel=MODEL)
]
StateKeyOption = Annotated[
    str | None,
    typer.Option(
        metavar="KEY",
        help="Where the state dict is in a checkpoint that holds several: params_ema, or a dotted path.",
        rich_help_panel=MODEL,
    ),
]
IgnoreKeysOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Entries of the state dict to leave out, such as 'criterion.*'. Repeatable.",
        rich_help_panel=MODEL,
    ),
]
AllowMissingOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATTERN",
        help="Tensors of the network that the state dict may lack; they keep their initial value. Repeatable.",
        rich_help_panel=MODEL,
    ),
]
InputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        metavar="NAME=DIMS",
        help="An input, such as audio=batch,1024:float32:-1..1; dtype and range may be left out. "
        "Of a checkpoint, NAME is the parameter of forward() that takes it. Repeatable.",
        rich_help_panel=MODEL,
    ),
]
OutputOption = Annotated[
    list[str] | None,
    typer.Option(
        "--output",
        metavar="NAME",
        help="An output's name, in place of the key or field that the network returns it under. Repeatable.",
        rich_help_panel=MODEL,
    ),
]
OpsetOption = Annotated[
    int | None, typer.Option(help="The ONNX opset to export at, 18 or newer.", rich_help_panel=MODEL)
]
BindOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SIZE",
        help="Fix a dynamic dimension, or an ONNX input of one number: batch=1. "
        "A dimension without a name is INPUT_dim_AXIS: x_dim_0=1. Repeatable.",
        rich_help_panel=MODEL,
    ),
]
InputLayoutOption = Annotated[
    str | None,
    typer.Option(
        metavar="LAYOUT",
        help="`nhwc` for images with their channels last, as tf.browser.fromPixels gives them. "
        "Default: as the model has them.",
        rich_help_panel=EXPORT,
    ),
]


def model_flags(
    factory: str | None,
    kwargs: str | None,
    state_key: str | None,
    ignore_keys: list[str] | None,
    allow_missing: list[str] | None,
    inputs: list[str] | None,
    outputs: list[str] | None,
    opset: int | None,
    input_layout: str | None,
) -> dict[str, Any]:
    """Return the settings that the options stand for, None for those that weren't given."""
    return {
        "model.factory": factory,
        "model.kwargs": None if kwargs is None else object_from_json(kwargs, "--kwargs"),
        "model.state_key": state_key,
        "model.ignore_keys": ignore_keys or None,
        "model.allow_missing": allow_missing or None,
        "inputs": [input_from_text(text) for text in inputs or ()] or None,
        "outputs": outputs or None,
        "input_layout": input_layout,
        "export.opset": opset,
    }

"""The options that say what a proof is run on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from converter.errors import ConfigError

PROOF = "Proof"

SamplesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Inputs of your own: .npz, .safetensors, .csv or .parquet; the artifact does not keep them.",
        rich_help_panel=PROOF,
    ),
]
BatchesOption = Annotated[
    str | None, typer.Option(metavar="N,N", help="Batch sizes to draw inputs for: 1,4,32.", rich_help_panel=PROOF)
]
SizeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--size",
        metavar="NAME=N,N",
        help="Sizes of another dynamic dimension: frames=64,256. One without a name is INPUT_dim_AXIS. Repeatable.",
        rich_help_panel=PROOF,
    ),
]
SeedOption = Annotated[int | None, typer.Option(help="The seed of the inputs that are drawn.", rich_help_panel=PROOF)]


def batches_from_list(text: str | None) -> tuple[int, ...] | None:
    """The batch sizes of a list, None where the option wasn't given.

    Raises: ConfigError if it isn't a list of whole numbers above 0.
    """
    return None if text is None else _numbers(text, "--batches", "--batches 1,4,32")


def sizes_from_texts(texts: Sequence[str] | None) -> dict[str, tuple[int, ...]] | None:
    """What `frames=64,256` says of a dimension, for each text; None where the option wasn't given.

    Raises: ConfigError if a text has another form, or names a dimension twice.
    """
    sizes: dict[str, tuple[int, ...]] = {}
    for text in texts or ():
        name, _, numbers = text.partition("=")
        if not name or name in sizes:
            what = f"{name} is given twice" if name else f"{text!r} is not NAME=N,N"
            raise ConfigError(what, where="--size", hint="such as --size frames=64,256")
        sizes[name] = _numbers(numbers, "--size", "--size frames=64,256")
    return sizes or None


def _numbers(text: str, option: str, example: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise ConfigError(f"{text!r} is no list of whole numbers above 0", where=option, hint=f"such as {example}")
    return tuple(map(int, parts))

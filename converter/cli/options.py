"""The options that several commands share, and how their text becomes values."""

import json
import re
from math import nan
from pathlib import Path
from typing import Annotated, Any

import typer

from converter.errors import ConfigError

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the essential line.")]
StoreOption = Annotated[
    str, typer.Option("--artifacts", metavar="DIR|URL", help="The store that holds the artifacts, such as s3://models.")
]
STORE = "artifacts"
REFERENCE = "A version: NAME@VERSION, NAME@CHANNEL, NAME for the latest, its folder, or its URL."
RuntimesOption = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Runtimes that must run and agree, such as tfjs-wasm@node,tfjs-webgl@chromium. "
        "`all` stands for every one that this machine has. "
        "Default: TF.js on Node, and in Chromium if one is found.",
    ),
]
BrowserOption = Annotated[
    Path | None,
    typer.Option(envvar="COMPAT_EXPORT_BROWSER", metavar="PATH", help="The Chromium or Chrome to use."),
]
WithoutPassOption = Annotated[
    list[str] | None,
    typer.Option(
        "--without-pass",
        metavar="NAME",
        help="Leave out a pass of the compiler that `inspect --graph` names; `*` stands for any text, "
        "`all` for every pass that graphs are right without. Repeatable.",
    ),
]
UnrollLimitOption = Annotated[
    int | None,
    typer.Option(
        "--unroll-limit",
        metavar="NODES",
        min=0,
        help="Unroll recurrences and loops of known length to this many nodes at most; longer ones stay loops, "
        "and the model needs `executeAsync`. Default: 6000 for recurrences, 2000 for each Loop and Scan.",
    ),
]

_INPUT = re.compile(
    r"(?P<name>.+)=(?P<dims>[^:=]*)(:(?P<dtype>[a-z]+[0-9]*))?(:(?P<low>[^:=]+?)\.\.(?P<high>[^:=]+))?", re.DOTALL
)


def names_from_list(text: str | None, option: str) -> tuple[str, ...] | None:
    """The names of a comma-separated list, None where the option wasn't given.

    Raises: ConfigError if a name is empty.
    """
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ConfigError(f"{text!r} has an empty name", where=option, hint=f"write {option} first,second")
    return names


def input_from_text(text: str) -> dict[str, Any]:
    """What `audio=batch,1024:float32:-1..1` says of an input; dtype and range may be left out.

    Shapes: a word is a dynamic dimension, a number a fixed one.
    Raises: ConfigError if the text has another form.
    """
    match = _INPUT.fullmatch(text)
    if match is None:
        raise ConfigError(
            f"{text!r} is not NAME=DIMS[:DTYPE][:LOW..HIGH]", where="--input", hint="such as audio=batch,1024:float32"
        )
    dims = [dim.strip() for dim in match["dims"].split(",")] if match["dims"].strip() else []
    value: dict[str, Any] = {"name": match["name"], "shape": [int(dim) if dim.isdecimal() else dim for dim in dims]}
    if match["dtype"]:
        value["dtype"] = match["dtype"]
    if match["low"]:
        value |= {"low": _number(match["low"], text), "high": _number(match["high"], text)}
    return value


def bindings_from_texts(texts: list[str]) -> dict[str, int]:
    """What `batch=1` says of a named dimension, for each text.

    Raises: ConfigError if a text has another form, or binds a dimension twice.
    """
    bound: dict[str, int] = {}
    for text in texts:
        name, _, size = text.partition("=")
        if not name or not size.isdecimal():
            raise ConfigError(f"{text!r} is not NAME=SIZE", where="--bind", hint="such as --bind batch=1")
        if name in bound:
            raise ConfigError(f"{name} is bound twice", where="--bind", hint="give each dimension one size")
        bound[name] = int(size)
    return bound


def weights_from_texts(texts: list[str]) -> dict[str, object]:
    """What `uint8` and `*/head/*=float32` say of weights, as settings.

    Raises: ConfigError if weights in general get two encodings.
    """
    alike = [text for text in texts if "=" not in text]
    if len(alike) > 1:
        hint = "give one encoding, and PATTERN=ENCODING for single weights"
        raise ConfigError(f"weights can't be {' and '.join(alike)}", where="--weights", hint=hint)
    patterns = {pattern: encoding for pattern, _, encoding in (text.rpartition("=") for text in texts if "=" in text)}
    settings = {"weights.encoding": alike[0] if alike else None, "weights.tensors": patterns or None}
    return {path: value for path, value in settings.items() if value is not None}


def budgets_from_texts(texts: list[str]) -> dict[str, float]:
    """What `load_ms=2000` says of a budget, for each text.

    Raises: ConfigError if a text has another form, or sets a budget twice.
    """
    budgets: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = nan
        if not name or not value > 0 or name in budgets:
            what = f"{name} is given twice" if name in budgets else f"{text!r} is not NAME=NUMBER, above 0"
            raise ConfigError(what, where="--budget", hint="such as --budget predict_p99_ms=200")
        budgets[name] = value
    return budgets


def object_from_json(text: str, option: str) -> dict[str, Any]:
    """The object that a JSON text holds.

    Raises: ConfigError if the text isn't JSON, or is something else than an object.
    """
    hint = f"""such as {option} '{{"hidden": 32}}'"""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"not JSON: {error}", where=option, hint=hint) from error
    if not isinstance(value, dict):
        raise ConfigError("not a JSON object", where=option, hint=hint)
    return value


def _number(text: str, whole: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is not a number, in {whole!r}", where="--input", hint="a range is LOW..HIGH, such as -1..1"
        ) from error

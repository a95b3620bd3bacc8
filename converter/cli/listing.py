"""`compat-export list`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from converter.cli.console import Result
from converter.cli.options import STORE, JsonOption, QuietOption, StoreOption

if TYPE_CHECKING:
    from rich.console import RenderableType

RELEASED = {True: "released", False: "not released", None: "not known"}


def list_models(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only this model.")] = None,
    artifacts: StoreOption = STORE,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """List the models of a store, with their versions and channels.

    [bold]Examples[/]
      compat-export list
      compat-export list compatibility --artifacts dist/release
      compat-export list --artifacts s3://models
    """
    from converter.pipeline.library import list_models as run

    models = run(artifacts, name)
    essential = "\n".join(f"{model['name']}@{one['version']}" for model in models for one in model["versions"])
    return Result({"models": models}, essential, view=lambda: _view(models, artifacts))


def _view(models: Sequence[Mapping[str, Any]], store: str) -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    if not models:
        yield f"no models in {escape(store)}: `compat-export convert` puts them there"
        return
    table = Table("version", "channels", "released", "parity", "size", "digest", box=box.SIMPLE_HEAD)
    for model in models:
        for one in model["versions"]:
            channels = [channel for channel, version in model["channels"].items() if version == one["version"]]
            what = f"{model['name']}@{one['version']}", ", ".join(channels), RELEASED[one["released"]]
            here = _facts(one)
            table.add_row(*map(escape, what), *here)
    yield table


def _facts(one: Mapping[str, Any]) -> tuple[str, str, str]:
    if not one["is_here"]:
        return "not here", "", ""
    return one["parity"], f"{one['size_bytes'] / 1000:,.0f} kB", one["digest"][:12]

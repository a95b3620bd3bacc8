"""`compat-export config show`."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from converter.cli.console import Result
from converter.cli.options import JsonOption, QuietOption
from converter.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType

app = typer.Typer(help="Look at a model's config.", no_args_is_help=False)


@app.callback()
def config() -> None:
    """Look at a model's config."""


@app.command()
def show(
    file: Annotated[Path | None, typer.Argument(metavar="CONFIG.yaml", help="The model's config.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a config instead.")] = False,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Show every setting of a config, with its value and whether that comes from the file or is the default.

    [bold]Examples[/]
      compat-export config show configs/compatibility.yaml
      compat-export config show --schema
    """
    from converter.config import Config, resolve

    if schema:
        return _plain(Config.model_json_schema())
    if file is None:
        raise ConfigError("no config was named", where="config show", hint="give a CONFIG.yaml, or --schema")
    resolved = resolve(file, {})
    settings = resolved.as_json()
    rows = {path: _value_at(settings, path) for path in resolved.sources}
    essential = "\n".join(f"{path}={json.dumps(value)}" for path, value in rows.items())
    return Result(
        {"config": settings, "sources": dict(resolved.sources)},
        essential,
        view=lambda: _view(rows, resolved.sources),
    )


def _plain(document: dict[str, Any]) -> Result:
    text = json.dumps(document, indent=2)
    return Result(document, essential=text, view=lambda: [_unmarked(text)])


def _unmarked(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _value_at(settings: Mapping[str, Any], path: str) -> Any:
    value: Any = settings
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def _view(rows: Mapping[str, Any], sources: Mapping[str, str]) -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    table.add_column("source", no_wrap=True)
    for path, value in rows.items():
        style = "dim" if sources[path] == "default" else "cyan"
        table.add_row(escape(path), escape(_shown(value)), f"[{style}]{sources[path]}[/]")
    yield table


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "\n".join(_shown(item) for item in value)
    return json.dumps(value, ensure_ascii=False)

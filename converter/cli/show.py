"""`compat-export show`."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from converter.cli.console import Result, shown_path
from converter.cli.listing import RELEASED
from converter.cli.options import REFERENCE, STORE, JsonOption, QuietOption, StoreOption

if TYPE_CHECKING:
    from rich.console import RenderableType


def show(
    reference: Annotated[str, typer.Argument(metavar="NAME@VERSION", help=REFERENCE)],
    artifacts: StoreOption = STORE,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Show where a version came from, what it holds, how it was proved, and which channels name it.

    [bold]Examples[/]
      compat-export show compatibility@1.0.0
      compat-export show compatibility@latest --json
      compat-export show s3://models/compatibility@stable
    """
    from converter.pipeline.library import show as run

    document = run(reference, artifacts)
    folder = document["folder"] if "://" in document["folder"] else shown_path(Path(document["folder"]))
    return Result(document | {"folder": folder}, essential=folder, view=lambda: _view(document, folder))


def _view(document: Mapping[str, Any], folder: str) -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    facts = Table(show_header=False, box=box.SIMPLE_HEAD)
    for name, value in _facts(document, folder).items():
        facts.add_row(name, escape(value))
    files = Table("file", box=box.SIMPLE_HEAD)
    files.add_column("bytes", justify="right")
    files.add_column("sha256")
    for one in document["files"]:
        files.add_row(escape(one["path"]), f"{one['size_bytes']:,}", one["sha256"][:16])
    yield f"[bold]{escape(document['name'])} {document['version']}[/] {escape(document['description'])}"
    yield facts
    yield files


def _facts(document: Mapping[str, Any], folder: str) -> dict[str, str]:
    runtimes = [f"{one['name']} within {one['max_abs']:.1e}" for one in document["parity"]["runtimes"]]
    formats = [f"{one['name']} {one['sha256'][:12]}{_parent(one['parent'])}" for one in document["formats"]]
    facts = {
        "folder": folder,
        "digest": document["digest"],
        "identity": document["identity"] or "",
        "commit": _commit(document["repository"]),
        "channels": ", ".join(document["channels"]),
        "released": RELEASED[document["released"]],
        "formats": ", ".join(formats),
        "parity": ", ".join([document["parity"]["status"], *runtimes]),
        "metrics": ", ".join(f"{name} {value:g}" for name, value in (document["metrics"] or {}).items()),
        "toolchain": ", ".join(f"{name} {version}" for name, version in document["toolchain"].items()),
    }
    return {name: value for name, value in facts.items() if value}


def _parent(parent: Mapping[str, Any] | None) -> str:
    return f" from {parent['format']}" if parent else ""


def _commit(repository: Mapping[str, Any] | None) -> str:
    if repository is None:
        return ""
    return f"{repository['commit']}{', with changes that were not committed' if repository['is_dirty'] else ''}"

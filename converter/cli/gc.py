"""`compat-export gc`."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.console import Result
from converter.cli.options import STORE, JsonOption, QuietOption, StoreOption
from converter.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType


def gc(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only this model.")] = None,
    keep: Annotated[int, typer.Option(min=0, help="How many of the newest versions stay in any case.")] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    artifacts: StoreOption = STORE,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Remove versions that were never released and are on no channel, and what killed processes left.

    [bold]Examples[/]
      compat-export gc --dry-run
      compat-export gc compatibility --keep 3
    """
    from converter.pipeline.fetch import is_url
    from converter.pipeline.library import collect_models

    if is_url(artifacts):
        raise ConfigError("only a local store is cleaned up", where="--artifacts", hint="name its folder")

    removed = [
        f"{one.name}@{version}"
        for one in collect_models(Path(artifacts), name, keep=keep, dry_run=dry_run)
        for version in one.versions
    ]
    document = {"removed": removed, "dry_run": dry_run}
    return Result(document, essential="\n".join(removed), view=lambda: _view(removed, dry_run))


def _view(removed: Sequence[str], dry_run: bool) -> Iterable["RenderableType"]:
    from rich.markup import escape

    what = "would be removed" if dry_run else "removed"
    yield from (f"{what}: {escape(one)}" for one in removed)
    if not removed:
        yield "nothing to remove: every version is released, on a channel, or among the newest"

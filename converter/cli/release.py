"""`compat-export release`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.console import Console, Result, shown_path
from converter.cli.options import REFERENCE, STORE, JsonOption, QuietOption, StoreOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.pipeline.release import ReleaseOutcome


def release(
    context: typer.Context,
    reference: Annotated[str, typer.Argument(metavar="NAME@VERSION", help=REFERENCE)],
    to: Annotated[
        str,
        typer.Option(
            metavar="DEST",
            help="A folder; a URL such as s3://bucket/models; or npm:@scope/package.",
        ),
    ],
    channel: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A channel to move to this version, such as stable. Repeatable."),
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY.pem", help="Sign it with this private key (elliptic curve, PEM).")
    ] = None,
    key_password: Annotated[
        str | None,
        typer.Option(envvar="COMPAT_EXPORT_KEY_PASSWORD", metavar="TEXT", help="The password of that key, if any."),
    ] = None,
    registry: Annotated[
        str | None, typer.Option(metavar="URL", help="The npm registry. Default: the one that npm is set up for.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be published.")] = False,
    artifacts: StoreOption = STORE,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Publish a proved version, whole or not at all; an unproved one is refused.

    Releasing the same version twice is fine, and finishes what was interrupted; a version that exists is never changed.

    [bold]Examples[/]
      compat-export release compatibility@1.0.0 --to dist/release --channel stable
      compat-export release compatibility --to s3://bucket/models --sign key.pem --dry-run
      compat-export release compatibility@1.0.0 --to npm:@org/compatibility-model
    """
    from converter.pipeline.release import Key
    from converter.pipeline.release import release as run

    console: Console = context.obj
    key = None if sign is None else Key(sign, key_password)
    with console.progress() as emit:
        outcome = run(
            reference,
            to,
            store=artifacts,
            channels=channel or [],
            key=key,
            registry=registry,
            dry_run=dry_run,
            emit=emit,
        )
    location = _shown(outcome.location)
    document = {
        "released": None if dry_run else location,
        "location": location,
        "dry_run": dry_run,
        "was_there": outcome.plan.is_there,
        "is_signed": outcome.is_signed,
        "has_user_samples": outcome.has_user_samples,
        "files": [vars(file) for file in outcome.plan.files],
        "channels": outcome.plan.channels,
    }
    return Result(document, essential=location, view=lambda: _view(outcome, location, dry_run))


def _shown(location: str) -> str:
    return location if "://" in location or location.startswith("npm:") else shown_path(Path(location))


def _view(outcome: "ReleaseOutcome", location: str, dry_run: bool) -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    plan = outcome.plan
    if dry_run:
        table = Table("file", box=box.SIMPLE_HEAD)
        table.add_column("bytes", justify="right")
        table.add_column("cache-control" if any(file.cache_control for file in plan.files) else "")
        for file in () if plan.is_there else plan.files:
            table.add_row(escape(file.path), f"{file.size_bytes:,}", file.cache_control)
        yield f"would be released to {escape(location)}" if not plan.is_there else f"is at {escape(location)} already"
        if table.row_count:
            yield table
    for name, before in plan.channels.items():
        verb = "would move" if dry_run else "moved"
        yield f"channel {escape(name)} {verb} from {before or 'nowhere'}"
    if outcome.has_user_samples:
        yield "[yellow]includes your own samples[/] as test vectors; anyone who can fetch the version can read them"
    if not dry_run:
        how = "was there already" if plan.is_there else f"{len(plan.files)} files{', signed' * outcome.is_signed}"
        yield f"[green]released[/] {escape(location)} [dim]({how})[/]"

"""`compat-export diff`."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from converter.cli.console import Result
from converter.cli.options import REFERENCE, STORE, JsonOption, QuietOption, StoreOption

if TYPE_CHECKING:
    from rich.console import RenderableType

PARTS = ("files", "interface", "ops", "metrics", "parity", "config", "toolchain")


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help=REFERENCE)],
    after: Annotated[str, typer.Argument(metavar="B", help="Another version, in the same form.")],
    artifacts: StoreOption = STORE,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Show what differs between two versions: files, operators, metrics, parity, config, versions, weights.

    [bold]Examples[/]
      compat-export diff compatibility@1.0.0 compatibility@latest
      compat-export diff artifacts/compatibility/1.0.0 dist/release/compatibility/1.0.0
    """
    from converter.pipeline.diff import diff as run

    document = run(before, after, artifacts)
    return Result(document, essential=_summary(document), view=lambda: _view(document))


def _summary(document: Mapping[str, Any]) -> str:
    if document["is_same"]:
        return "the same"
    counts = [f"{len(document[part])} {part}" for part in PARTS if document[part]]
    return f"different: {', '.join(counts)}"


def _view(document: Mapping[str, Any]) -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    titles = [f"{one['name']} {one['version']}" for one in (document["before"], document["after"])]
    yield f"[bold]{escape(titles[0])} -> {escape(titles[1])}[/]: {escape(_summary(document))}"
    table = Table("", "", *map(escape, titles), box=box.SIMPLE_HEAD)
    for part in PARTS:
        for name, pair in document[part].items():
            table.add_row(part, escape(name), *(escape(_shown(value)) for value in pair))
    if table.row_count:
        yield table
    yield _weights(document["weights"])


def _weights(weights: Mapping[str, Any]) -> str:
    line = f"weights: {weights['changed']:,} of {weights['compared']:,} differ, by {weights['max_abs']:.3g} at most"
    if weights["relative_l2"] is not None:
        line += f", relative L2 distance {weights['relative_l2']:.3g}"
    apart = len(weights["only_before"]) + len(weights["only_after"])
    return f"{line}; {apart} tensors have no counterpart" if apart else line


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict) and "sha256" in value:
        return f"{value['sha256'][:12]}, {value['size_bytes']:,} bytes"
    if isinstance(value, dict) and "max_abs" in value:
        return f"{value['compared']:,} within {value['max_abs']:.1e}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

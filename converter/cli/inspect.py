"""`compat-export inspect`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from converter.cli.console import Result
from converter.cli.options import STORE, JsonOption, QuietOption, StoreOption, UnrollLimitOption, WithoutPassOption
from converter.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


SHOWN_ELSEWHERE = {
    "kind", "name", "version", "size_bytes", "inputs", "outputs", "ops", "operators", "unsupported", "stages",
}  # fmt: skip


def inspect(
    path: Annotated[
        str,
        typer.Argument(
            metavar="PATH",
            help="A .onnx file, a folder with a TF.js graph model, or an artifact: NAME@VERSION or its URL.",
        ),
    ],
    graph: Annotated[
        bool,
        typer.Option("--graph", help="Compile the model, and show its nodes by operator before and after each pass."),
    ] = False,
    without_passes: WithoutPassOption = None,
    unroll_limit: UnrollLimitOption = None,
    artifacts: StoreOption = STORE,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Show what a model or an artifact holds; of an ONNX model also every node that can't be converted, and why.

    [bold]Examples[/]
      compat-export inspect model.onnx
      compat-export inspect artifacts/compatibility/1.0.0 --graph
      compat-export inspect model.onnx --graph --without-pass "fuse-*"
    """
    from converter.pipeline.inspect import inspect_path
    from converter.pipeline.locate import located

    if without_passes and not graph:
        raise ConfigError("nothing is compiled without --graph", where="--without-pass", hint="give --graph too")
    with located(path, artifacts) as place:
        document = inspect_path(place.folder)
        if graph:
            from converter.pipeline.stages import stages_of

            document["stages"] = stages_of(place.folder, without_passes or (), unroll_limit)
    return Result(document, essential=_title(document), view=lambda: _view(document))


def _title(document: Mapping[str, Any]) -> str:
    parts = [document["kind"], document["name"], document.get("version", ""), f"{document['size_bytes']:,} bytes"]
    return " ".join(filter(None, parts))


def _view(document: Mapping[str, Any]) -> Iterable["RenderableType"]:
    from rich.markup import escape

    yield f"[bold]{escape(_title(document))}[/]"
    yield _tensors(document)
    yield _operators(document["operators"]) if "operators" in document else _ops(document["ops"])
    for key, value in document.items():
        if key not in SHOWN_ELSEWHERE:
            yield f"{escape(key)}: {escape(_shown(value))}"
    if "stages" in document:
        yield _stages(document["stages"])
    if "unsupported" in document:
        yield from _verdict(document["unsupported"])


def _operator(problem: Mapping[str, Any]) -> str:
    return f"{problem['op']} (since {problem['since']})" if problem["since"] else str(problem["op"])


def _verdict(problems: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    from rich.markup import escape

    if not problems:
        yield "[green]every operator can be converted[/]"
        return
    yield f"[red]can't be converted[/]: {len(problems)} {'problem' if len(problems) == 1 else 'problems'}"
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in problems:
        place = _operator(one) if one["op"] else one["node"]
        groups.setdefault((place, one["reason"], one["hint"]), []).append(one["node"])
    for (place, reason, hint), nodes in groups.items():
        yield f"[red]{escape(place)}[/]: {escape(reason)}"
        if nodes != [place]:
            yield f"  [bold]nodes:[/] {escape(', '.join(nodes))}"
        if hint:
            yield f"  [bold]hint:[/]  {escape(hint)}"


def _tensors(document: Mapping[str, Any]) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("", "name", "dtype", "shape", box=box.SIMPLE_HEAD)
    for role in ("inputs", "outputs"):
        for tensor in document[role]:
            table.add_row(role[:-1], escape(tensor["name"]), tensor["dtype"], escape(_shape(tensor["shape"])))
    return table


def _shape(shape: Sequence[int | str | None] | None) -> str:
    return "unknown" if shape is None else f"[{', '.join('?' if dim is None else str(dim) for dim in shape)}]"


def _ops(ops: Mapping[str, int]) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("operator", box=box.SIMPLE_HEAD)
    table.add_column("nodes", justify="right")
    for op, count in sorted(ops.items(), key=lambda pair: (-pair[1], pair[0])):
        table.add_row(escape(op), str(count))
    return table


def _operators(operators: Sequence[Mapping[str, Any]]) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("operator", "since", box=box.SIMPLE_HEAD)
    table.add_column("nodes", justify="right")
    table.add_column("TF.js backends")
    for one in operators:
        backends = ", ".join(one["backends"]) or "[red]none[/]"
        table.add_row(escape(one["op"]), str(one["since"] or "?"), str(one["nodes"]), backends)
    return table


def _stages(stages: Sequence[Mapping[str, Any]]) -> "Table":
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("after", box=box.SIMPLE_HEAD)
    table.add_column("nodes", justify="right")
    table.add_column("transposes", justify="right")
    table.add_column("operators")
    for one in stages:
        changes = ", ".join(f"{op} {change:+}" for op, change in one["changes"].items())
        table.add_row(escape(one["stage"]), f"{one['nodes']:,}", f"{one['transposes']:,}", escape(changes))
    return table


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(inner) for inner in value)
    return str(value)

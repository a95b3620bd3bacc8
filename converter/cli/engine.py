"""`compat-export engine`: what else can convert, each in an environment of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.console import Console, Result
from converter.cli.options import JsonOption, QuietOption

if TYPE_CHECKING:
    from rich.console import RenderableType

    from converter.pipeline.engine import EngineStatus

STYLES = {"ready": "green", "not usable": "bold red", "not installed": "yellow"}
NameArgument = Annotated[str, typer.Argument(metavar="ENGINE", help="Such as onnx-tf; `engine list` names them.")]

app = typer.Typer(help="Install, list and remove engines other than our own.", no_args_is_help=False)


@app.callback()
def engine() -> None:
    """Install, list and remove engines other than our own, each in an environment that nothing else shares."""


@app.command()
def install(
    context: typer.Context,
    name: NameArgument,
    python: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The Python to build on. Default: one is looked for, or fetched."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Build it anew even if it looks whole.")] = False,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Install an engine: onnx-tf is the classical chain onnx-tf, TensorFlow, tensorflowjs.

    Its packages are old and have known vulnerabilities, so it gets a virtual environment of its own, about 1.8 GB after
    a download of 0.4 GB, in the user's cache folder or in COMPAT_EXPORT_HOME. It needs Linux on x86_64 and Python 3.11,
    which is fetched if there is none. An environment that is damaged or of another version is replaced.

    [bold]Examples[/]
      compat-export engine install onnx-tf
      COMPAT_EXPORT_HOME=/opt/engines compat-export engine install onnx-tf --python /usr/bin/python3.11
    """
    from converter.pipeline.engine import install_engine

    console: Console = context.obj
    with console.progress() as emit:
        status, is_new = install_engine(name, python=python, force=force, emit=emit)
    document = {"status": "installed" if is_new else "present", "engine": asdict(status)}
    return Result(document, essential=status.folder, view=lambda: [_installed(status, is_new)])


@app.command("list")
def list_engines(_json: JsonOption = False, _quiet: QuietOption = False) -> Result:
    """List the engines that there are, where they are installed, and what is wrong with one that isn't usable.

    [bold]Example[/]
      compat-export engine list
    """
    from converter.pipeline.engine import list_engines as run

    engines = run()
    essential = "\n".join(f"{one.name}: {one.status}" for one in engines)
    return Result({"engines": [asdict(one) for one in engines]}, essential, view=lambda: _listed(engines))


@app.command()
def remove(name: NameArgument, _json: JsonOption = False, _quiet: QuietOption = False) -> Result:
    """Remove an engine, and all that was downloaded for it.

    An engine in use is not removed.

    [bold]Example[/]
      compat-export engine remove onnx-tf
    """
    from converter.tensorflow_chain.install import remove as run

    freed_bytes = run(name)
    status = "absent" if freed_bytes is None else "removed"
    freed_mb = round((freed_bytes or 0) / 1e6)
    text = f"{name} was not installed" if freed_bytes is None else f"[green]removed[/] {name} [dim]({freed_mb:,} MB)[/]"
    return Result({"status": status, "engine": name, "freed_mb": freed_mb}, essential=status, view=lambda: [text])


def _installed(status: "EngineStatus", is_new: bool) -> str:
    from rich.markup import escape

    what = "installed" if is_new else "there already"
    return f"[green]{what}[/] {status.name} in {escape(status.folder)} [dim]({status.disk_mb:,} MB, {status.detail})[/]"


def _listed(engines: Sequence["EngineStatus"]) -> Iterable["RenderableType"]:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table("engine", "status", "disk", "folder", box=box.SIMPLE_HEAD)
    for one in engines:
        size = f"{one.disk_mb:,} MB" if one.status == "ready" else f"({one.disk_mb:,} MB)"
        table.add_row(one.name, f"[{STYLES[one.status]}]{one.status}[/]", size, escape(one.folder))
    yield table
    for one in engines:
        if one.hint:
            yield f"[bold]{one.name}[/]: {escape(one.detail)}: {escape(one.hint)}"

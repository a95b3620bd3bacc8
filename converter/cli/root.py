"""The command `compat-export` and its subcommands, a file each."""

from typing import Annotated

import typer

from converter import __version__
from converter.cli import (
    bench,
    bisect,
    client,
    config,
    convert,
    diff,
    doctor,
    engine,
    gc,
    inspect,
    release,
    serve,
    show,
    train,
    verify,
)
from converter.cli.console import Console, Result
from converter.cli.exit_codes import exit_codes
from converter.cli.listing import list_models

EPILOG = "\n".join(["[bold]Exit codes[/]", *(f"{code:>4}  {meaning}" for code, meaning in exit_codes().items())])

app = typer.Typer(
    epilog=EPILOG,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(context: typer.Context, wanted: bool) -> None:
    if wanted:
        console: Console = context.obj
        console.show(Result({"version": __version__}, __version__, lambda: [f"compat-export {__version__}"]))
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", hidden=True, help="Print tracebacks.")] = False,
) -> None:
    """PyTorch and ONNX models to verified, versioned TensorFlow.js releases.

    [bold]Examples[/]
      compat-export convert configs/compatibility.yaml
      compat-export convert model.onnx --name detector --version 1.0.0
      compat-export verify artifacts/detector/1.0.0
    """
    context.obj.debug = debug
    if context.invoked_subcommand is None:
        context.get_help()
        raise typer.Exit(2)


COMMANDS = (
    train.train,
    convert.convert,
    verify.verify,
    bench.bench,
    bisect.bisect,
    inspect.inspect,
    doctor.doctor,
    release.release,
    serve.serve,
    show.show,
    diff.diff,
    gc.gc,
)
for command in COMMANDS:
    app.command()(command)
app.command("list")(list_models)
app.add_typer(client.app, name="client")
app.add_typer(config.app, name="config")
app.add_typer(engine.app, name="engine")

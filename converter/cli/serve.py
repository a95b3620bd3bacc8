"""`compat-export serve`."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from converter.cli.console import Result
from converter.cli.options import JsonOption, QuietOption

if TYPE_CHECKING:
    from converter.serving import ArtifactServer


def serve(
    artifact: Annotated[
        Path,
        typer.Argument(metavar="ARTIFACT", help="A folder that holds manifest.json, or several as NAME/VERSION."),
    ],
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen on; 0.0.0.0 lets other machines in.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes one that is free.")
    ] = 8000,
    _json: JsonOption = False,
    _quiet: QuietOption = False,
) -> Result:
    """Serve an artifact over HTTP for an app in development, until Ctrl-C.

    Its files are checked first, and are served at /NAME/VERSION/ with CORS: the manifest is revalidated each time, what
    it lists may be cached for good. Nothing else is served. The first line on stdout has the address.

    [bold]Examples[/]
      compat-export serve artifacts/compatibility/1.0.0
      compat-export serve dist/release --port 0 --json
    """
    from converter.serving import ArtifactServer

    server = ArtifactServer(artifact, host=host, port=port)
    addresses = [server.url_of(manifest) for manifest in server.manifests]
    listed = [
        {"name": manifest.name, "version": manifest.version, "url": address}
        for manifest, address in zip(server.manifests, addresses, strict=True)
    ]
    return Result(
        {"url": server.url, "artifacts": listed},
        essential=addresses[0] if len(addresses) == 1 else server.url,
        view=lambda: _view(server, addresses),
        then=server.serve_forever,
    )


def _view(server: "ArtifactServer", addresses: list[str]) -> Iterable[str]:
    for address in addresses:
        yield f"[green]serving[/] {address}"
    yield f"[dim]{server.url} lists them; Ctrl-C ends it[/]"

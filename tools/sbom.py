"""Writes a CycloneDX bill of materials of the package: what it needs from PyPI, and what its bundles hold from npm.

`python -m tools.sbom FOLDER` writes `compat-export-VERSION.cdx.json` there. The versions are those installed here,
which constraints.txt pins; equal versions give equal bytes.
"""

import base64
import json
import os
import re
import sys
import tomllib
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from converter import __version__
from converter.fileio import canonical_json, write_atomically

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "converter" / "runtimes" / "js" / "package-lock.json"
NAME = "compat-export"
NAMESPACE = uuid.UUID("6f2d2a3e-7c0f-5b0e-9d53-0f4b5f6f7a11")

Component = dict[str, Any]


def sbom(epoch: int | None = None) -> dict[str, Any]:
    """The bill of materials; `epoch` is the time to record, in seconds since 1970."""
    own = {"type": "application", "name": NAME, "version": __version__, "bom-ref": _purl("pypi", NAME, __version__)}
    python = _python_components()
    javascript = _javascript_components()
    direct = [_python_ref(requirement) for requirement in _own_requirements()]
    graph = {own["bom-ref"]: [*direct, *(one["bom-ref"] for one in javascript)]}
    graph |= {ref: sorted({_python_ref(inner) for inner in _requirements(one["name"])}) for ref, one in python.items()}
    components = sorted([*python.values(), *javascript], key=lambda one: one["bom-ref"])
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own} | ({"timestamp": _time(epoch)} if epoch is not None else {}),
        "components": components,
        "dependencies": [{"ref": ref, "dependsOn": sorted(set(inner))} for ref, inner in sorted(graph.items())],
    }
    serial = uuid.uuid5(NAMESPACE, canonical_json(body).decode())
    return body | {"serialNumber": f"urn:uuid:{serial}"}


def _python_components() -> dict[str, Component]:
    """Every Python package that running needs, by its reference."""
    found: dict[str, Component] = {}
    pending = _own_requirements()
    while pending:
        name = _normalised(pending.pop().name)
        distribution = metadata.distribution(name)
        ref = _purl("pypi", name, distribution.version)
        if ref not in found:
            found[ref] = {
                "type": "library",
                "name": name,
                "version": distribution.version,
                "purl": ref,
                "bom-ref": ref,
            } | _license(distribution.metadata.get("License-Expression"))
            pending += _requirements(name)
    return found


def _javascript_components() -> list[Component]:
    """Every npm package that the bundles are made of."""
    packages = json.loads(LOCK.read_bytes())["packages"]
    found = {}
    for path, package in packages.items():
        if not path or package.get("dev") or package.get("optional") or package.get("peer"):
            continue
        name = path.rpartition("node_modules/")[2]
        ref = _purl("npm", name, package["version"])
        algorithm, _, digest = package["integrity"].partition("-")
        hashes = [{"alg": f"SHA-{algorithm[3:]}", "content": base64.b64decode(digest).hex()}]
        found[ref] = {
            "type": "library",
            "name": name,
            "version": package["version"],
            "purl": ref,
            "bom-ref": ref,
            "hashes": hashes,
        } | _license(package.get("license"))
    return list(found.values())


def _own_requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(text) for text in project["dependencies"]]


def _requirements(name: str) -> Iterator[Requirement]:
    """What a package needs on this machine, without its extras."""
    for text in metadata.distribution(name).requires or []:
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement


def _python_ref(requirement: Requirement) -> str:
    return _purl("pypi", _normalised(requirement.name), metadata.version(requirement.name))


def _license(expression: str | None) -> Component:
    return {"licenses": [{"expression": expression}]} if expression else {}


def _purl(kind: str, name: str, version: str) -> str:
    return f"pkg:{kind}/{name.replace('@', '%40')}@{version.replace('+', '%2B')}"


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _time(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def main(argv: list[str]) -> int:
    """Write the bill of materials into a folder."""
    (folder,) = argv
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    path = Path(folder, f"{NAME}-{__version__}.cdx.json")
    write_atomically(path, canonical_json(sbom(int(epoch) if epoch else None)))
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""How an artifact was made, as an in-toto statement with a SLSA predicate, for tools that know no manifest of ours."""

from collections.abc import Iterable
from typing import Any

from converter.artifact.manifest import Contents, FileEntry

PROVENANCE_NAME = "provenance.json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILDER = "pkg:pypi/compat-export"


def provenance(contents: Contents, files: Iterable[FileEntry], source_sha256: str) -> dict[str, Any]:
    """A statement that these files were made from that source, by this config and these versions.

    Source: https://slsa.dev/spec/v1.0/provenance
    """
    tool = contents.toolchain["compat-export"]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": file.path, "digest": {"sha256": file.sha256}} for file in files],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": f"{BUILDER}#convert",
                "externalParameters": {"config": contents.config, "configSources": contents.config_sources},
                "internalParameters": {"engine": contents.engine, "identity": contents.identity},
                "resolvedDependencies": _dependencies(contents, source_sha256),
            },
            "runDetails": {
                "builder": {"id": f"{BUILDER}@{tool}", "version": dict(contents.toolchain)},
                "metadata": {"finishedOn": contents.created} if contents.created else {},
            },
        },
    }


def _dependencies(contents: Contents, source_sha256: str) -> list[dict[str, Any]]:
    source = {"name": "source", "digest": {"sha256": source_sha256}}
    if contents.repository is None:
        return [source]
    state = {"isDirty": contents.repository.is_dirty}
    return [source, {"name": "config", "digest": {"gitCommit": contents.repository.commit}, "annotations": state}]

"""The JSON Schema of `manifest.json`, for tools in any language.

`python -m converter.artifact.schema FILE...` writes it to each file; it is kept in docs/ and beside this module.
"""

import sys
from pathlib import Path
from typing import Any

from converter.artifact.manifest import Manifest
from converter.fileio import canonical_json, write_atomically

SCHEMA_FILE = Path(__file__).with_name("manifest.schema.json")


def json_schema() -> dict[str, Any]:
    """The schema of what this version writes, as JSON Schema 2020-12."""
    schema = Manifest.model_json_schema(by_alias=True, mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write_atomically(Path(argument), canonical_json(json_schema()))

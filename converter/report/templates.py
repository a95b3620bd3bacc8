"""The templates of the documents."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = Path(__file__).parent


def template(name: str, filters: Mapping[str, Callable[..., Any]], *, is_html: bool) -> "Template":
    """A template of this folder; a name that it isn't given is an error, and what goes into HTML is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from converter.report.compiled_templates import CompiledTemplates

    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=is_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not is_html,
        bytecode_cache=CompiledTemplates(FOLDER),
    )
    environment.filters.update(filters)
    return environment.get_template(name)

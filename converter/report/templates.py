"""The templates of the documents."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str, filters: Mapping[str, Callable[..., Any]], *, is_html: bool) -> "Template":
    """A template of this folder; a name that it isn't given is an error, and what goes into HTML is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=is_html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=not is_html,
    )
    environment.filters.update(filters)
    return environment.get_template(name)

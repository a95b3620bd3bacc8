"""What a step of GitHub Actions shows beside its log: annotations, and a summary in Markdown."""

import os
import sys
from pathlib import Path
from typing import Literal

TITLE_LENGTH = 80


def annotate(level: Literal["error", "warning"], title: str, message: str, *, where: str = "") -> None:
    """Print a workflow command to stderr, which the runner reads too; nothing outside GitHub Actions.

    Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    properties = {"title": title[:TITLE_LENGTH]}
    if where and Path(where).is_file():
        properties["file"] = where
    told = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    sys.stderr.write(f"::{level} {told}::{_data(message)}\n")
    sys.stderr.flush()


def tell_failure(title: str, message: str, *, where: str = "") -> None:
    """Annotate an error, and have the step's summary say it."""
    annotate("error", title, message, where=where)
    fenced = message.replace("`", "'")
    add_summary(f"❌ {title}\n\n```\n{fenced}\n```\n\n")


def add_summary(markdown: str) -> None:
    """Append to the step's summary, where there is one."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(markdown)


def wants_summary() -> bool:
    """Whether a summary would be shown anywhere."""
    return bool(os.environ.get("GITHUB_STEP_SUMMARY"))


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")

"""The generated parts of a document that people and several programs write to."""

from pathlib import Path


def with_section(document: str, name: str, text: str) -> str:
    """The document with other text between the two marks of a section.

    Raises: ValueError if it lacks the marks.
    """
    begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->\n"
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there is no section {name!r}: put {begin.strip()} and {end.strip()} where it belongs")
    return f"{before}{begin}\n{text.strip()}\n\n{end}{after}"


def write_section(file: Path, name: str, text: str) -> None:
    """Replace what is between a section's two marks in a file, and leave the rest of it alone.

    Raises: ValueError if the document lacks the marks.
    """
    file.write_text(with_section(file.read_text(encoding="utf-8"), name, text), encoding="utf-8")

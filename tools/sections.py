"""The generated parts of a document that people and several programs write to."""

from pathlib import Path


def write_section(file: Path, name: str, text: str) -> None:
    """Replace what is between a section's two marks, and leave the rest of the document alone.

    Raises: ValueError if the document lacks the marks.
    """
    begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->\n"
    document = file.read_text(encoding="utf-8")
    before, found, rest = document.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{file} has no section {name!r}: put {begin.strip()} and {end.strip()} where it belongs")
    file.write_text(f"{before}{begin}\n{text.strip()}\n\n{end}{after}", encoding="utf-8")

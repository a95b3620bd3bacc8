from dataclasses import replace

from report_facts import Doubling, facts

from converter.report.facts import Facts
from converter.report.summary import markdown_from_facts


def rows(markdown: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in markdown.splitlines()
        if line.startswith("|")
    ]


def test_summary_has_a_row_for_each_runtime():
    markdown = markdown_from_facts(facts(Doubling("a"), Doubling("b_c", 1.0), Doubling("broken")))
    assert markdown.startswith("### scorer 1.2.3\n\n✗ 2 of 3 runtimes do not agree with torch\n")
    table = [row for row in rows(markdown) if row[0] in ("a", r"b\_c", "broken")]
    assert [row[1] for row in table[:3]] == ["✅ passed", "❌ failed", "❌ error"]
    assert "no such device" in table[2][-1]
    assert "- not run: tfjs-webgl@chromium: no browser" in markdown


def test_tables_are_whole():
    tables: list[list[str]] = [[]]
    for line in markdown_from_facts(facts()).splitlines():
        if line.startswith("|"):
            tables[-1].append(line.replace("\\|", ""))
        elif tables[-1]:
            tables.append([])
    for table in filter(None, tables):
        assert len({line.count("|") for line in table}) == 1, table


def test_text_cannot_break_out():
    markdown = markdown_from_facts(facts(name="a|b\n# c <img src=x>", exceeded=("`x` | y",)))
    assert "\n# c" not in markdown
    assert "<img" not in markdown.replace("\\<img", "")
    assert "- ❌ \\`x\\` \\| y" in markdown


def test_unproved_and_plain():
    assert "Not proved" in markdown_from_facts(Facts("m", "1.0.0"))
    assert "median ms" not in markdown_from_facts(replace(facts(), timings=()))

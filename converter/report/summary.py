"""A proof in a few lines of Markdown, for the summary that CI shows of a step."""

import re

from converter.report.facts import Facts, Verdict
from converter.report.words import NOTHING, headline, readable_bytes, short_number, tolerances_text

SIGNS = {"passed": "✅", "failed": "❌", "error": "❌"}
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def markdown_from_facts(facts: Facts) -> str:
    """A heading, the verdict, a row for each runtime, and what was not run."""
    lines = [f"### {_text(f'{facts.name} {facts.version}')}", "", _text(headline(facts)), ""]
    if facts.proof and facts.proof.runtimes:
        lines += ["| runtime | verdict | values | max \\|error\\| | why |", "|---|---|---:|---:|---|"]
        lines += [_row(verdict) for verdict in facts.proof.runtimes]
        tolerances = _text(tolerances_text(facts.proof))
        may_differ = f"; a value may differ by {tolerances}" if tolerances else ""
        lines += ["", f"{len(facts.proof.samples):,} samples{may_differ}.", ""]
        lines += [f"- not run: {_text(name)}: {_text(why)}" for name, why in sorted(facts.proof.not_run.items())]
    lines += [f"- ❌ {_text(sentence)}" for sentence in facts.exceeded]
    if facts.timings:
        lines += ["", "| runtime | load ms | first run ms | median ms | p99 ms |", "|---|---:|---:|---:|---:|"]
        for one in facts.timings:
            cells = (one.load_ms, one.warm_up_ms, one.p50_ms, one.p99_ms)
            lines.append(
                f"| {_text(one.runtime)} | " + " | ".join(NOTHING if ms is None else f"{ms:.2f}" for ms in cells) + " |"
            )
    if facts.sizes:
        lines += ["", "; ".join(f"{_text(size.part)} {readable_bytes(size.raw)}" for size in facts.sizes)]
    return "\n".join(lines) + "\n\n"


def _row(verdict: Verdict) -> str:
    numbers = [f"{verdict.compared:,}", short_number(verdict.max_abs)] if verdict.outputs else [NOTHING, NOTHING]
    cells = [_text(verdict.name), f"{SIGNS.get(verdict.status, '')} {verdict.status}", *numbers, _text(verdict.message)]
    return f"| {' | '.join(cells)} |"


def _text(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))

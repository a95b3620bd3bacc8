"""A proof in a few lines of Markdown, for the summary that CI shows of a step."""

from converter.report.facts import Facts, Verdict
from converter.report.words import NOTHING, escaped, headline, readable_bytes, short_number, tolerances_text

SIGNS = {"passed": "✅", "failed": "❌", "error": "❌"}


def markdown_from_facts(facts: Facts) -> str:
    """A heading, the verdict, a row for each runtime, and what was not run."""
    lines = [f"### {escaped(f'{facts.name} {facts.version}')}", "", escaped(headline(facts)), ""]
    if facts.proof and facts.proof.runtimes:
        lines += ["| runtime | verdict | values | max \\|error\\| | why |", "|---|---|---:|---:|---|"]
        lines += [_row(verdict) for verdict in facts.proof.runtimes]
        tolerances = escaped(tolerances_text(facts.proof))
        may_differ = f"; a value may differ by {tolerances}" if tolerances else ""
        lines += ["", f"{len(facts.proof.samples):,} samples{may_differ}.", ""]
        lines += [f"- not run: {escaped(name)}: {escaped(why)}" for name, why in sorted(facts.proof.not_run.items())]
    lines += [f"- ❌ {escaped(sentence)}" for sentence in facts.exceeded]
    if facts.timings:
        lines += ["", "| runtime | load ms | first run ms | median ms | p99 ms |", "|---|---:|---:|---:|---:|"]
        for one in facts.timings:
            cells = (one.load_ms, one.warm_up_ms, one.p50_ms, one.p99_ms)
            lines.append(
                f"| {escaped(one.runtime)} | "
                + " | ".join(NOTHING if ms is None else f"{ms:.2f}" for ms in cells)
                + " |"
            )
    if facts.sizes:
        lines += ["", "; ".join(f"{escaped(size.part)} {readable_bytes(size.raw)}" for size in facts.sizes)]
    return "\n".join(lines) + "\n\n"


def _row(verdict: Verdict) -> str:
    numbers = [f"{verdict.compared:,}", short_number(verdict.max_abs)] if verdict.outputs else [NOTHING, NOTHING]
    cells = [
        escaped(verdict.name),
        f"{SIGNS.get(verdict.status, '')} {verdict.status}",
        *numbers,
        escaped(verdict.message),
    ]
    return f"| {' | '.join(cells)} |"

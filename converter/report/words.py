"""How the documents say things, once for all of them."""

import re
from collections.abc import Mapping

from converter.report.facts import Facts, Output, Proof

NOTHING = "-"  # stands where there is no number
SPECIAL_IN_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&])")
UNITS = ((1e6, "MB"), (1e3, "kB"))


def headline(facts: Facts) -> str:
    """The verdict in one line."""
    if facts.proof is None:
        return _measured(facts) if facts.timings else "! Not proved: parity was not run"
    total = len(facts.proof.runtimes)
    failing, reference = total - facts.n_agreeing, facts.proof.reference.name
    if failing or not total:
        return f"✗ {failing} of {count(total, 'runtime')} {'does' if failing == 1 else 'do'} not agree with {reference}"
    return f"✓ {total:,} of {count(total, 'runtime')} agree{'s' * (total == 1)} with {reference}"


def _measured(facts: Facts) -> str:
    runtimes = f"Measured in {count(len(facts.timings), 'runtime')}"
    if facts.exceeded:
        return f"✗ {runtimes}: {count(len(facts.exceeded), 'limit')} exceeded"
    return f"✓ {runtimes}: every limit is kept"


def count(number: int, noun: str) -> str:
    """`1 runtime`, `2 runtimes`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def tolerances_text(proof: Proof) -> str:
    """How far a value may be off: a formula, and those of the runtimes with another; empty if none ran."""
    runtimes: dict[str, dict[str, None]] = {}
    for verdict in proof.runtimes:
        for output in verdict.outputs:
            formula = f"{output.tolerance.atol:g} + {output.tolerance.rtol:g} · |reference|"
            runtimes.setdefault(formula, {})[verdict.name] = None
    most, *others = sorted(runtimes, key=lambda formula: -len(runtimes[formula])) or [""]
    return "; ".join([most, *(f"{formula} in {', '.join(runtimes[formula])}" for formula in others)])


def versions_text(versions: Mapping[str, str]) -> str:
    """Versions in a line, sorted by name."""
    return ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))


def worst_text(output: Output) -> str:
    """The worst value and where it is, empty where every value is within the tolerance."""
    if output.worst is None or not output.bad:
        return ""
    index = ", ".join(map(str, output.worst))
    return (
        f"worst at [{index}] of {output.worst_sample}: {_value(output.candidate)}, reference {_value(output.reference)}"
    )


def short_number(value: float) -> str:
    """A number in a few characters."""
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")


def readable_bytes(size: int) -> str:
    """A size with a unit: 1 kB is 1000 bytes."""
    for factor, unit in UNITS:
        if size >= factor:
            return f"{size / factor:,.{0 if size >= 100 * factor else 1}f} {unit}"
    return f"{size} B"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return SPECIAL_IN_MARKDOWN.sub(r"\\\1", " ".join(text.split()))


def _value(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else str(value)

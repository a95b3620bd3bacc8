"""Small plots as SVG, drawn so that equal numbers give equal bytes; colours come from the page's style sheet."""

from collections.abc import Iterable

from converter.report.spread import BINS_PER_DECADE, HIGHEST_EXPONENT, LOWEST_EXPONENT, N_BINS, Spread
from converter.report.svg import line, number, rectangle, svg, text, upward_text
from converter.report.words import short_number

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LIMIT_BIN = -LOWEST_EXPONENT * BINS_PER_DECADE  # errors from here on are outside the tolerance


def histogram(spread: Spread) -> str:
    """How many errors are how large, as fractions of what the tolerance allows; what lies right of the line fails."""
    width, height, base = 216.0, 132.0, 108.0
    left, slot = 34.0, (width - 40.0) / N_BINS
    heights = [spread.equal, *spread.bins]
    top = max([*heights, spread.not_comparable, 1])
    parts = [line(0, base, width, base, "axis")]
    parts += _bar(0, 22, spread.equal, top, base, "equal")
    for index, count in enumerate(spread.bins):
        kind = "good" if index < LIMIT_BIN else "bad"
        parts += _bar(left + index * slot, slot - 1, count, top, base, kind)
    parts += _bar(width - 6, 6, spread.not_comparable, top, base, "bad")
    limit = left + LIMIT_BIN * slot - 0.5
    parts += [line(limit, 14, limit, base, "limit"), text(limit, 9, "allowed", "middle")]
    parts.append(text(0, base + 12, "equal", "start"))
    for exponent in range(LOWEST_EXPONENT + 1, HIGHEST_EXPONENT, 2):
        x = left + (exponent - LOWEST_EXPONENT) * BINS_PER_DECADE * slot
        label = "1" if exponent == 0 else f"10{str(exponent).translate(SUPERSCRIPTS)}"
        parts.append(text(x, base + 12, label, "middle"))
    parts.append(text(width / 2, base + 23, "|error| / allowed", "middle"))
    return svg(width, height, "Distribution of the errors", parts)


def scatter(spread: Spread) -> str:
    """The candidate's values over the reference's: on the diagonal, they are equal."""
    left, base, side = 14.0, 108.0, 96.0
    low, high = _range_of(spread.pairs)

    def place(value: float) -> float:
        return (value / 2 - low / 2) / (high / 2 - low / 2) * side  # a range can be wider than a number

    dots = {(round(left + place(x), 1), round(base - place(y), 1)) for x, y in spread.pairs}
    path = "".join(f"M{number(x)} {number(y)}h0" for x, y in sorted(dots))
    parts = [
        rectangle(left, 6, side, side, "frame"),
        line(left, base, left + side, base - side, "diagonal"),
        f'<path class="dots" d="{path}"/>',
        text(left, base + 12, short_number(low), "start"),
        text(left + side, base + 12, short_number(high), "end"),
        text(left + side / 2, base + 23, "reference", "middle"),
        upward_text(9, base - side / 2, "this runtime"),
    ]
    return svg(left + side + 4, 132, "This runtime's values over the reference's", parts)


def _range_of(pairs: Iterable[tuple[float, float]]) -> tuple[float, float]:
    values = [value for pair in pairs for value in pair] or [0.0]
    low, high = min(values), max(values)
    if high > low:
        return low, high
    around = abs(low) or 1.0
    return low - around / 2, low + around / 2


def _bar(x: float, width: float, count: int, top: int, base: float, kind: str) -> list[str]:
    if not count:
        return []
    height = max(count / top * (base - 18), 1.5)
    return [rectangle(x, base - height, width, height, kind, f"{count:,}")]

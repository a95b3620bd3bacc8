"""A picture of ratios: one bar a model on a logarithmic scale, and a line at 1."""

import math
from collections.abc import Iterator, Mapping

from converter.report.svg import line, rectangle, svg, text

WIDTH, LABELS, ROW, TOP = 640.0, 150.0, 20.0, 34.0
STYLE = """
text{font:12px sans-serif;fill:#444}.bar{fill:#2f7d4f}.worse{fill:#b3541e}.one{stroke:#888;stroke-width:1}
@media(prefers-color-scheme:dark){text{fill:#ccc}.bar{fill:#5fb583}.worse{fill:#e08a52}.one{stroke:#999}}
"""


def ratio_bars(title: str, ratios: Mapping[str, float]) -> str:
    """Above 1 is in our favour, below 1 is not."""
    height = TOP + ROW * max(len(ratios), 1) + 10
    return svg(WIDTH, height, title, [text(8, 18, title, "start"), *_rows(ratios)], style=STYLE.replace("\n", ""))


def _rows(ratios: Mapping[str, float]) -> Iterator[str]:
    if not ratios:
        yield text(8, TOP + 14, "Nothing was compared.", "start")
        return
    lowest = min(1.0, *ratios.values()) / 1.2
    highest = max(1.0, *ratios.values()) * 1.2
    per_unit = (WIDTH - LABELS - 60) / math.log(highest / lowest)

    def place(ratio: float) -> float:
        return LABELS + math.log(ratio / lowest) * per_unit

    for index, (name, ratio) in enumerate(ratios.items()):
        top = TOP + index * ROW
        left, right = sorted((place(1.0), place(ratio)))
        yield text(LABELS - 8, top + 12, name, "end")
        yield rectangle(left, top + 2, right - left, ROW - 6, "bar" if ratio >= 1 else "worse", f"{ratio:.2f}")
        yield text(right + 6, top + 12, f"{ratio:.2f}", "start")
    yield line(place(1.0), TOP - 4, place(1.0), TOP + len(ratios) * ROW, "one")

"""The calibration of a model as a picture that stands by itself, in light and in dark."""

from collections.abc import Sequence
from math import sqrt
from typing import Protocol

from converter.report.svg import line, number, rectangle, svg, text, upward_text

Z = 1.96  # deviations that hold 95 % of a normal distribution

STYLE = (
    "svg{--ink:#57606a;--mark:#2f63e0;--rule:#8c959f}"
    "@media(prefers-color-scheme:dark){svg{--ink:#9ea7b3;--mark:#86a8ff;--rule:#6e7681}}"
    "text{fill:var(--ink);font:11px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}"
    ".axis{stroke:var(--rule);fill:none}"
    ".frame{stroke:var(--rule);fill:none;opacity:.5}"
    ".diagonal{stroke:var(--ink);stroke-dasharray:3 3;fill:none}"
    ".whisker{stroke:var(--mark);stroke-width:1.5;fill:none}"
    ".dot{fill:var(--mark)}"
    ".rows{fill:var(--mark);opacity:.45}"
)


class Bin(Protocol):
    """The rows whose scores are in [low, high)."""

    @property
    def low(self) -> float:
        """The lowest score."""

    @property
    def high(self) -> float:
        """Where the next bin begins."""

    @property
    def n_rows(self) -> int:
        """How many rows."""

    @property
    def mean_score(self) -> float:
        """Their mean score."""

    @property
    def share_of_yes(self) -> float:
        """The share of them that came true."""


def calibration_plot(bins: Sequence[Bin]) -> str:
    """What came true over what the model said, each bin a dot with its 95 % interval; below, how many rows it has.

    A model whose scores are probabilities has its dots on the diagonal.
    """
    left, top, side, strip = 46.0, 10.0, 240.0, 40.0
    base, foot = top + side, top + side + 14.0 + strip
    most = max(one.n_rows for one in bins)
    parts = [
        rectangle(left, top, side, side, "frame"),
        line(left, base, left + side, top, "diagonal"),
        line(left, foot, left + side, foot, "axis"),
    ]
    for one in bins:
        x, y = left + one.mean_score * side, base - one.share_of_yes * side
        low, high = wilson_interval(one.share_of_yes, one.n_rows)
        told = f"{one.n_rows:,} rows say {one.mean_score:.3f}; {one.share_of_yes:.3f} came true"
        height = max(one.n_rows / most * strip, 1.0)
        bar_x, width = left + one.low * side + 0.5, (one.high - one.low) * side - 1
        parts += [
            rectangle(bar_x, foot - height, width, height, "rows", told),
            line(x, base - low * side, x, base - high * side, "whisker"),
            f'<circle class="dot" cx="{number(x)}" cy="{number(y)}" r="3.5"/>',
        ]
    for tick in (0.0, 0.5, 1.0):
        label = f"{tick:g}"
        parts += [
            text(left + tick * side, foot + 14, label, "middle"),
            text(left - 6, base - tick * side + 4, label, "end"),
        ]
    parts += [
        text(left + side / 2, foot + 28, "score (bars: rows)", "middle"),
        upward_text(13, top + side / 2, "share that came true"),
    ]
    return svg(left + side + 14, foot + 36, "Calibration: what came true over what the model said", parts, style=STYLE)


def wilson_interval(share: float, n_rows: int) -> tuple[float, float]:
    """The 95 % interval of a share that was counted on so many rows.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927)
    """
    spread = Z * Z / n_rows
    middle = (share + spread / 2) / (1 + spread)
    half = sqrt(spread * share * (1 - share) + spread * spread / 4) / (1 + spread)
    return max(middle - half, 0.0), min(middle + half, 1.0)

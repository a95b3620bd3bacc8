"""The few SVG elements that the plots are drawn with; equal numbers give equal bytes."""

from collections.abc import Iterable
from html import escape


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line of a class."""
    return f'<path class="{kind}" d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"/>'


def rectangle(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    """A rectangle of a class, with a title that a pointer shows."""
    told = f"><title>{escape(title)}</title></rect>" if title else "/>"
    return (
        f'<rect class="{kind}" x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"{told}'
    )


def text(x: float, y: float, content: str, anchor: str) -> str:
    """A line of text that starts, ends or has its middle there."""
    return f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}">{escape(content)}</text>'


def upward_text(x: float, y: float, content: str) -> str:
    """A line of text that runs upwards, its middle there."""
    place = f"{number(x)} {number(y)}"
    return (
        f'<text x="{number(x)}" y="{number(y)}" text-anchor="middle" transform="rotate(-90 {place})">'
        f"{escape(content)}</text>"
    )


def svg(width: float, height: float, title: str, parts: Iterable[str], *, style: str = "") -> str:
    """A picture: part of a page whose style sheet colours it, or, with a style of its own, a file by itself."""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img"'
    own = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>' if style else f"<svg {size}>"
    sheet = f"<style>{style}</style>" if style else ""
    return f"{own}<title>{escape(title)}</title>{sheet}{''.join(parts)}</svg>"


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")

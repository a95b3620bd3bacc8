import re
from xml.etree import ElementTree

import pytest

from converter.report.plots import histogram, scatter
from converter.report.spread import N_BINS, Spread
from converter.report.words import short_number

SVG = "{http://www.w3.org/2000/svg}"


def elements(svg: str, tag: str, kind: str) -> list[ElementTree.Element]:
    return [one for one in ElementTree.fromstring(svg).iter(tag) if one.get("class") == kind]


def spread(**counts: int) -> Spread:
    bins = [0] * N_BINS
    for index, count in counts.items():
        bins[int(index[1:])] = count
    return Spread(equal=5, bins=bins, pairs=[(0.0, 0.0), (1.0, 1.0), (0.5, 0.5)])


def test_bars_left_of_the_line_pass_and_right_of_it_fail():
    svg = histogram(spread(b2=10, b17=1, b18=3, b23=4))
    limit = float(re.match(r"M([\d.]+)", elements(svg, "path", "limit")[0].attrib["d"])[1])
    good, bad = elements(svg, "rect", "good"), elements(svg, "rect", "bad")
    assert (len(good), len(bad)) == (2, 2)
    assert all(float(bar.attrib["x"]) + float(bar.attrib["width"]) <= limit + 1 for bar in good)
    assert all(float(bar.attrib["x"]) >= limit - 1 for bar in bad)
    assert max(float(bar.attrib["height"]) for bar in good) > max(float(bar.attrib["height"]) for bar in bad)


def test_even_one_value_is_seen():
    svg = histogram(spread(b2=1_000_000, b20=1))
    assert [float(bar.attrib["height"]) >= 1.5 for bar in elements(svg, "rect", "bad")] == [True]


def test_equal_pairs_lie_on_the_diagonal():
    path = elements(scatter(spread()), "path", "dots")[0].attrib["d"]
    points = [tuple(map(float, point.split())) for point in re.findall(r"M([\d.]+ [\d.]+)", path)]
    assert len(points) == 3
    assert len({round(x + y, 1) for x, y in points}) == 1


@pytest.mark.parametrize("pairs", [[], [(2.0, 2.0)], [(0.0, 0.0)], [(1e300, -1e300)], [(-1e308, 1e308)]])
def test_any_values_can_be_drawn(pairs):
    svg = scatter(Spread(pairs=pairs))
    assert "nan" not in svg
    assert "inf" not in svg
    ElementTree.fromstring(svg)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (1.49e-7, "1.49e-7"), (1234.5, "1.23e3"), (0.25, "0.25"), (-1e12, "-1e12")]
)
def test_numbers_are_short(value, text):
    assert short_number(value) == text

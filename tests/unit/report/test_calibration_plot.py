from xml.etree import ElementTree

import pytest
from scipy.stats import binomtest

from converter.artifact.evaluation import ReliabilityBin
from converter.report.calibration_plot import calibration_plot, wilson_interval

SVG = "{http://www.w3.org/2000/svg}"


def one(low: float, n_rows: int, mean_score: float, share: float) -> ReliabilityBin:
    return ReliabilityBin(low=low, high=low + 0.1, n_rows=n_rows, mean_score=mean_score, share_of_yes=share)


def test_bin_that_says_what_comes_true_has_its_dot_on_the_diagonal() -> None:
    root = ElementTree.fromstring(calibration_plot([one(0.2, 100, 0.25, 0.25), one(0.7, 10, 0.75, 0.4)]))
    diagonal = next(path for path in root.iter(f"{SVG}path") if path.get("class") == "diagonal").attrib["d"]
    left, bottom, right, top = (float(part) for part in diagonal[1:].replace("L", " ").split())
    on, below = root.iter(f"{SVG}circle")
    for dot, score, share in ((on, 0.25, 0.25), (below, 0.75, 0.4)):
        assert float(dot.attrib["cx"]) == pytest.approx(left + score * (right - left), abs=0.1)
        assert float(dot.attrib["cy"]) == pytest.approx(bottom + share * (top - bottom), abs=0.1)


def test_every_bin_has_a_bar_that_tells_its_rows_and_a_whisker() -> None:
    root = ElementTree.fromstring(calibration_plot([one(0.0, 1000, 0.05, 0.0), one(0.9, 1, 0.95, 1.0)]))
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "rows"]
    assert [bar.findtext(f"{SVG}title") for bar in bars] == [
        "1,000 rows say 0.050; 0.000 came true",
        "1 rows say 0.950; 1.000 came true",
    ]
    assert all(float(bar.attrib["height"]) >= 1 for bar in bars)
    assert sum(path.get("class") == "whisker" for path in root.iter(f"{SVG}path")) == 2


def test_picture_brings_its_colours_for_light_and_dark_and_fetches_nothing() -> None:
    svg = calibration_plot([one(0.2, 100, 0.25, 0.25)])
    assert "prefers-color-scheme:dark" in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    assert svg == calibration_plot([one(0.2, 100, 0.25, 0.25)])


@pytest.mark.parametrize(("yes", "n_rows"), [(0, 5), (3, 10), (700, 1000), (1, 1)])
def test_interval_of_a_share_is_that_of_scipy(yes: int, n_rows: int) -> None:
    judge = binomtest(yes, n_rows).proportion_ci(0.95, method="wilson")
    assert wilson_interval(yes / n_rows, n_rows) == pytest.approx((judge.low, judge.high), abs=1e-4)

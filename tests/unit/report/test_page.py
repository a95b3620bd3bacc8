import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from report_facts import Doubling, facts

from converter.report.facts import EngineFigures, Facts, Size, Timing
from converter.report.page import MAX_PLOTS, html_from_facts

VOID = {"meta", "wbr"}
REMOTE = re.compile(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!#)", re.IGNORECASE)


class Reader(HTMLParser):
    """Checks that tags are closed, and collects what is shown."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += f" {data} "


def shown(page: str) -> str:
    """The text of a page; names are broken before their @ for phones."""
    return " ".join(Reader(page).text.split()).replace(" @", "@")


def test_page_says_who_agrees():
    text = shown(html_from_facts(facts(Doubling("onnxruntime", 1e-6), Doubling("tfjs-wasm@node"))))
    assert "✓ 2 of 2 runtimes agree with torch" in text
    assert "tfjs-webgl@chromium not run: no browser" in text
    assert "2 samples, against torch (numpy 2.0)" in text
    assert "a <device>; numpy 2.0" in text
    for part in ("scorer 1.2.3", "12.3 kB", "MatMul 2", "3 nodes", "km", "batch32-random"):
        assert part in text, part


def test_page_says_who_fails_and_where():
    text = shown(html_from_facts(facts(Doubling("onnxruntime"), Doubling("tfjs-wasm@node", 0.5), Doubling("broken"))))
    assert "✗ 2 of 3 runtimes do not agree with torch" in text
    assert "tfjs-wasm@node ✗ disagrees" in text
    assert re.search(r"worst at \[\d+, \d+\] of batch(1|32)-random: ", text)
    assert "broken OSError: no such device" in text


def test_page_fetches_nothing_and_runs_nothing():
    page = html_from_facts(facts(Doubling("onnxruntime", 0.5)))
    assert "script" not in Reader(page).tags
    assert not REMOTE.search(page)
    assert "default-src 'none'" in page


def test_page_suits_light_and_dark_screens_and_phones():
    page = html_from_facts(facts())
    assert "@media (prefers-color-scheme: dark)" in page
    assert 'name="viewport" content="width=device-width' in page


def test_names_are_text_wherever_they_are_shown():
    hostile = '"><script>alert(1)</script>'
    page = html_from_facts(
        facts(
            Doubling(hostile, 0.5, (hostile,)), outputs=(hostile,), name=hostile, description=hostile, ops={hostile: 1}
        )
    )
    assert "script" not in Reader(page).tags
    assert "<script>" not in page


def test_equal_facts_give_equal_bytes():
    first, second = (html_from_facts(facts(Doubling("a", 1e-6), Doubling("b", 0.5))) for _ in range(2))
    assert first == second


def test_latencies_show_only_where_they_are_given():
    assert "Latency" in shown(html_from_facts(facts()))
    assert "Latency" not in shown(html_from_facts(replace(facts(), timings=())))


def test_page_stays_small_however_many_outputs_there_are():
    outputs = tuple(f"output-{i}" for i in range(40))
    runtimes = [Doubling(f"runtime-{i}", 1e-6, outputs) for i in range(8)]
    page = html_from_facts(facts(*runtimes, outputs=outputs, ops={f"Op{i}": i + 1 for i in range(250)}))
    assert len(page.encode()) < 300_000
    assert Reader(page).tags.count("figure") == MAX_PLOTS
    assert f"{40 * 8 - MAX_PLOTS} more plots were left out" in shown(page)


def test_failing_runtimes_keep_their_plots_where_not_all_fit():
    outputs = tuple(f"output-{i}" for i in range(10))
    runtimes = [Doubling(f"good-{i}", 0, outputs) for i in range(4)] + [Doubling("bad", 1, outputs)]
    page = html_from_facts(facts(*runtimes, outputs=outputs))
    assert page.count("✗ disagrees</span> bad") == len(outputs)


def test_an_unproved_model_says_so():
    assert "! Not proved: parity was not run" in shown(html_from_facts(Facts("m", "1.0.0")))


@pytest.mark.parametrize(
    ("exceeded", "verdict"),
    [
        pytest.param((), "✓ Measured in 1 runtime: every limit is kept", id="kept"),
        pytest.param(
            ("x: load_ms is 9, the budget is at most 1",), "✗ Measured in 1 runtime: 1 limit exceeded", id="not"
        ),
    ],
)
def test_a_measurement_says_what_became_of_the_budgets(exceeded, verdict):
    timing = Timing("x", 9.0, 20.0, 1.0, 2.0, 3.0, 4_000_000, 5_000_000)
    text = shown(
        html_from_facts(Facts("m", "1.0.0", timings=(timing,), sizes=(Size("ONNX", 99, 50, 40),), exceeded=exceeded))
    )
    assert verdict in text
    assert all(sentence in text for sentence in exceeded)
    assert "x 9.00 20.00 1.00 2.00 3.00 4.0 MB 5.0 MB" in text
    assert "ONNX 99 B 50 B 40 B" in text


def test_the_wheel_has_what_the_page_is_made_of():
    root = Path(__file__).parents[3]
    files = {file.relative_path for file in WheelBuilder(str(root)).recurse_included_files()}
    assert {"converter/report/page.html.j2", "converter/report/page.css"} <= files


def test_two_engines_are_shown_side_by_side() -> None:
    direct = EngineFigures(
        "direct", 8, 1, 7_400, {"tfjs-cpu@node": 2e-8, "tfjs-wasm@node": 0.0}, {"tfjs-cpu@node": 2.5}
    )
    chain = EngineFigures("onnx-tf", 1_027, 6, 28_900, {"tfjs-cpu@node": 3e-8}, {"tfjs-cpu@node": 4.0})
    text = Reader(html_from_facts(facts(engines=(direct, chain), distances={"tfjs-cpu@node": 1e-8}))).text
    shown = " ".join(text.split())
    assert "direct onnx-tf between them TF.js nodes 8 1,027 of them Transpose 1 6 size 7.4 kB 28.9 kB" in shown
    assert "max |error|, tfjs-cpu@node 2e-8 3e-8 1e-8 max |error|, tfjs-wasm@node 0 - -" in shown
    assert "ms, tfjs-cpu@node 2.5 4" in shown
    assert "Two engines" not in html_from_facts(facts())

from xml.etree import ElementTree

from report_facts import Doubling, facts

from converter.report.facts import Facts
from converter.report.junit import junit_from_facts


def suite(facts: Facts) -> ElementTree.Element:
    return ElementTree.fromstring(junit_from_facts(facts)).find("testsuite")


def counts(one: ElementTree.Element) -> dict[str, int]:
    return {key: int(one.attrib[key]) for key in ("tests", "failures", "errors", "skipped")}


def test_each_output_in_each_runtime_is_a_test():
    outputs = ("score", "other")
    found = suite(facts(Doubling("a", outputs=outputs), Doubling("b", 1.0, outputs), outputs=outputs))
    assert found.attrib["name"] == "parity of scorer 1.2.3"
    assert counts(found) == {"tests": 5, "failures": 2, "errors": 0, "skipped": 1}
    cases = {(case.attrib["classname"], case.attrib["name"]): case for case in found}
    assert cases["a", "output score"].find("failure") is None
    failure = cases["b", "output score"].find("failure")
    assert failure.attrib["message"].startswith("132 of 132 values differ, max |error| 1")
    assert failure.text.startswith("worst at [")


def test_a_runtime_that_breaks_is_an_error():
    found = suite(facts(Doubling("broken")))
    assert counts(found) == {"tests": 2, "failures": 0, "errors": 1, "skipped": 1}
    assert "no such device" in found.find("testcase/error").attrib["message"]


def test_nothing_proved_is_a_failure():
    assert counts(suite(Facts("m", "1.0.0"))) == {"tests": 1, "failures": 1, "errors": 0, "skipped": 0}


def test_any_name_can_be_written():
    name = 'a\x00b\x1b"<&>\ud800'
    found = suite(facts(Doubling("a", outputs=(name,)), outputs=(name,)))
    assert found.find("testcase").attrib["name"] == 'output a\ufffdb\ufffd"<&>\ufffd'


def test_equal_facts_give_equal_bytes():
    assert junit_from_facts(facts()) == junit_from_facts(facts())

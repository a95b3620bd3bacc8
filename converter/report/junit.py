"""A proof as JUnit XML: each output in each runtime is a test, as are the runtimes that could not be compared."""

import re
from xml.etree import ElementTree

from converter.report.facts import Facts, Verdict
from converter.report.words import short_number, versions_text, worst_text

NOT_IN_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_from_facts(facts: Facts) -> bytes:
    """The XML; a runtime that broke is an error, one that was left out is skipped, and proving nothing is a failure."""
    root = ElementTree.Element("testsuites")
    name = f"parity of {facts.name} {facts.version}"
    suite = ElementTree.SubElement(root, "testsuite", name=_clean(name))
    if facts.proof is None or not facts.proof.runtimes:
        case = ElementTree.SubElement(suite, "testcase", classname="parity", name="proof")
        ElementTree.SubElement(case, "failure", message="nothing was proved")
    else:
        for verdict in facts.proof.runtimes:
            _add_runtime(suite, facts, verdict)
        for runtime, reason in sorted(facts.proof.not_run.items()):
            case = ElementTree.SubElement(suite, "testcase", classname=_clean(runtime), name="runtime")
            ElementTree.SubElement(case, "skipped", message=_clean(reason))
    counts = {kind: str(len(suite.findall(f"testcase/{kind}"))) for kind in ("failure", "error", "skipped")}
    totals = {
        "tests": str(len(suite)),
        "failures": counts["failure"],
        "errors": counts["error"],
        "skipped": counts["skipped"],
    }
    suite.attrib |= totals
    root.attrib |= totals
    ElementTree.indent(root)
    return ('<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n").encode()


def _add_runtime(suite: ElementTree.Element, facts: Facts, verdict: Verdict) -> None:
    runtime = _clean(verdict.name)
    if verdict.message or not verdict.outputs:
        case = ElementTree.SubElement(suite, "testcase", classname=runtime, name="runtime")
        kind = "error" if verdict.status == "error" else "failure"
        ElementTree.SubElement(case, kind, message=_clean(verdict.message or verdict.status))
    for output in verdict.outputs:
        case = ElementTree.SubElement(suite, "testcase", classname=runtime, name=_clean(f"output {output.name}"))
        if output.bad:
            message = f"{output.bad} of {output.compared} values differ, max |error| {short_number(output.max_abs)}"
            failure = ElementTree.SubElement(case, "failure", message=message)
            failure.text = _clean(worst_text(output))
        if verdict.info:
            told = ElementTree.SubElement(case, "system-out")
            told.text = _clean(f"{verdict.info.device}; {versions_text(verdict.info.versions)}")


def _clean(text: str) -> str:
    """Text without the characters that XML can't hold."""
    return NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)

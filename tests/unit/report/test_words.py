from report_facts import SAMPLES, Doubling

from converter.parity.agreement import Agreement
from converter.parity.compare import Tolerance
from converter.parity.run import Candidate, check_parity, compute_reference
from converter.report.words import tolerances_text

AGREEMENT = Agreement({"float32": Tolerance(1e-5, 1e-4), "float16-textures": Tolerance(0.01, 0.02)}, {})


def text(*candidates: Candidate) -> str:
    reference = compute_reference(Doubling("torch"), None, SAMPLES)
    return tolerances_text(check_parity(reference, candidates, SAMPLES, AGREEMENT))


def test_runtimes_with_a_tolerance_of_their_own_are_named():
    exact = [Candidate(Doubling(name), None) for name in ("a", "b")]
    half = Candidate(Doubling("phone"), None, ("float16-textures",))
    assert text(half, *exact) == "1e-05 + 0.0001 · |reference|; 0.01 + 0.02 · |reference| in phone"


def test_one_tolerance_needs_no_names():
    assert text(Candidate(Doubling("a"), None)) == "1e-05 + 0.0001 · |reference|"


def test_nothing_is_said_where_nothing_ran():
    assert text(Candidate(Doubling("broken"), None)) == ""

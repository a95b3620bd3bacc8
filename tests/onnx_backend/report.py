"""A score as Markdown."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from converter.runtimes.base import RuntimeInfo
from tests.onnx_backend.judge import Outcome
from tests.onnx_backend.known_failures import KnownFailure, find
from tests.onnx_backend.score import Score


def markdown(score: Score, known: Sequence[KnownFailure], suite_version: str) -> str:
    """Totals, the operators, and what doesn't pass; no line of it depends on how long anything took."""
    parts = [_totals(score, suite_version), _operators(score), _bound(score), _adapted(score), _failures(score, known)]
    return "\n\n".join("\n".join(part) for part in parts)


def _totals(score: Score, suite_version: str) -> Iterator[str]:
    total = len(score.outcomes)
    yield f"{total:,} tests of the backend suite of onnx {suite_version}, with its own expected outputs and tolerances."
    yield ""
    yield from _head("runtime", "passed", "with bound inputs", "with sequences taken apart", "not passed")
    for name in score.runtimes:
        outcomes = [by_runtime[name] for by_runtime in score.outcomes.values()]
        passed = [outcome for outcome in outcomes if outcome.has_passed]
        n_bound = sum(bool(outcome.bound) for outcome in passed)
        n_adapted = sum(outcome.is_adapted for outcome in passed)
        yield _row(f"`{name}`", f"**{len(passed):,}**", n_bound, n_adapted, total - len(passed))
    yield ""
    yield "The second and third number are part of the first."
    yield ""
    yield from (f"- `{name}`: {_described(info)}" for name, info in score.runtimes.items())


def _described(info: RuntimeInfo) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in info.versions.items())
    return f"{info.device} ({versions})"


def _operators(score: Score) -> Iterator[str]:
    yield "### By operator"
    yield ""
    yield "How many of the tests whose model holds the operator pass."
    yield ""
    names = list(score.runtimes)
    yield from _head("operator", "tests", *(name.removeprefix("tfjs-").partition("@")[0] for name in names))
    tests_of = _grouped((operator, test) for test, operators in score.operators.items() for operator in operators)
    for operator in sorted(tests_of, key=lambda name: ("::" in name, name)):
        tests = tests_of[operator]
        passed = [sum(score.outcomes[test][name].has_passed for test in tests) for name in names]
        yield _row(operator, len(tests), *passed)


def _bound(score: Score) -> Iterator[str]:
    yield "### Passed with bound inputs"
    yield ""
    yield "These inputs decide about shapes, or about what the model is: TF.js needs them before the graph runs."
    yield "They were made constants with the test's own values; the other inputs stayed inputs."
    yield ""
    bound = ((", ".join(sorted(one.bound)), test) for test, one in _passed(score) if one.bound)
    for names, tests in sorted(_grouped(bound).items()):
        yield f"- {names}: {_listed(tests)}"


def _adapted(score: Score) -> Iterator[str]:
    yield "### Passed with sequences and optionals taken apart"
    yield ""
    yield "Only tensors can enter or leave a TF.js graph: nodes around the model make its sequences and optionals of"
    yield "tensors, and give back how long they are and the tensors in them."
    yield ""
    yield _listed([test for test, one in _passed(score) if one.is_adapted]) or "None."


def _failures(score: Score, known: Sequence[KnownFailure]) -> Iterator[str]:
    yield "### Not passed"
    yield ""
    n_all = len(score.runtimes)
    for reason, where in _by_reason(score, known).items():
        for runtimes, tests in where.items():
            place = "everywhere" if len(runtimes) == n_all else ", ".join(f"`{name}`" for name in runtimes)
            yield f"- **{reason}** ({len(tests)}, {place}): {_listed(tests)}"


def _by_reason(score: Score, known: Sequence[KnownFailure]) -> dict[str, dict[tuple[str, ...], list[str]]]:
    """reason -> the runtimes that fail for it -> tests; an unlisted failure says what it says itself."""
    found: dict[str, dict[tuple[str, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for test, outcomes in score.outcomes.items():
        reasons = _grouped(
            (entry.reason if (entry := find(known, test, name)) else f"unlisted: {one.stage}: {one.reason}", name)
            for name, one in outcomes.items()
            if not one.has_passed
        )
        for reason, names in reasons.items():
            found[reason][tuple(names)].append(test)
    return dict(sorted(found.items()))


def _passed(score: Score) -> Iterator[tuple[str, Outcome]]:
    """The tests that pass in some runtime, with one outcome: binding is the same in all."""
    for test, outcomes in score.outcomes.items():
        yield from ((test, one) for one in [*filter(lambda one: one.has_passed, outcomes.values())][:1])


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, list[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def _listed(tests: Sequence[str]) -> str:
    return ", ".join(sorted(test.removeprefix("test_") for test in tests))


def _head(*columns: str) -> Iterator[str]:
    yield _row(*columns)
    yield _row("---", *["---:"] * (len(columns) - 1))


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"

"""Writes docs/operators.md, what the compiler does with each operator of ONNX: `python -m tools.operators`."""

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from onnx import defs

from converter.lowering import REGISTRY
from converter.lowering.ops import load_all
from converter.lowering.refusals import refusal
from converter.onnx_model.contributed import DOMAIN, OPERATORS, VERSION, register
from converter.onnx_model.prepare import HANDLERS
from tools.sections import with_section

DOCUMENT = Path(__file__).parents[1] / "docs" / "operators.md"
WAYS = ("lowered", "dissolved", "inlined", "refused")

REFUSED_PARTS = (
    "Of these, what is not defined or not in the CPU kernels is refused: rotary positions inside Attention, a cache "
    "that is written in place, a past without a present output, masks of four axes, queries, keys and values of "
    "MultiHeadAttention packed in one operand, unidirectional attention between lengths that differ, and sequences of "
    "different lengths in DynamicQuantizeLSTM."
)

Ways = Mapping[str, Sequence[int]]


def operators() -> dict[str, Ways]:
    """Each operator of ONNX's own domain -> the versions that are expressed in each way."""
    load_all()
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    contributed = {(one.domain, one.name, VERSION) for one in OPERATORS}
    for schema in sorted(defs.get_all_schemas_with_history(), key=lambda one: (one.name, one.since_version)):
        is_contributed = (schema.domain, schema.name, schema.since_version) in contributed
        if not schema.domain and not schema.deprecated and not is_contributed:
            found[schema.name][_way(schema)].append(schema.since_version)
    return dict(found)


def _way(schema: defs.OpSchema) -> str:
    if REGISTRY.has("", schema.name, schema.since_version):
        return "lowered"
    if (schema.name, schema.since_version) in HANDLERS or schema.name == "Constant":
        return "dissolved"
    is_function = schema.has_function or schema.has_context_dependent_function  # type: ignore[attr-defined]
    return "inlined" if is_function else "refused"


def table() -> str:
    """The table, and the reasons of what is refused in every version."""
    return "\n".join(_lines(operators()))


def _lines(rows: Mapping[str, Ways]) -> Iterator[str]:
    yield f"The {len(rows)} operators of onnx {version('onnx')}, by the opsets in which their semantics began."
    yield ""
    yield f"| operator | {' | '.join(WAYS)} |"
    yield f"| --- | {' | '.join('---' for _ in WAYS)} |"
    for op, ways in rows.items():
        yield f"| {op} | {' | '.join(', '.join(map(str, ways.get(way, ()))) for way in WAYS)} |"
    yield ""
    yield "Refused in every version:"
    yield ""
    yield from (f"- {op}: {refusal('', op).reason}" for op, ways in rows.items() if ways.keys() == {"refused"})
    yield ""
    yield from _contributed()


def _contributed() -> Iterator[str]:
    yield "## Contributed operators of ONNX Runtime"
    yield ""
    yield "Files from its optimizer and its quantizer have them. They are judged by its CPU kernels."
    yield "Each has one version, 1: this LayerNormalization is the one of opsets before 17."
    yield ""
    yield "| operator | domain | way |"
    yield "| --- | --- | --- |"
    for one in OPERATORS:
        is_lowered = REGISTRY.has(one.domain, one.name, VERSION)
        way = "lowered" if is_lowered else f"refused: {refusal(one.domain, one.name).reason}"
        yield f"| {one.name} | {one.domain or 'ai.onnx'} | {way} |"
    yield ""
    yield REFUSED_PARTS
    yield ""
    yield f"Every other operator of `{DOMAIN}` is refused by its name: {refusal(DOMAIN, '').reason}."
    layouts = refusal(f"{DOMAIN}.nchwc", "")
    yield f"Those of `{DOMAIN}.nchwc` are too: {layouts.reason}. The remedy: {layouts.hint}."


def main(arguments: Sequence[str]) -> int:
    """Write the document, or with `--check` only say whether it is what would be written."""
    register()
    now = DOCUMENT.read_text(encoding="utf-8")
    fresh = with_section(now, "operators", table())
    if "--check" in arguments:
        print(f"{DOCUMENT.name} is {'up to date' if now == fresh else 'stale: run `make docs`'}")
        return int(now != fresh)
    DOCUMENT.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

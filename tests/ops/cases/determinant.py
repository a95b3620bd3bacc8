from tests.ops.case import Case

CASES = [
    Case("det-11", "Det", {"X": (3, 3)}, opset=11),
    Case("det-22", "Det", {"X": (3, 3)}, opset=22, reference="evaluator"),
    *(Case(f"det-{n}", "Det", {"X": (2, n, n)}) for n in (1, 2, 4, 5, 8)),
    Case("det-batches", "Det", {"X": (2, 3, 4, 4)}, declared={"X": ("n", 3, 4, 4)}),
]

"""Require a reference to repeat itself: what is random, or depends on earlier runs, can't be compared."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from converter.errors import ParityError
from converter.parity.compare import Rule, Rules, Tolerance, compare_by_rules

REPEAT_SHARE = 0.1
"""The share of the tolerance by which two runs on the same input may differ: sums in another order, and no more."""


def require_repeated(
    first: Mapping[str, np.ndarray], again: Mapping[str, np.ndarray], rules: Rules, *, runtime: str, label: str
) -> None:
    """Check that two runs of a reference on one sample gave the same.

    Raises: ParityError if they differ in form, or by more than a tenth of the tolerance.
    """
    where = f"reference {runtime}, sample {label}"
    hint = (
        "make the model repeat itself when it is not trained: no random values, no dropout outside of `self.training`, "
        "no state that a call leaves behind; pass noise and state as inputs"
    )
    try:
        verdicts = compare_by_rules(first, again, lambda name: _tightened(rules(name)))
    except ParityError as error:
        what = f"the model does not repeat itself: two runs on the same input differ: {error.what}"
        raise ParityError(what, where=where, hint=hint) from error
    for one in verdicts:
        if one.bad:
            what = (
                f"the model does not repeat itself: output {one.name} differs between two runs on the same input, "
                f"in {one.bad:,} of {one.compared:,} values, by up to {one.max_abs:.3g}"
            )
            raise ParityError(what, where=where, hint=hint)


def _tightened(rule: Rule) -> Rule:
    tolerance = rule.tolerance
    return replace(rule, tolerance=Tolerance(tolerance.atol * REPEAT_SHARE, tolerance.rtol * REPEAT_SHARE))

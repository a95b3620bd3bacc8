"""The client's legacy formula against the one in Python, where models run."""

import numpy as np
import pytest

from converter.errors import ConverterError
from converter.legacy import TERMS, legacy_score
from converter.runtimes import RuntimePool

NAMES = tuple(name for term in TERMS for name in term.columns)
SCALES = {"commentsCount": 100, "proximityKm": 200, "likesGiven": 20, "likesReceived": 20, "ageGap": 40}


def rows(names: tuple[str, ...], n_rows: int = 64) -> np.ndarray:
    rng = np.random.default_rng(2)
    columns = [rng.uniform(-0.1, 1.1, n_rows) * SCALES.get(name, 1) for name in names]
    return np.stack(columns, axis=1).astype(np.float32)


@pytest.mark.parametrize("name", ["tfjs-cpu@node", "tfjs-webgl@chromium", "onnxruntime-web@node"])
@pytest.mark.parametrize(
    "names",
    [NAMES, (*NAMES[::-1], "responseTimeMs"), tuple(name for name in NAMES if name != "swingerTraits")],
    ids=["all", "in-another-order", "without-swinger-traits"],
)
def test_formula_in_javascript_is_the_one_in_python(pool: RuntimePool, name: str, names: tuple[str, ...]) -> None:
    runtime = pool.get(name)
    runtime.start()
    values = rows(names)
    scores, taken = runtime.bench_legacy(names, values, 3)
    wanted = legacy_score(dict(zip(names, values.T, strict=True)))
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, wanted, rtol=0, atol=1e-12)
    assert 0 < wanted.min() < wanted.max() < 1
    assert len(taken.predict_ms) == 3
    assert all(0 < time_ms < 1000 for time_ms in taken.predict_ms)


def test_formula_without_a_column_that_it_needs_is_refused(pool: RuntimePool) -> None:
    runtime = pool.get("tfjs-cpu@node")
    runtime.start()
    with pytest.raises(ConverterError, match="likesGiven is missing"):
        runtime.bench_legacy(("ageGap",), rows(("ageGap",)), 1)

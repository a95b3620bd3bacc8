"""How the weights of a graph are stored: as a config says, or in as few bytes as an error budget allows."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from converter.config import ResolvedConfig, RuntimeClass, ToleranceSection, WeightsSection
from converter.errors import ConfigError
from converter.pipeline.compile import Compiled
from converter.pipeline.encode_choice import Choice
from converter.pipeline.events import Emit
from converter.tfjs.encodings import Encoding, encoded

if TYPE_CHECKING:
    from converter.pipeline.prover import Prover

RUNTIME = "tfjs-wasm@node"  # the quickest of those that need no browser
TOLERANCE: RuntimeClass = "quantised-weights"


def choose_encodings(settings: WeightsSection, compiled: Compiled, prover: "Prover | None", *, emit: Emit) -> Choice:
    """The encodings that a config asks for; to find those for `auto` takes a prover.

    Raises: ConfigError if a pattern fits no weight; BudgetError if even float32 is further off than `max_error`.
    """
    if settings.encoding == "float32" and not settings.tensors:
        return Choice()
    weights = _weights(compiled)
    pinned = _pinned(weights, settings)
    if settings.encoding != "auto":
        return Choice({**dict.fromkeys(weights, settings.encoding), **pinned})
    assert prover is not None
    assert settings.max_error is not None  # the config says so
    from converter.pipeline.encode_search import Search

    runtime = prover.pool.get(RUNTIME)
    search = Search(compiled, weights, pinned, runtime, prover.samples, prover.reference, emit)
    return search.run(settings.max_error)


def with_weights_tolerance(resolved: ResolvedConfig) -> ResolvedConfig:
    """The config with the error that `auto` may make as the tolerance of such weights, unless it has one of its own."""
    config = resolved.config
    own = [path for path, source in resolved.sources.items() if TOLERANCE in path and source != "default"]
    if config.weights.max_error is None or own:
        return resolved
    exact = config.parity.tolerances["float32"]
    allowed = ToleranceSection(atol=max(config.weights.max_error, exact.atol), rtol=exact.rtol)
    tolerances = config.parity.tolerances | {TOLERANCE: allowed}
    parity = config.parity.model_copy(update={"tolerances": tolerances})
    return ResolvedConfig(config.model_copy(update={"parity": parity}), resolved.sources, resolved.root)


def _weights(compiled: Compiled) -> dict[str, np.ndarray]:
    """The constants that can be rounded."""
    constants = ((name, values) for _, graph in compiled.graph.walk() for name, values in graph.constants.items())
    return {name: values for name, values in constants if encoded(values, "uint8")}


def _pinned(weights: Mapping[str, np.ndarray], settings: WeightsSection) -> dict[str, Encoding]:
    """The weights that a pattern names; the first that fits counts."""
    for pattern in settings.tensors:
        if not any(fnmatchcase(name, pattern) for name in weights):
            raise ConfigError(
                f"no weight that can be rounded is called {pattern}",
                where="weights.tensors",
                hint=f"the weights: {', '.join(sorted(weights)) or 'none'}",
            )
    fits = (
        (name, [one for pattern, one in settings.tensors.items() if fnmatchcase(name, pattern)]) for name in weights
    )
    return {name: found[0] for name, found in fits if found}

"""A trained network's calibration and judgement, on rows that it didn't learn from."""

import numpy as np
import torch
from torch import Tensor, nn

from converter.artifact.evaluation import Evaluation
from converter.training.calibration import fit_temperature
from converter.training.devices import one_thread
from converter.training.evaluation import evaluate
from converter.training.fit import logits_of
from converter.training.held_out import HeldOut, Part
from converter.training.normalise import Normalisation
from converter.training.rows import chunks
from converter.training.train import Trained, seen_by

MOST_JUDGED_ROWS = 200_000  # of each part: more would narrow no interval that anyone looks at


def judge(trained: Trained) -> Evaluation:
    """Fit the temperature of a trained network, put it into the network, and evaluate that on the held-out rows."""
    with one_thread():
        return evaluate(_held_out(trained), trained.config.evaluation)


def _held_out(trained: Trained) -> HeldOut:
    """The three parts and the network as functions, the temperature being in the network by then."""
    config, rows, split, network = trained.config, trained.rows, trained.split, trained.network
    seen = seen_by(config)

    def logits(raw: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.concatenate([logits_of(network, seen(raw[one])).numpy() for one in chunks(np.arange(len(raw)))])

    def part(numbers: np.ndarray, *, is_judged: bool) -> Part:
        if len(numbers) > MOST_JUDGED_ROWS:
            rng = np.random.default_rng([config.training.seed, 3])
            numbers = np.sort(rng.choice(numbers, MOST_JUDGED_ROWS, replace=False))
        raw = np.asarray(rows.features[numbers])
        probability = None if rows.probability is None else rows.probability[numbers]
        found = logits(raw) if is_judged else None
        return Part(raw, rows.labels[numbers], found, probability, rows.groups_of(numbers))

    validation = part(split.validation, is_judged=True)
    temperature = _set_temperature(network, validation)

    def score(raw: np.ndarray) -> np.ndarray:
        return np.asarray(1.0 / (1.0 + np.exp(-logits(raw).astype(np.float64) / temperature)))

    return HeldOut(
        tuple(feature.name for feature in config.features),
        part(split.train, is_judged=False),
        validation,
        part(split.test, is_judged=True),
        Normalisation(config.features),
        score,
        temperature,
        config.training.seed,
    )


def _set_temperature(network: nn.Module, validation: Part) -> float:
    """Fit the temperature on the validation rows, and put it into the network if that has a place for it."""
    buffer = getattr(network, "temperature", None)
    if not isinstance(buffer, Tensor) or validation.logits is None:
        return 1.0
    buffer.fill_(fit_temperature(validation.logits, validation.labels))
    return float(buffer)

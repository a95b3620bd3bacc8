"""Synthetic pairs of people: what they did in the app, and whether both called it a match.

The world, in the order in which it is drawn (all of it seeded, each column in its own unit):

    warmth                  standard normal, the mutual attraction that nobody measures; it moves the counts below
    likesGiven              Poisson, mean exp(1.3 + 0.9 warmth + 0.5 noise)                    at most 30
    likesReceived           Poisson, mean exp(1.3 + 0.9 warmth + 0.5 noise)                    at most 30
    commentsCount           Poisson, mean exp(2.7 + 0.8 warmth + 0.7 noise)                    at most 150
    proximityKm             log-normal, median 25 km, sigma 1.1                                at most 300 km
    responseTimeMs          log-normal, median 25 s shortened by exp(-0.4 warmth), sigma 0.9   at most 65 s
    sharedInterestsCount    binomial of 20, its chance drawn from Beta(2, 4)
    ageGap                  |normal|, sigma 7 years                                            at most 40 years
    bigFiveCompatibility    Beta(4, 3)

The probability of a match uses these columns only, never the warmth. With every term in [0, 1]:

    reciprocity = sqrt(g * r)                       g, r = likes given and received / 10, at most 1
    dialogue    = c * (1 - t / 60 000)              c = comments / 50, at most 1; t = response time, at most 60 000 ms
    nearness    = exp(-km / 30)
    kinship     = bigFive * (0.4 + 0.6 s)           s = shared interests / 10, at most 1
    agefit      = exp(-(years / 9)^2)

    p = sigmoid(STEEPNESS * (1.5 reciprocity + 1.2 dialogue + 1.0 nearness * agefit + 1.6 kinship - THRESHOLD))

Reciprocity, dialogue, kinship and nearness x agefit are interactions: none of their factors is enough by itself.
The label is one Bernoulli draw of p, so the best classifier there can be is right with probability
mean(max(p, 1 - p)); STEEPNESS puts that at 0.907, THRESHOLD puts the share of matches at 0.40.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converter.errors import ConfigError

COLUMNS = (
    "likesGiven",
    "likesReceived",
    "commentsCount",
    "proximityKm",
    "responseTimeMs",
    "sharedInterestsCount",
    "ageGap",
    "bigFiveCompatibility",
)
STEEPNESS, THRESHOLD = 6.0, 2.0

Column = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Pairs:
    """Generated rows.

    Shapes: features (row, feature) float32; probability (row,) float64; matched (row,) bool
    Units:  each feature in its own unit; probability that the pair matched
    """

    features: np.ndarray
    probability: np.ndarray
    matched: np.ndarray


def generate_pairs(names: Sequence[str], n_rows: int, seed: int) -> Pairs:
    """Rows of the synthetic world, with one column for each name, in that order.

    Raises: ConfigError if the world has no such column, or if one of its columns is left out.
    """
    unknown, left_out = sorted(set(names) - set(COLUMNS)), [name for name in COLUMNS if name not in names]
    if unknown or left_out:
        named = ", ".join(unknown or left_out)
        raise ConfigError(
            f"the synthetic world {'knows no' if unknown else 'needs'} {named}",
            where="features",
            hint=f"train on exactly these: {', '.join(COLUMNS)}; or set model.checkpoint and model.factory",
        )
    rng = np.random.default_rng(seed)
    columns = _behaviour(rng, n_rows)
    probability = match_probability(columns)
    matched = rng.random(n_rows) < probability
    features = np.stack([columns[name] for name in names], axis=1).astype(np.float32)
    return Pairs(features, probability, matched)


def match_probability(columns: dict[str, Column]) -> Column:
    """The probability of a match, by the formula above."""

    def saturated(name: str, full: float) -> Column:
        return np.minimum(columns[name] / full, 1.0)

    reciprocity = np.sqrt(saturated("likesGiven", 10) * saturated("likesReceived", 10))
    dialogue = saturated("commentsCount", 50) * (1.0 - saturated("responseTimeMs", 60_000))
    nearness = np.exp(-columns["proximityKm"] / 30.0)
    kinship = columns["bigFiveCompatibility"] * (0.4 + 0.6 * saturated("sharedInterestsCount", 10))
    agefit = np.exp(-((columns["ageGap"] / 9.0) ** 2))
    evidence = 1.5 * reciprocity + 1.2 * dialogue + 1.0 * nearness * agefit + 1.6 * kinship
    return np.asarray(1.0 / (1.0 + np.exp(-STEEPNESS * (evidence - THRESHOLD))))


def _behaviour(rng: np.random.Generator, n_rows: int) -> dict[str, Column]:
    def noise(sigma: float) -> Column:
        return np.asarray(rng.normal(0.0, sigma, n_rows))

    def count(log_mean: Column, most: int) -> Column:
        return np.minimum(rng.poisson(np.exp(log_mean)), most).astype(np.float64)

    warmth = noise(1.0)
    return {
        "likesGiven": count(1.3 + 0.9 * warmth + noise(0.5), 30),
        "likesReceived": count(1.3 + 0.9 * warmth + noise(0.5), 30),
        "commentsCount": count(2.7 + 0.8 * warmth + noise(0.7), 150),
        "proximityKm": np.minimum(25.0 * np.exp(noise(1.1)), 300.0),
        "responseTimeMs": np.minimum(25_000.0 * np.exp(-0.4 * warmth + noise(0.9)), 65_000.0),
        "sharedInterestsCount": rng.binomial(20, rng.beta(2.0, 4.0, n_rows)).astype(np.float64),
        "ageGap": np.minimum(np.abs(noise(7.0)), 40.0),
        "bigFiveCompatibility": np.asarray(rng.beta(4.0, 3.0, n_rows)),
    }

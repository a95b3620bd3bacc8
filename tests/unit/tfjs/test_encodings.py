import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.tfjs.builder import Builder
from converter.tfjs.encodings import ENCODINGS, MIN_ELEMENTS, Encoded, Encoding, encoded, encodings_used
from converter.tfjs.graph import Graph, NameAllocator
from converter.tfjs.read import read
from converter.tfjs.write import write

LEVELS = {"uint8": 255, "uint16": 65535}
BYTES = {"float32": 4, "float16": 2, "uint16": 2, "uint8": 1}


def weights(seed: int = 0, low: float = -0.7, high: float = 1.3, size: int = 1000) -> np.ndarray:
    return np.random.default_rng(seed).uniform(low, high, size).astype(np.float32)


def graph_of(**constants: np.ndarray) -> Graph:
    graph = Graph()
    builder = Builder(graph, NameAllocator())
    for name, values in constants.items():
        builder.output(f"y_{name}", builder.constant(values, name=name))
    return graph


def reread(values: np.ndarray, encoding: Encoding, folder: Path) -> np.ndarray:
    """The values as TF.js widens them."""
    write(graph_of(w=values), folder, generator="test", encodings={"w": encoding})
    return read(folder).constants["w"].astype(np.float32)


@pytest.mark.parametrize("encoding", ["uint8", "uint16"])
@pytest.mark.parametrize(("low", "high"), [(-0.7, 1.3), (0.1, 0.4), (-8.0, -7.0), (-1e-6, 1e-6)])
def test_steps_are_off_by_half_a_step_at_most(tmp_path: Path, encoding: Encoding, low: float, high: float) -> None:
    values = weights(low=low, high=high)
    values[:3] = 0
    got = reread(values, encoding, tmp_path)
    step = (max(high, 0) - min(low, 0)) / LEVELS[encoding]
    assert np.abs(got - values).max() <= step * 0.51 + 1e-6 * abs(high - low)
    assert np.abs(got - values).max() > 0
    assert (got[:3] == 0).all()


def test_halves_are_numpys_halves(tmp_path: Path) -> None:
    values = weights()
    assert np.array_equal(reread(values, "float16", tmp_path), values.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_size_in_the_shards(tmp_path: Path, encoding: Encoding) -> None:
    files = write(graph_of(w=weights()), tmp_path, generator="test", encodings={"w": encoding})
    assert sum(file.stat().st_size for file in files[1:]) == 1000 * BYTES[encoding]
    (spec,) = json.loads(files[0].read_bytes())["weightsManifest"][0]["weights"]
    assert spec.get("quantization", {"dtype": "float32"})["dtype"] == encoding


@pytest.mark.parametrize(
    "values",
    [
        pytest.param(weights(size=MIN_ELEMENTS - 1), id="few"),
        pytest.param(np.arange(1000, dtype=np.int32), id="whole-numbers"),
        pytest.param(np.append(weights(), np.float32(np.inf)), id="infinite"),
        pytest.param(np.append(weights(), np.float32(np.nan)), id="nan"),
    ],
)
@pytest.mark.parametrize("encoding", ["float16", "uint16", "uint8"])
def test_what_stays_as_it_is(values: np.ndarray, encoding: Encoding) -> None:
    assert encoded(values, encoding) is None


def test_what_a_half_cannot_hold_stays() -> None:
    large = weights(high=70_000.0)
    assert encoded(large, "float16") is None
    assert encoded(large, "uint16") is not None


def test_zeros_stay_zeros(tmp_path: Path) -> None:
    zeros = np.zeros(1000, np.float32)
    assert np.array_equal(reread(zeros, "uint8", tmp_path), zeros)


@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-20, 1e20))
def test_pieces_are_whole_whatever_the_range(seed: int, scale: float) -> None:
    values = (weights(seed) * np.float32(scale)).astype(np.float32)
    stored = encoded(values, "uint8")
    assert isinstance(stored, Encoded)
    assert sum(map(len, stored.pieces())) == stored.size_bytes == values.size
    steps = np.frombuffer(b"".join(stored.pieces()), np.uint8)
    assert np.abs(steps * stored.scale + stored.minimum - values).max() <= stored.scale * 0.51


def test_only_what_is_rounded_counts() -> None:
    graph = graph_of(big=weights(), small=weights(size=3), other=weights(1))
    encodings: dict[str, Encoding] = {"big": "uint8", "small": "uint8", "other": "float32"}
    assert encodings_used(graph, encodings) == {"uint8": 1}

"""What the documents tell of a model and its proof; whoever has a proof of this form can have it written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from converter.report.spread import Spread

Value = float | int | bool | str


class Info(Protocol):
    """Who ran."""

    @property
    def name(self) -> str:
        """The runtime's name."""

    @property
    def versions(self) -> Mapping[str, str]:
        """The versions that decide its results."""

    @property
    def device(self) -> str:
        """What it computes on."""


class Output(Protocol):
    """How one output compares with its reference, over all samples."""

    @property
    def name(self) -> str:
        """The output's name."""

    @property
    def compared(self) -> int:
        """How many values were compared."""

    @property
    def bad(self) -> int:
        """How many of them are outside the tolerance."""

    @property
    def tolerance(self) -> "Tolerance":
        """How far a value may be from its reference."""

    @property
    def max_abs(self) -> float:
        """The largest gap, in the output's unit."""

    @property
    def mean_abs(self) -> float:
        """The mean gap, in the output's unit."""

    @property
    def needed_atol(self) -> float:
        """The smallest atol that passes."""

    @property
    def worst_sample(self) -> str | None:
        """The sample with the worst value."""

    @property
    def worst(self) -> tuple[int, ...] | None:
        """The worst value's index."""

    @property
    def reference(self) -> Value | None:
        """The worst value as the reference has it."""

    @property
    def candidate(self) -> Value | None:
        """The worst value."""


class Verdict(Protocol):
    """How one runtime did."""

    @property
    def name(self) -> str:
        """The runtime's name."""

    @property
    def status(self) -> str:
        """`passed`, `failed` (it ran and disagrees) or `error` (it couldn't run)."""

    @property
    def info(self) -> Info | None:
        """Who ran, None if it couldn't start."""

    @property
    def outputs(self) -> Sequence[Output]:
        """The verdict on each output."""

    @property
    def message(self) -> str:
        """Why it couldn't run, or couldn't be compared."""

    @property
    def compared(self) -> int:
        """How many values were compared."""

    @property
    def max_abs(self) -> float:
        """The largest gap of all outputs."""


class Tolerance(Protocol):
    """How far a value may be from its reference: atol + rtol * |reference|."""

    @property
    def atol(self) -> float:
        """In the output's unit."""

    @property
    def rtol(self) -> float:
        """A fraction of the reference."""


class Proof(Protocol):
    """Every runtime's verdict against one reference."""

    @property
    def reference(self) -> Info:
        """Who computed the truth."""

    @property
    def samples(self) -> Mapping[str, str]:
        """The label of each sample with the digest of its inputs."""

    @property
    def runtimes(self) -> Sequence[Verdict]:
        """A verdict on each runtime."""

    @property
    def not_run(self) -> Mapping[str, str]:
        """Why a runtime was left out."""

    @property
    def passed(self) -> bool:
        """Whether every runtime agrees."""


@dataclass(frozen=True)
class Timing:
    """How fast one runtime was, and what it held in memory; None where it wasn't measured.

    Units: milliseconds and bytes.
    """

    runtime: str
    load_ms: float | None = None
    warm_up_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    tensor_bytes: int | None = None
    heap_bytes: int | None = None
    wasm_bytes: int | None = None  # all of a WebAssembly module, tensors included


@dataclass(frozen=True)
class Size:
    """What a part of the artifact takes, in bytes; compressed as a server would send it, where that was measured."""

    part: str
    raw: int
    gzip: int | None = None
    brotli: int | None = None


class Encodings(Protocol):
    """A choice of encodings of the weights that was measured."""

    @property
    def name(self) -> str:
        """What was chosen."""

    @property
    def size_bytes(self) -> int:
        """What the weights take with it."""

    @property
    def max_error(self) -> float:
        """The largest gap of all outputs with it."""


@dataclass(frozen=True)
class EngineFigures:
    """What one engine's graph is, and how it did, by runtime, where two were compared.

    Units: max_abs, the largest gap to the reference, in the unit of the output it was found in; predict_ms, the median
           over the samples, in milliseconds.
    """

    name: str
    n_nodes: int
    n_transposes: int
    size_bytes: int
    max_abs: Mapping[str, float]
    predict_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Tensor:
    """One input or output of the model."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    unit: str = ""


@dataclass(frozen=True)
class Facts:
    """All that a document can tell.

    `proof` is None where nothing was proved, `timings` empty where nothing was timed or the bytes must repeat.
    """

    name: str
    version: str
    description: str = ""
    proof: Proof | None = None
    spreads: Mapping[tuple[str, str], Spread] = field(default_factory=dict)  # (runtime, output)
    timings: tuple[Timing, ...] = ()
    sizes: tuple[Size, ...] = ()
    encodings: Sequence[Encodings] = ()  # what was tried to make the weights smaller, the last of which was chosen
    ops: Mapping[str, int] = field(default_factory=dict)
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    engines: tuple[EngineFigures, ...] = ()  # where two graphs of the model were compared
    distances: Mapping[str, float] = field(default_factory=dict)  # between the outputs of these two, by runtime
    toolchain: Mapping[str, str] = field(default_factory=dict)
    infos: tuple[Info, ...] = ()  # who ran, where that is not in the proof
    exceeded: tuple[str, ...] = ()  # budgets that aren't met, and a second engine's faults, a sentence each

    @property
    def status(self) -> str:
        """`passed`, `failed`, or `not-run` where nothing was proved or measured."""
        if self.proof is None and not self.timings:
            return "not-run"
        agrees = self.proof is None or self.proof.passed
        return "passed" if agrees and not self.exceeded else "failed"

    @property
    def n_agreeing(self) -> int:
        """How many runtimes agree with the reference."""
        return sum(one.status == "passed" for one in self.proof.runtimes) if self.proof else 0

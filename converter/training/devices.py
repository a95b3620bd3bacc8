"""What a training runs on: one processor, a GPU, or the processes that torchrun started."""

import contextlib
import gc
import logging
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric

from converter.errors import ConfigError
from converter.training_settings import TrainingSection

PRECISIONS = {"float32": "32-true", "bfloat16-mixed": "bf16-mixed", "float16-mixed": "16-mixed"}


@dataclass(frozen=True)
class Processes:
    """How many processes train together, as torchrun says: on this machine, and on how many such machines."""

    n_local: int = 1
    n_machines: int = 1

    @property
    def n_all(self) -> int:
        """On all machines together."""
        return self.n_local * self.n_machines


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread computes, so that sums don't depend on how work is shared; how many there were is put back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def launched(settings: TrainingSection, processes: Processes) -> Iterator[Fabric]:
    """A Fabric whose processes know of each other; what it has set up must be out of reach when the context ends.

    On a CPU, one thread computes. Threads and random state are put back.
    Raises: ConfigError if there is no such accelerator or precision here.
    """
    _silence()
    accelerator = _accelerator(settings)
    fabric = Fabric(
        accelerator=accelerator,
        devices=processes.n_local,
        num_nodes=processes.n_machines,
        strategy="ddp" if processes.n_all > 1 else "auto",
        precision=_precision(settings, accelerator),  # type: ignore[arg-type]
    )
    is_cpu = accelerator == "cpu"
    with (
        torch.random.fork_rng(devices=[] if is_cpu else None),
        one_thread() if is_cpu else contextlib.nullcontext(),
    ):
        fabric.launch()
        yield fabric
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        # a gradient reducer that is the last to let go of the group waits, with the interpreter's lock held, for a
        # thread of the group that wants this lock: so reducers go first. After an error, the process's end does it.
        gc.collect()
        torch.distributed.destroy_process_group()


def _accelerator(settings: TrainingSection) -> str:
    has_gpu = torch.cuda.is_available() or torch.backends.mps.is_available()
    if settings.accelerator == "gpu" and not has_gpu:
        raise ConfigError("torch finds no GPU here", where="training.accelerator", hint="set it to auto or cpu")
    return "gpu" if has_gpu and settings.accelerator != "cpu" else "cpu"


def _precision(settings: TrainingSection, accelerator: str) -> str:
    if settings.precision == "auto":
        has_bfloat16 = accelerator == "gpu" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        return PRECISIONS["bfloat16-mixed" if has_bfloat16 else "float32"]
    if settings.precision == "float16-mixed" and accelerator == "cpu":
        raise ConfigError(
            "a CPU has no float16 to train in", where="training.precision", hint="set it to auto, or bfloat16-mixed"
        )
    return PRECISIONS[settings.precision]


def _silence() -> None:
    """Fabric logs what it found; what matters of it is said here, as events and errors."""
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)

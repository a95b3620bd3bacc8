"""Lines of an image that are cut into frames, whose elements are channels."""

from dataclasses import dataclass
from math import ceil

import numpy as np

from converter.tfjs.graph import Node, Ref
from converter.tfjs.rewrite import Rewrite


@dataclass(frozen=True)
class Line:
    """The axis of a convolution that frames are cut from, in places; `before` and `behind` are its padding."""

    size: int
    kernel: int
    stride: int
    before: int
    behind: int

    @property
    def n_outputs(self) -> int:
        """How many outputs a row has."""
        return (self.size + self.before + self.behind - self.kernel) // self.stride + 1


@dataclass(frozen=True)
class Frames:
    """A line cut into frames, of which each makes `n_steps` outputs."""

    line: Line
    n_steps: int

    @property
    def places(self) -> int:
        """How many places a frame holds."""
        return self.n_steps * self.line.stride

    @property
    def before(self) -> int:
        """How many frames of padding come first."""
        return ceil(self.line.before / self.places)

    @property
    def shift(self) -> int:
        """How many places of the first frames the filter doesn't see."""
        return self.before * self.places - self.line.before

    @property
    def n_taps(self) -> int:
        """How many frames an output looks at."""
        return ceil(((self.n_steps - 1) * self.line.stride + self.line.kernel + self.shift) / self.places)

    @property
    def n_results(self) -> int:
        """How many frames the outputs fill."""
        return ceil(self.line.n_outputs / self.n_steps)

    @property
    def n_read(self) -> int:
        """How many frames are read, padding before them not counted."""
        return self.n_results - 1 + self.n_taps - self.before

    @property
    def n_given(self) -> int:
        """How many frames are cut from the line; the others that are read are padding of the convolution."""
        n_whole, rest = divmod(self.line.size, self.places)
        return self.n_read if rest else min(n_whole, self.n_read)

    def filters(self, filters: np.ndarray) -> np.ndarray:
        """Filters of frames.

        Shapes: (tap, place, in, out) -> (tap, frame, place * in, step * out)
        """
        height, kernel, n_in, n_out = filters.shape
        made = np.zeros((height, self.n_taps * self.places, n_in, self.n_steps, n_out), dtype=filters.dtype)
        for step in range(self.n_steps):
            first = step * self.line.stride + self.shift
            made[:, first : first + kernel, :, step] = filters
        return made.reshape(height, self.n_taps, self.places * n_in, self.n_steps * n_out)


def cut_frames(rw: Rewrite, node: Node, frames: Frames, height: int, n_in: int) -> Ref:
    """The frames that a convolution reads, cut from its line.

    Shapes: (batch, height, place, in) -> (batch, height, frame, place * in)
    """
    x, line = rw.value(node.inputs[0]), frames.line
    missing = frames.n_given * frames.places - line.size
    if missing:
        x = rw.emit("Reshape", x, rw.param([-1, height, line.size * n_in]), name=f"{node.name}/rows")
    if missing > 0:
        pads = rw.param(np.array([[0, 0], [0, 0], [0, missing * n_in]], dtype=np.int32))
        x = rw.emit(
            "PadV2", x, pads, rw.data(np.zeros((), np.float32), f"{node.name}/zero"), name=f"{node.name}/padded"
        )
    elif missing < 0:
        sizes = rw.param([-1, height, (line.size + missing) * n_in])
        x = rw.emit("Slice", x, rw.param([0, 0, 0]), sizes, name=f"{node.name}/cut")
    return rw.emit(
        "Reshape", x, rw.param([-1, height, frames.n_given, frames.places * n_in]), name=f"{node.name}/frames"
    )


def explicit_pads(node: Node) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The padding before and behind an image's height and its width, None if it is found at run time."""
    if node.attrs.get("padding") == "VALID":
        return (0, 0), (0, 0)
    if node.attrs.get("padding") != "EXPLICIT":
        return None
    flat = numbers(node, "explicit_paddings")
    return (flat[2], flat[3]), (flat[4], flat[5])


def numbers(node: Node, name: str) -> list[int]:
    """An attribute that is a list of whole numbers."""
    value = node.attrs[name]
    assert isinstance(value, list)
    return [int(one) for one in value if isinstance(one, int)]

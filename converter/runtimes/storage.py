"""The border between ONNX element types and the few that a TF.js graph stores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from converter.dtypes import BY_NAME, INT32_HIGHEST, INT32_LOWEST, DType, as_numpy, dtype_of
from converter.errors import ConverterError, UnsupportedError

SMALLEST_IS_ZERO = "float8e8m0"  # it has no 0, and its 2**-127 is one on a device without subnormal numbers


@dataclass(frozen=True)
class Slot:
    """One input or output as the ONNX model declares it; a dimension is a number, or the name of a dynamic one."""

    name: str
    dtype: DType
    shape: Sequence[int | str | None] | None

    def check_shape(self, array: np.ndarray) -> None:
        """Refuse an array whose shape isn't this slot's.

        Raises: ConverterError if the rank or a fixed dimension differs.
        """
        if self.shape is None:
            return
        fits = array.ndim == len(self.shape) and all(
            not isinstance(dim, int) or dim == size for dim, size in zip(self.shape, array.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("?" if dim is None else str(dim) for dim in self.shape)
            raise ConverterError(f"the shape is {array.shape}, the model takes ({wanted})", where=self.name)


def slot_from_metadata(entry: dict[str, object]) -> Slot:
    """A slot as `userDefinedMetadata` describes it.

    Raises: ConverterError if the entry is not such a description.
    """
    try:
        name, dtype, shape = entry["name"], BY_NAME[str(entry["dtype"])], entry["shape"]
    except (KeyError, TypeError) as error:
        raise ConverterError(f"userDefinedMetadata describes no input or output by {entry!r}") from error
    if not isinstance(shape, list | None):
        raise ConverterError(f"userDefinedMetadata gives {name!r} the shape {shape!r}")
    return Slot(str(name), dtype, shape)


def to_storage(slot: Slot, array: np.ndarray) -> np.ndarray:
    """An input as TF.js takes it: float32, int32 or bool.

    Raises: ConverterError if the dtype or shape isn't the slot's, or a value doesn't fit its storage;
            UnsupportedError if TF.js has no storage for the dtype.
    """
    if _dtype_name(array) != slot.dtype.name:
        raise ConverterError(f"the array is {_dtype_name(array)}, the model takes {slot.dtype.name}", where=slot.name)
    slot.check_shape(array)
    if slot.dtype.storage == "int32":
        return _as_int32(slot, array)
    if slot.dtype.storage == "float32":
        with np.errstate(over="ignore", invalid="ignore"):  # ml_dtypes tells of NaNs
            stored = array.astype(np.float32)
            is_beyond = bool((np.isinf(stored) & ~np.isinf(array)).any())
        if is_beyond:
            raise ConverterError("a value is beyond float32, which TF.js computes in", where=slot.name)
        return stored
    if slot.dtype.storage == "bool":
        return array
    raise UnsupportedError(f"{slot.dtype.name} inputs can't be sent to a TF.js runtime", where=slot.name)


def _dtype_name(array: np.ndarray) -> str:
    try:
        return dtype_of(array).name
    except KeyError:
        return array.dtype.name


def _as_int32(slot: Slot, array: np.ndarray) -> np.ndarray:
    if array.size and not (array.min() >= INT32_LOWEST and array.max() <= INT32_HIGHEST):
        raise ConverterError(
            f"{slot.dtype.name} values from {array.min()} to {array.max()} don't fit int32, all that TF.js has",
            where=slot.name,
            hint="keep integer inputs within 32 bits",
        )
    return array.astype(np.int32)


def from_storage(slot: Slot, array: np.ndarray) -> np.ndarray:
    """An output of TF.js with the ONNX dtype.

    Raises: ConverterError if TF.js gave another type than the model promises, or a value that its dtype can't hold.
    """
    if array.dtype.name != slot.dtype.storage:
        raise ConverterError(
            f"TF.js gave {array.dtype.name} where {slot.dtype.name} (stored as {slot.dtype.storage}) was promised",
            where=slot.name,
        )
    lowest, highest = slot.dtype.lowest, slot.dtype.highest
    if slot.dtype.is_integer and array.size and not (lowest <= array.min() and array.max() <= highest):
        raise ConverterError(f"TF.js gave {array.min()} to {array.max()}, beyond {slot.dtype.name}", where=slot.name)
    if slot.dtype.name == SMALLEST_IS_ZERO:
        array = np.where(array == 0, np.float32(lowest or 0), array)
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(as_numpy(slot.dtype))

"""The per-pixel correction table: what a calibration finds and a board applies."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from edgeray.protocol.errors import EdgerayError
from edgeray.protocol.registers import CORRECTION_ENTRY, GAIN_FRACTION_BITS


class CorrectionError(EdgerayError, ValueError):
    """A correction table that no board can hold, or that is for another detector; names the wrong value's pixel."""


@dataclass(frozen=True, eq=False)
class CorrectionTable:
    """Offset, gain and mask of every pixel: corrected = (pixel - offset) * gain / 2**GAIN_FRACTION_BITS.

    Parameters
    ----------
    offset : int[rows, columns], codes, -32768 to 32767.
    gain : int[rows, columns], units of 2**-GAIN_FRACTION_BITS (1024 is 1.0), 0 to 4095.
    masked : bool[rows, columns], True where the pixel before takes this one's place.

    The table keeps copies of the arrays, which cannot be written to.

    Raises
    ------
    CorrectionError : arrays that are not of one two-dimensional shape, of another dtype, or with a value out of range.
    """

    offset: npt.NDArray[np.integer]
    gain: npt.NDArray[np.integer]
    masked: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = np.shape(self.offset)
        for field in CORRECTION_ENTRY:
            if field.name == "reserved":
                continue
            values = np.array(getattr(self, field.name))
            kinds, wanted = ("b", "booleans") if field.bits == 1 else ("iu", "integers")
            if values.dtype.kind not in kinds:
                raise CorrectionError(f"correction {field.name} wants an array of {wanted}, not of {values.dtype}")
            if len(shape) != 2 or values.shape != shape:
                raise CorrectionError(
                    f"correction {field.name} wants rows and columns as offset has, {shape}, not shape {values.shape}"
                )
            wrong = np.argwhere((values < field.minimum) | (values > field.maximum))
            if len(wrong):
                row, column = wrong[0].tolist()
                raise CorrectionError(
                    f"correction {field.name} takes {field.minimum} to {field.maximum}, "
                    f"but row {row}, column {column} has {values[row, column]}"
                )
            values.setflags(write=False)
            object.__setattr__(self, field.name, values)

    @classmethod
    def neutral(cls, detector: Detector) -> "CorrectionTable":
        """The table that changes nothing, which a board also starts with."""
        shape = (detector.rows, detector.columns)
        return cls(np.zeros(shape, np.int32), np.full(shape, 1 << GAIN_FRACTION_BITS), np.zeros(shape, np.bool_))

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.offset.shape
        return rows, columns

    def entries(self) -> npt.NDArray[np.uint32]:
        """uint32[rows * columns]: the word of every pixel, row by row, as `CORRECTION_ENTRY` lays it out."""
        words = np.zeros(self.offset.size, np.int64)
        for field in CORRECTION_ENTRY:
            if field.name != "reserved":
                values = getattr(self, field.name).astype(np.int64).ravel()
                words |= (values & ((1 << field.bits) - 1)) << CORRECTION_ENTRY.offset(field.name)
        return words.astype(np.uint32)

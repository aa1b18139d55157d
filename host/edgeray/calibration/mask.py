"""Which pixels are bad, and which pixel takes a bad one's place.

dark, flat, the user's file -> [pixel_mask] -> correction table, data files
"""

import csv
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeray.calibration.errors import CalibrationFileError
from edgeray.calibration.provenance import Provenance
from edgeray.calibration.statistics import Mask
from edgeray.protocol.detector import Detector


class PixelMask(IntFlag):
    """Bits of a pixel mask, those of NeXus' NXdetector. What is not 0 is bad; all but GAP are replaced."""

    GAP = 1 << 0
    DEAD = 1 << 1
    UNDER = 1 << 2
    OVER = 1 << 3
    NOISY = 1 << 4
    USER = 1 << 8


FOUND = PixelMask.DEAD | PixelMask.UNDER | PixelMask.OVER | PixelMask.NOISY
"""What a calibration finds by itself."""


@dataclass(frozen=True, eq=False, kw_only=True)
class UserMask:
    """What the user adds to, and takes from, the mask that was found.

    bad : bool[rows, columns]: pixels that the user calls bad.
    ignored : bits of FOUND that do not count.
    """

    bad: Mask
    ignored: int
    provenance: Provenance


def imaging_area(detector: Detector) -> Mask:
    """bool[rows, columns]: False in the guard ring."""
    ring = detector.guard_ring
    area = np.zeros((detector.rows, detector.columns), np.bool_)
    area[ring : detector.rows - ring, ring : detector.columns - ring] = True
    return area


def lenders(detector: Detector, masked: Mask) -> npt.NDArray[np.intp]:
    """intp[rows, columns]: number, row by row, of the pixel whose value the correction shows in each one's place.

    It is the pixel itself, or for a masked one the last imaging pixel before it that is not masked; -1 for none.
    """
    own = np.arange(masked.size)
    last = np.maximum.accumulate(np.where((imaging_area(detector) & ~masked).ravel(), own, -1))
    return np.where(masked.ravel(), last, own).reshape(masked.shape)


def read_mask(path: str | Path, detector: Detector) -> Mask:
    """bool[rows, columns] of a file: a picture or .npy with bad pixels other than 0, or .csv of row,column from 0.

    Raises CalibrationFileError where it cannot be read, or is not for this detector.
    """
    path = Path(path)
    kind = path.suffix.lower()
    try:
        if kind == ".csv":
            return _from_csv(path, detector)
        image = np.load(path, allow_pickle=False) if kind == ".npy" else _picture(path)
    except (OSError, ValueError) as error:
        raise CalibrationFileError(f"the mask {path} cannot be read: {error}") from None
    if image.shape != (detector.rows, detector.columns):
        raise CalibrationFileError(
            f"the mask {path} is {list(image.shape)}; this detector has {detector.rows} rows and "
            f"{detector.columns} columns"
        )
    return np.asarray(image != 0)


def _picture(path: Path) -> npt.NDArray[np.generic]:
    try:
        from PIL import Image
    except ImportError:
        raise CalibrationFileError(
            f"the mask {path} is a picture, which needs Pillow: pip install 'edgeray[images]', or use .npy or .csv"
        ) from None
    with Image.open(path) as image:
        # Colours: a pixel that is not black is bad.
        return np.asarray(image.convert("L") if image.mode not in ("L", "1", "I", "F", "I;16") else image)


def _from_csv(path: Path, detector: Detector) -> Mask:
    bad = np.zeros((detector.rows, detector.columns), np.bool_)
    with path.open(newline="", encoding="utf-8") as file:
        for number, line in enumerate(csv.reader(file), 1):
            words = [word.strip() for word in line]
            heading = number == 1 and not any(letter.isdigit() for letter in "".join(words))
            if not any(words) or words[0].startswith("#") or heading:
                continue
            try:
                row, column = map(int, words)
            except ValueError:
                raise CalibrationFileError(
                    f"the mask {path}, line {number}: wants row,column, not {','.join(line)!r}"
                ) from None
            if not (0 <= row < detector.rows and 0 <= column < detector.columns):
                raise CalibrationFileError(
                    f"the mask {path}, line {number}: there is no pixel in row {row}, column {column} of "
                    f"{detector.rows} rows and {detector.columns} columns"
                )
            bad[row, column] = True
    return bad

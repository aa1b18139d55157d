"""Large images through a small detector: the plan of windows, cutting and stitching.

    image -> windows that overlap by what the kernel needs -> frames -> interiors side by side -> image of responses

The detector replicates its imaging area's border. That is right at the image's own border and wrong elsewhere, so each
window gives its outermost `kernel_radius` rows and columns only where the image ends there too. For stride 1.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from edgeray.decoder import Frame
from edgeray.errors import MosaicError
from edgeray.protocol.detector import Detector

_Scalar = TypeVar("_Scalar", bound=np.generic)


def _starts(length: int, window: int, step: int) -> list[int]:
    """First pixels of windows along one side; the last window ends where the image does."""
    return [*range(0, length - window, step), length - window]


def _inner(start: int, length: int, window: int, radius: int) -> slice:
    """The part of a window, in the image's coordinates, whose responses are those of the whole image."""
    first = start if start == 0 else start + radius
    return slice(first, length if start + window == length else start + window - radius)


class Mosaic:
    """Plan of a scan.

    Parameters
    ----------
    image_shape : (rows, columns) of the image.
    detector : its imaging area sees one window at a time.
    kernel_radius : pixels that a response needs on each side, 0 or more.

    Members
    -------
    positions : (row, column) in the image of each window's first pixel, row by row.

    Raises
    ------
    MosaicError : the image is smaller than the imaging area, or the imaging area too small for the kernel.
    """

    def __init__(self, image_shape: tuple[int, int], detector: Detector, kernel_radius: int) -> None:
        self.image_shape, self.detector, self.kernel_radius = image_shape, detector, kernel_radius
        self.window_shape = detector.imaging_rows, detector.imaging_columns
        rows, columns = self.window_shape
        if image_shape[0] < rows or image_shape[1] < columns:
            raise MosaicError(
                f"the image has {image_shape[0]} x {image_shape[1]} pixels, fewer than the {rows} x {columns} "
                "of the detector's imaging area; enlarge the image or pad it"
            )
        if kernel_radius < 0 or min(rows, columns) <= 2 * kernel_radius:
            raise MosaicError(
                f"an imaging area of {rows} x {columns} pixels has no interior for a kernel of radius {kernel_radius}"
            )
        self.positions: list[tuple[int, int]] = [
            (row, column)
            for row in _starts(image_shape[0], rows, rows - 2 * kernel_radius)
            for column in _starts(image_shape[1], columns, columns - 2 * kernel_radius)
        ]

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.positions)

    def cut(self, image: npt.NDArray[_Scalar]) -> Iterator[npt.NDArray[_Scalar]]:
        """What the detector sees at each position: arrays[rows, columns] of the image's dtype, guard ring 0.

        Raises MosaicError where `image` has not the plan's shape.
        """
        if image.shape != self.image_shape:
            raise MosaicError(f"the plan is for an image of shape {self.image_shape}, not {image.shape}")
        return (self._scene(image, row, column) for row, column in self.positions)

    def _scene(self, image: npt.NDArray[_Scalar], row: int, column: int) -> npt.NDArray[_Scalar]:
        rows, columns = self.window_shape
        return np.pad(image[row : row + rows, column : column + columns], self.detector.guard_ring)

    def target(self, index: int) -> tuple[slice, slice]:
        """Rows and columns of the image that window `index` gives. MosaicError where there is no such window."""
        if not 0 <= index < len(self):
            raise MosaicError(f"the plan has {len(self)} windows, there is no number {index}")
        first, second = (
            _inner(start, length, window, self.kernel_radius)
            for start, length, window in zip(self.positions[index], self.image_shape, self.window_shape, strict=True)
        )
        return first, second

    def stitch(self, frames: Iterable[Frame]) -> "Stitch":
        """All `frames` placed by their image_id, which is the number of the window; see `Stitch`."""
        result = Stitch(self)
        for frame in frames:
            result.place_frame(frame)
        return result


class Stitch:
    """The image that the frames of a scan make, window by window in any order.

    Members
    -------
    values : int16[image_shape], responses or pixels; 0 where nothing was placed.
    kept : bool[image_shape], pixels that the board sent.
    missing : bool[image_shape], True where nothing was placed yet.
    """

    def __init__(self, mosaic: Mosaic) -> None:
        self.mosaic = mosaic
        self.values = np.zeros(mosaic.image_shape, np.int16)
        self.kept = np.zeros(mosaic.image_shape, np.bool_)
        self.missing = np.ones(mosaic.image_shape, np.bool_)

    def place(
        self,
        index: int,
        values: npt.NDArray[np.integer],
        kept: npt.NDArray[np.bool_] | None = None,
        rows_received: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Place window `index`.

        Parameters
        ----------
        values : integers[rows, columns] of the whole array, guard ring included.
        kept : bool[rows, columns]; None: every pixel.
        rows_received : bool[rows]; rows that are False stay missing. None: all came.

        Raises MosaicError where there is no such window or the frame has not the detector's shape.
        """
        mosaic, detector = self.mosaic, self.mosaic.detector
        rows, columns = mosaic.target(index)
        if values.shape != (detector.rows, detector.columns):
            raise MosaicError(
                f"a window is a frame of {detector.rows} x {detector.columns} pixels (stride 1), not of {values.shape}"
            )
        # The same pixels in the frame's coordinates.
        position, guard = mosaic.positions[index], detector.guard_ring
        first, second = (
            slice(part.start - start + guard, part.stop - start + guard)
            for part, start in zip((rows, columns), position, strict=True)
        )
        came = np.ones(first.stop - first.start, np.bool_) if rows_received is None else rows_received[first]
        self.values[rows, columns][came] = values[first, second][came]
        self.kept[rows, columns][came] = True if kept is None else kept[first, second][came]
        self.missing[rows, columns][came] = False

    def place_frame(self, frame: Frame) -> None:
        """Place a frame, whose image_id is the number of the window."""
        self.place(frame.image_id, frame.values, frame.kept, frame.rows_received)

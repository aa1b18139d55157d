"""The images that the benchmark is made on, and the kernel responses of the golden model to them.

radiographs, Poisson noise, IMAGES= -> [scenes] -> pixels, kernel responses, what is kept -> wire, decode

Kept are the pixels with |response| >= threshold; the fraction is of all pixels of a frame, also of the guard ring,
whose pixels are never kept. The kernel is the Laplacian with -1/8 at its eight outer weights.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.data import get_testdata_file

from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.registers import ThresholdMode
from edgeray.protocol.settings import Settings
from sim.golden.convolve import convolve
from sim.golden.fixed_point import Mask
from sim.golden.threshold import threshold
from sim.golden.window import windows
from sim.scenes import Image, SceneError, read_image, to_codes

RADIOGRAPHS = ("RG1_UNCR.dcm", "RG3_UNCR.dcm")
"""Chest, 1955 x 1841 of 15 bits, and lower leg, 1760 x 1760 of 10 bits, from the package pydicom-data."""
SAMPLE_BITS = (8, 12, 14)
PHOTONS = {8: 2000, 12: 4000, 14: 8000}
"""Photons at full scale of the Poisson scene of each depth."""
LARGE = 256
"""Images of at least so many rows and columns are large."""
LARGEST = 4096
TILE, TILES, TILE_META_PERIOD = 32, 256, 16
LEVELS = (1, 4)
"""Thresholds, in grey levels of 8 bits."""
KERNEL = KERNELS["laplacian"]
_BAND = 256


class Size(StrEnum):
    """What the targets tell apart; there is none for SMALL."""

    LARGE = "256x256 and more"
    SMALL = "smaller"
    TILE = "32x32"


@dataclass(frozen=True, eq=False)
class Scene:
    """A series of frames of one detector; an image is a series of one frame.

    Parameters
    ----------
    name : what it is called in tables.
    pixels : uint16[n, rows, columns], codes.
    detector : as large as the frames.
    """

    name: str
    pixels: npt.NDArray[np.uint16]
    detector: Detector

    @property
    def size(self) -> Size:
        rows, columns = self.detector.rows, self.detector.columns
        if rows == columns == TILE:
            return Size.TILE
        return Size.LARGE if min(rows, columns) >= LARGE else Size.SMALL

    @property
    def meta_period(self) -> int:
        """META goes with every this many frames."""
        return TILE_META_PERIOD if self.size == Size.TILE else 1

    @property
    def thresholds(self) -> tuple[int, ...]:
        """LEVELS in codes."""
        return tuple(levels << (self.detector.sample_bits - 8) for levels in LEVELS)

    def settings(self, edge_threshold: int) -> Settings:
        return Settings(kernel=KERNEL, edge_threshold=edge_threshold, meta_period=self.meta_period)

    @cached_property
    def _filtered(self) -> tuple[npt.NDArray[np.int16], Mask]:
        return responses(self.pixels, self.detector)

    def edges(self, edge_threshold: int) -> tuple[npt.NDArray[np.int16], Mask]:
        """(responses with 0 where they are not kept, what is kept), int16 and bool[n, rows, columns]."""
        values, guard = self._filtered
        kept = threshold(values, guard, mode=ThresholdMode.ABSOLUTE, edge_threshold=edge_threshold)
        return np.where(kept, values, 0).astype(np.int16), kept


def responses(pixels: npt.NDArray[np.uint16], detector: Detector) -> tuple[npt.NDArray[np.int16], Mask]:
    """(kernel responses int16[n, rows, columns], guard bool[rows, columns]) of the golden model.

    Images without a guard ring go through it in bands of rows, for it needs 72 bytes a pixel.
    """
    if detector.guard_ring or detector.rows <= _BAND:
        taps, guard = windows(pixels, detector=detector, stride=1)
        return convolve(taps, guard, sample_bits=detector.sample_bits, kernel=KERNEL)[0].astype(np.int16), guard
    found = np.empty(pixels.shape, np.int16)
    for first in range(0, detector.rows, _BAND):
        last = min(first + _BAND, detector.rows)
        above, below = min(first, detector.radius), min(detector.rows - last, detector.radius)
        band = pixels[:, first - above : last + below]
        part, _ = _band(band, detector)
        found[:, first:last] = part[:, above : above + last - first]
    return found, np.zeros((detector.rows, detector.columns), np.bool_)


def _band(band: npt.NDArray[np.uint16], detector: Detector) -> tuple[npt.NDArray[np.int16], Mask]:
    part = replace(detector, rows=band.shape[1])
    taps, guard = windows(band, detector=part, stride=1)
    return convolve(taps, guard, sample_bits=part.sample_bits, kernel=KERNEL)[0].astype(np.int16), guard


def whole(name: str, image: Image, sample_bits: int) -> Scene:
    """One image as a detector without a guard ring, from 0 to full scale."""
    codes = to_codes(image, sample_bits, headroom=0)
    rows, columns = codes.shape
    detector = Detector(rows=rows, columns=columns, guard_ring=0, sample_bits=sample_bits)
    return Scene(f"{name} {sample_bits} bit", codes[np.newaxis], detector)


def tiles(name: str, image: Image, sample_bits: int) -> Scene:
    """Frames of 32 x 32, the guard ring of one among them, evenly chosen from the complete tiles of an image."""
    codes = to_codes(image, sample_bits, headroom=0)
    rows, columns = (size // TILE for size in codes.shape)
    cut = codes[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE).swapaxes(1, 2)
    frames = cut.reshape(-1, TILE, TILE)
    chosen = np.linspace(0, len(frames) - 1, min(TILES, len(frames))).astype(int)
    detector = Detector(rows=TILE, columns=TILE, guard_ring=1, sample_bits=sample_bits)
    return Scene(f"{name} {sample_bits} bit, {TILE}x{TILE}", frames[chosen], detector)


def poisson(sample_bits: int, size: int = 512) -> Scene:
    """A blob and a disc on a flat field, with the shot noise of PHOTONS at full scale."""
    rng = np.random.default_rng(sample_bits)
    y, x = np.mgrid[:size, :size] / size
    field = 0.3 + 0.25 * np.exp(-((y - 0.5) ** 2 + (x - 0.4) ** 2) / 0.076)
    field += 0.2 * ((y - 0.6) ** 2 + (x - 0.6) ** 2 < 0.175**2)
    photons, full_scale = PHOTONS[sample_bits], (1 << sample_bits) - 1
    codes = np.clip(rng.poisson(field * photons) / photons * full_scale, 0, full_scale).astype(np.uint16)
    detector = Detector(rows=size, columns=size, guard_ring=0, sample_bits=sample_bits)
    return Scene(f"Poisson {sample_bits} bit", codes[np.newaxis], detector)


def radiographs() -> Iterator[tuple[str, Image]]:
    """(name, image) of both radiographs; SceneError where they are not installed."""
    for file in RADIOGRAPHS:
        path = get_testdata_file(file, download=False)
        if not isinstance(path, str):
            raise SceneError(f"{file} is not here; install the package that has it: pip install edgeray[demo]")
        yield file.partition("_")[0], read_image(path)


def folder_images(folder: Path, say: Callable[[str], None]) -> Iterator[tuple[str, Image]]:
    """(name, image) of every file of `folder` that can be read; one that cannot is named and skipped.

    Of an image with more than 4096 rows or columns the middle is taken. Raises SceneError where there is no folder.
    """
    if not folder.is_dir():
        raise SceneError(f"{folder} is no folder; IMAGES takes one that holds PNG, TIFF, DICOM or .npy files")
    for path in sorted(each for each in folder.iterdir() if each.is_file()):
        try:
            image = read_image(path)
        except SceneError as error:
            say(f"skipped: {error}")
            continue
        if max(image.shape) > LARGEST:
            say(f"{path.name} has {image.shape[0]} x {image.shape[1]} pixels: its middle {LARGEST} a side are taken")
            rows, columns = (slice(max(0, (size - LARGEST) // 2), (size + LARGEST) // 2) for size in image.shape)
            image = image[rows, columns]
        yield path.stem, image


def depths(image: Image) -> tuple[int, ...]:
    """The sample bits that an image has grey levels for: 8, and those up to the bits of its span."""
    span = float(image.max()) - float(image.min())
    bits = 16 if image.dtype.kind == "f" else int(span).bit_length()
    return tuple(each for each in SAMPLE_BITS if each == 8 or each <= bits)


def scenes(folder: Path | None, say: Callable[[str], None]) -> list[Scene]:
    """All scenes; see `folder_images` for `folder` and what is said."""
    found = []
    for name, image in radiographs():
        for bits in SAMPLE_BITS:
            found += [whole(name, image, bits), tiles(name, image, bits)]
    found += [poisson(bits) for bits in SAMPLE_BITS]
    for name, image in folder_images(folder, say) if folder else ():
        try:
            found += [whole(name, image, bits) for bits in depths(image)]
        except GeometryError as error:
            say(f"skipped: {name}: {error}")
    return found

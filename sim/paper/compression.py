"""What is left of an image: the paper's count of kept pixels, and the bits that a link carries.

image -> 8-bit grey levels -> responses -> [compression] -> kept parts, bits

The paper filters an image of 8 bits with the kernel as it stands (+8 and -1, no division), clips to 0 .. 255 and keeps
what is at least 1. As settings of a board that is a kernel without shift, threshold_mode POSITIVE, edge_threshold 1, so
that the same pixels can be counted on the wire: packets, both CRCs and META included.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import correlate

from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.packets import VERSION
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.protocol.settings import Settings
from sim.bench.wire import series_packets
from sim.scenes import Image, check, to_codes

Levels = npt.NDArray[np.uint8]
Responses = npt.NDArray[np.int16]

BITS = 8
FULL_SCALE = (1 << BITS) - 1
LARGEST = 4096
"""Rows and columns of the largest detector: a larger image is several frames."""


def undivided(kernel: Kernel) -> Kernel:
    """The kernel without its division."""
    return replace(kernel, shift=0)


LAPLACIAN = undivided(KERNELS["laplacian"])
OPPOSITE = replace(LAPLACIAN, name="opposite", weights=tuple(tuple(-each for each in row) for row in LAPLACIAN.weights))
LOG = undivided(KERNELS["log"])
PAPER = Settings(kernel=LAPLACIAN, threshold_mode=ThresholdMode.POSITIVE, edge_threshold=1, meta_period=1)
"""The paper's count as settings."""
EDGES = Settings(kernel=KERNELS["laplacian"], threshold_mode=ThresholdMode.ABSOLUTE, edge_threshold=1, meta_period=1)
"""Edges of both signs of one grey level or more, of the kernel with its division."""
WHOLE = replace(EDGES, readout_mode=ReadoutMode.RAW)
"""The whole image, without loss."""
SETTINGS_VERSION = f"1 {VERSION} {PAPER} {EDGES} {WHOLE} {LOG}"
"""Changes with all that `measure` depends on but the code that computes it: count the first number up with that."""


@dataclass(frozen=True)
class Compression:
    """What is left of one image.

    Parameters
    ----------
    rows, columns : of the image.
    kept, kept_opposite, kept_log : part of the pixels, by the paper's count: Laplacian, its negative, LoG 5 x 5.
    wire_paper : bits on the wire of the pixels in `kept`, over 8 bits a pixel.
    kept_edges, wire_edges : with EDGES.
    wire_whole : bits on the wire of the whole image, without loss, over 8 bits a pixel.
    """

    rows: int
    columns: int
    kept: float
    kept_opposite: float
    kept_log: float
    wire_paper: float
    kept_edges: float
    wire_edges: float
    wire_whole: float


def grey_levels(image: Image) -> Levels:
    """The image in 8 bits: as it is where it has 8, else its smallest value at 0 and its largest at 255.

    Raises SceneError as `sim.scenes.check` does.
    """
    if check(image).dtype == np.uint8:
        return image
    return to_codes(image, BITS, headroom=0).astype(np.uint8)


def responses(image: npt.NDArray[np.integer], kernel: Kernel, sample_bits: int = BITS) -> Responses:
    """Kernel responses int16[rows, columns] in codes, border replicated, as `sim.golden.convolve` has them.

    A test compares the two; this one needs a fifteenth of the memory.
    """
    full_scale = (1 << sample_bits) - 1
    total = correlate(image.astype(np.int32), kernel.array.astype(np.int32), mode="nearest")
    if kernel.shift:
        total = (total + (1 << (kernel.shift - 1))) >> kernel.shift
    return np.clip(total, -full_scale, full_scale).astype(np.int16)


def paper_count(levels: Levels, kernel: Kernel) -> int:
    """Pixels that the paper keeps: response clipped to 0 .. 255, 1 or more."""
    return int((responses(levels, kernel) >= 1).sum())


def wire_bits(values: npt.NDArray[np.integer], kept: npt.NDArray[np.bool_], settings: Settings) -> int:
    """Bits on the wire of one image, [rows, columns] of 8 bits; more than 4096 a side are several frames.

    Raises GeometryError where it has fewer than 4 columns: there is no such detector.
    """
    total = 0
    for rows in _pieces(values.shape[0]):
        for columns in _pieces(values.shape[1]):
            part, flags = values[rows, columns], kept[rows, columns]
            detector = Detector(rows=part.shape[0], columns=part.shape[1], guard_ring=0, sample_bits=BITS)
            total += 8 * len(series_packets(part[None], flags[None], detector=detector, settings=settings))
    return total


def measure(image: Image) -> Compression:
    """What is left of `image`. Raises SceneError, GeometryError (see above)."""
    levels = grey_levels(image)
    pixels = levels.size
    positive = responses(levels, LAPLACIAN)
    edges = responses(levels, EDGES.kernel)
    kept, kept_edges = positive >= 1, np.abs(edges) >= EDGES.edge_threshold
    every = np.ones(levels.shape, np.bool_)
    return Compression(
        rows=levels.shape[0],
        columns=levels.shape[1],
        kept=kept.mean().item(),
        kept_opposite=paper_count(levels, OPPOSITE) / pixels,
        kept_log=paper_count(levels, LOG) / pixels,
        wire_paper=wire_bits(positive, kept, PAPER) / (BITS * pixels),
        kept_edges=kept_edges.mean().item(),
        wire_edges=wire_bits(edges, kept_edges, EDGES) / (BITS * pixels),
        wire_whole=wire_bits(levels, every, WHOLE) / (BITS * pixels),
    )


def _pieces(length: int) -> Iterator[slice]:
    """Slices of nearly the same length, of LARGEST at most."""
    count = -(-length // LARGEST)
    ends = [length * each // count for each in range(count + 1)]
    return (slice(first, last) for first, last in pairwise(ends))

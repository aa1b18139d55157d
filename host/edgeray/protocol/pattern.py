"""The self-test pattern: what a board shows with sample_source PATTERN, without a detector, an ADC or an upload.

Squares of 4 x 4 pixels, each of one of eight levels that change from frame to frame:

    level = row / 4 xor column / 4 xor image_id, its three lowest bits

Neighbouring squares always differ, so there is an edge all around each and none inside. Both samples of a pixel begin
with the same pseudo-random offset, which correlated double sampling takes away; the signal sample adds the level. With
B bits a sample

    reset sample  = offset = 1 + 2 * (the three lowest bits of the noise register)
    signal sample = offset + level * 2**(B - 4)

so neither is ever at a rail of the ADC. The noise register has 7 bits, is 0 at the first pixel of every frame, and
moves up by one bit for each pixel; the bit that comes in is 1 where its bits 6 and 5 are equal.
"""

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector

SQUARE_BITS = 2
"""A square has 2**SQUARE_BITS rows and columns."""
LEVEL_BITS = 3
OFFSET_BITS = 3
"""Bits of the noise register in an offset."""
NOISE_BITS = 7
NOISE_TAPS = (6, 5)
"""The register moves from 0 through 127 states before it is 0 again."""


def pattern_pixels(detector: Detector, image_id: int) -> npt.NDArray[np.uint16]:
    """Pixels uint16[rows, columns], codes, of frame `image_id` of the pattern: signal minus reset sample, gain 1."""
    row, column = np.indices((detector.rows, detector.columns)) >> SQUARE_BITS
    level = (row ^ column ^ image_id) % (1 << LEVEL_BITS)
    pixels: npt.NDArray[np.uint16] = (level << (detector.sample_bits - 1 - LEVEL_BITS)).astype(np.uint16)
    return pixels

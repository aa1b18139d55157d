"""Golden model of the self-test pattern.

image_id -> [pattern] -> reset and signal samples -> cds
"""

import numpy as np

from edgeray.protocol.detector import Detector
from edgeray.protocol.pattern import NOISE_BITS, NOISE_TAPS, OFFSET_BITS, pattern_pixels
from sim.golden.fixed_point import Integers


def pattern(detector: Detector, image_id: int) -> tuple[Integers, Integers]:
    """(reset, signal) samples int64[rows, columns], codes, of frame `image_id`."""
    offsets = np.empty(detector.rows * detector.columns, np.int64)
    noise = 0
    for pixel in range(len(offsets)):
        offsets[pixel] = 1 + 2 * (noise % (1 << OFFSET_BITS))
        equal = len({noise >> tap & 1 for tap in NOISE_TAPS}) == 1
        noise = (noise << 1 | equal) % (1 << NOISE_BITS)
    reset = offsets.reshape(detector.rows, detector.columns)
    return reset, reset + pattern_pixels(detector, image_id)

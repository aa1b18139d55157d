"""Pixels for the examples of the page and for the golden vectors: the same on every machine and with every NumPy.

Whole numbers alone, and noise from `random.Random(seed).random()`, whose sequence Python promises to keep.
"""

from random import Random

import numpy as np
import numpy.typing as npt


def scene(
    rows: int, columns: int, sample_bits: int, *, seed: int, noise: int = 1, frames: int = 1
) -> npt.NDArray[np.uint16]:
    """uint16[frames, rows, columns], codes: a ramp, a bright disc that moves a pixel a frame, a dark bar, and noise.

    noise : most that it adds or takes away, in units of 1/256 of full scale.
    """
    random, full = Random(seed), (1 << sample_bits) - 1
    found = np.empty((frames, rows, columns), np.uint16)
    most = max(1, noise * full >> 8)
    for frame in range(frames):
        for y in range(rows):
            for x in range(columns):
                value = full * (rows + 2 * y + x) // (5 * rows + 2 * columns)
                if (2 * (x - frame) - columns) ** 2 + (2 * y - rows) ** 2 < min(rows, columns) ** 2 // 2:
                    value += full // 3
                if columns // 8 <= x < columns // 5:
                    value //= 3
                value += int(random.random() * (2 * most + 1)) - most
                found[frame, y, x] = min(max(value, 0), full)
    return found

"""Scenes as the virtual board takes them, in a file or over its scene port.

MAGIC, images, rows, columns (32 bits each), then the samples, 16 bits each, [images, 2, rows, columns] with the reset
samples first; all little endian. The scene port answers with one line: "ok", or what is wrong.
"""

import numpy as np
import numpy.typing as npt

MAGIC = int.from_bytes(b"EScn", "little")


def encode(samples: npt.NDArray[np.uint16]) -> bytes:
    """Bytes of `samples`, uint16[images, 2, rows, columns], in codes of the ADC.

    Raises ValueError for another shape or type, or without an image.
    """
    if samples.dtype != np.uint16 or samples.ndim != 4 or samples.shape[1] != 2 or not samples.size:
        raise ValueError(f"samples are uint16[images, 2, rows, columns], not {samples.dtype}{list(samples.shape)}")
    images, _, rows, columns = samples.shape
    return np.array([MAGIC, images, rows, columns], "<u4").tobytes() + samples.astype("<u2").tobytes()

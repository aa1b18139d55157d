"""Images to show the gateware: random, extreme, and real."""

import random
from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.int64]

RADIOGRAPH = "RG3_UNCR.dcm"
"""A leg, 1760 x 1760 pixels of 10 bits, from pydicom-data."""
_RADIOGRAPH_BITS = 10


@cache
def _radiograph() -> Image:
    import pydicom
    from pydicom.data import get_testdata_file

    path = get_testdata_file(RADIOGRAPH, download=False)
    return np.asarray(pydicom.dcmread(str(path)).pixel_array, dtype=np.int64)


def generator(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def tile(rows: int, columns: int, bits: int, chances: random.Random) -> Image:
    """int64[rows, columns]: a part of the radiograph, scaled to `bits`; a larger array sees it several times."""
    whole = _radiograph()
    places = [
        (chances.randrange(max(1, size - count)) + np.arange(count)) % size
        for size, count in zip(whole.shape, (rows, columns), strict=True)
    ]
    part = whole[np.ix_(*places)]
    return part << (bits - _RADIOGRAPH_BITS) if bits >= _RADIOGRAPH_BITS else part >> (_RADIOGRAPH_BITS - bits)


def images(rows: int, columns: int, bits: int, chances: random.Random) -> Iterator[Image]:
    """int64[rows, columns] images: noise, the rails, a checkerboard, a ramp, a point, near the rails, a tile."""
    full = (1 << bits) - 1
    shape = rows, columns
    noise = generator(chances.randrange(1 << 32))
    yield noise.integers(0, full + 1, shape)
    yield np.zeros(shape, np.int64)
    yield np.full(shape, full, np.int64)
    yield np.indices(shape).sum(axis=0) % 2 * full
    yield np.arange(rows * columns).reshape(shape) % (full + 1)
    point = np.zeros(shape, np.int64)
    point[rows // 2, columns // 2] = full
    yield point
    # Near a rail and on it: what a saturation counter must tell apart.
    yield noise.choice(np.array([0, 1, full - 1, full]), shape)
    yield tile(rows, columns, bits, chances)

"""Detectors and images that the tests of the golden models draw from."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import settings
from hypothesis import strategies as st

from edgeray.protocol.detector import Detector
from edgeray.protocol.registers import Convolution

reproducible = settings(derandomize=True, deadline=None, max_examples=60)
"""The same examples in every run."""

seeds = st.integers(0, 2**32 - 1)

Array = npt.NDArray[Any]

# Shapes that have gone wrong elsewhere: one row, no guard ring, a kernel larger than the array, no multiple of 32.
DETECTORS = (
    Detector(),
    Detector(rows=1, columns=4, guard_ring=0),
    Detector(rows=2, columns=5, guard_ring=0, sample_bits=8, kernel_size=5),
    Detector(rows=33, columns=35, sample_bits=14),
    Detector(rows=9, columns=13, guard_ring=2, kernel_size=5),
    Detector(rows=7, columns=70, guard_ring=3, sample_bits=10),
    Detector(rows=6, columns=9, convolution=Convolution.SENSOR),
)


@st.composite
def detectors(draw: st.DrawFn) -> Detector:
    """Any small detector."""
    ring = draw(st.integers(0, 3))
    return Detector(
        rows=draw(st.integers(1 + 2 * ring, 14)),
        columns=draw(st.integers(max(4, 1 + 2 * ring), 40)),
        guard_ring=ring,
        sample_bits=draw(st.integers(8, 14)),
        kernel_size=draw(st.sampled_from((3, 5))),
        convolution=draw(st.sampled_from(Convolution)),
    )


def image(detector: Detector, seed: int, frames: int = 1) -> Array:
    """uint16[frames, rows, columns]: noise of every height, a third of the pixels at a rail."""
    random = np.random.default_rng(seed)
    shape = (frames, detector.rows, detector.columns)
    pixels = random.integers(0, detector.full_scale, shape, endpoint=True)
    rails = random.choice((0, detector.full_scale), shape)
    return np.where(random.random(shape) < 1 / 3, rails, pixels).astype(np.uint16)

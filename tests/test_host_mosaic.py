"""A scan stitched from windows is the response of the whole image."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from edgeray.errors import MosaicError
from edgeray.mosaic import Mosaic, Stitch
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS, Kernel


def response(image: npt.NDArray[np.integer], kernel: Kernel) -> npt.NDArray[np.int64]:
    """round_half_up(correlation / 2**shift), border replicated, not clipped."""
    total = ndimage.correlate(image.astype(np.int64), kernel.array, mode="nearest")
    return np.asarray(total + ((1 << kernel.shift) >> 1) >> kernel.shift)


def look(scene: npt.NDArray[np.integer], detector: Detector, kernel: Kernel) -> npt.NDArray[np.int64]:
    """What a detector answers: its imaging area's responses, nonsense in the guard ring."""
    guard = detector.guard_ring
    inner = slice(guard, detector.rows - guard), slice(guard, detector.columns - guard)
    frame = np.full(scene.shape, 9999)
    frame[inner] = response(scene[inner], kernel)
    return frame


@settings(deadline=None)
@given(
    extra=st.tuples(st.integers(0, 70), st.integers(0, 70)),
    sides=st.tuples(st.integers(7, 20), st.integers(7, 20)),
    guard=st.integers(0, 1),
    name=st.sampled_from(["laplacian", "log", "sobel-x", "identity"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_stitched_windows_are_the_whole_image(
    extra: tuple[int, int], sides: tuple[int, int], guard: int, name: str, seed: int
) -> None:
    kernel = KERNELS[name]
    detector = Detector(rows=sides[0], columns=sides[1], guard_ring=guard, kernel_size=kernel.size)
    shape = detector.imaging_rows + extra[0], detector.imaging_columns + extra[1]
    image = np.random.default_rng(seed).integers(0, 4096, shape, dtype=np.uint16)
    mosaic = Mosaic(shape, detector, kernel.size // 2)
    stitch = Stitch(mosaic)
    scenes = list(mosaic.cut(image))
    assert len(scenes) == len(mosaic)
    for index in np.random.default_rng(seed).permutation(len(scenes)).tolist():
        scene = scenes[index]
        assert scene.shape == (detector.rows, detector.columns)
        assert scene.dtype == image.dtype
        assert not guard or not (scene[0].any() or scene[-1].any() or scene[:, 0].any() or scene[:, -1].any())
        stitch.place(index, look(scene, detector, kernel))
    assert not stitch.missing.any()
    assert np.array_equal(stitch.values, response(image, kernel))


def test_windows_are_as_few_as_the_overlap_allows() -> None:
    mosaic = Mosaic((100, 30), Detector(), 1)
    assert mosaic.positions == [(0, 0), (28, 0), (56, 0), (70, 0)]
    assert Mosaic((58, 30), Detector(), 1).positions == [(0, 0), (28, 0)]


def test_missing_windows_and_rows_are_marked() -> None:
    detector, kernel = Detector(), KERNELS["laplacian"]
    image = np.random.default_rng(3).integers(0, 4096, (60, 90))
    mosaic = Mosaic((60, 90), detector, 1)
    stitch, expected = Stitch(mosaic), np.ones((60, 90), bool)
    for index, scene in enumerate(mosaic.cut(image)):
        rows = np.ones(32, bool)
        if index == 4:
            continue
        if index == 1:
            rows[10:12] = False
        stitch.place(index, look(scene, detector, kernel), scene > 2000, rows)
        part = np.zeros((60, 90), bool)
        part[mosaic.target(index)] = True
        if index == 1:
            # Row 10 of a frame is row 9 of its imaging area.
            part[9:11] = False
        expected &= ~part
    assert expected[9:11].any()
    assert np.array_equal(stitch.missing, expected)
    assert np.array_equal(stitch.values, np.where(expected, 0, response(image, kernel)))
    assert np.array_equal(stitch.kept, ~expected & (image > 2000))


def test_what_cannot_be_scanned_is_told() -> None:
    with pytest.raises(MosaicError, match="29 x 40 pixels, fewer than the 30 x 30"):
        Mosaic((29, 40), Detector(), 1)
    with pytest.raises(MosaicError, match="no interior for a kernel of radius 2"):
        Mosaic((40, 40), Detector(rows=6, columns=6), 2)
    mosaic = Mosaic((40, 40), Detector(), 1)
    with pytest.raises(MosaicError, match="not \\(40, 41\\)"):
        mosaic.cut(np.zeros((40, 41)))
    with pytest.raises(MosaicError, match="there is no number 4"):
        Stitch(mosaic).place(4, np.zeros((32, 32), int))
    with pytest.raises(MosaicError, match="frame of 32 x 32"):
        Stitch(mosaic).place(0, np.zeros((10, 10), int))

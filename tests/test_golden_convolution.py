"""Golden models of window, convolution and threshold, against scipy.ndimage on noise and on a real radiograph."""

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.data import get_testdata_file
from scipy import ndimage

from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.kernels import KERNELS, SHIFT_MAX, WEIGHT_MAX, WEIGHT_MIN, Kernel
from edgeray.protocol.registers import ThresholdMode
from sim.golden.convolve import convolve
from sim.golden.stack import StackError
from sim.golden.threshold import threshold
from sim.golden.window import windows
from tests.golden_cases import DETECTORS, Array, detectors, image, reproducible, seeds


def reference(frame: Array, detector: Detector, kernel: Kernel) -> tuple[Array, Array]:
    """(responses of the imaging area, clipped or not) of one frame by scipy, in float64, which is exact here."""
    ring = detector.guard_ring
    imaging = frame[ring : detector.rows - ring, ring : detector.columns - ring].astype(np.float64)
    sums = ndimage.correlate(imaging, kernel.array.astype(np.float64), mode="nearest")
    rounded = np.floor(sums / 2**kernel.shift + 0.5)
    full = detector.full_scale
    return np.clip(rounded, -full, full), np.abs(rounded) > full


def check(frame: Array, detector: Detector, kernel: Kernel) -> None:
    """Every stride of the detector, for one frame [rows, columns]."""
    expected, clipped = reference(frame, detector, kernel)
    for stride in detector.strides:
        taps, guard = windows(frame, detector=detector, stride=stride)
        responses, saturated = convolve(taps, guard, sample_bits=detector.sample_bits, kernel=kernel)
        if stride == 1:
            assert responses.shape == frame.shape == guard.shape
            assert guard.sum() == guard.size - expected.size
            assert not responses[guard].any()
            assert not saturated[guard].any()
            assert np.array_equal(responses[~guard].reshape(expected.shape), expected)
            assert np.array_equal(saturated[~guard].reshape(expected.shape), clipped)
        else:
            rows, columns = detector.imaging_rows // stride, detector.imaging_columns // stride
            centres = np.ix_(stride // 2 + stride * np.arange(rows), stride // 2 + stride * np.arange(columns))
            assert not guard.any()
            assert np.array_equal(responses, expected[centres])
            assert np.array_equal(saturated, clipped[centres])


@pytest.mark.parametrize("detector", DETECTORS, ids=str)
def test_library_kernels_agree_with_scipy_on_noise(detector: Detector) -> None:
    for seed, kernel in enumerate(KERNELS.values()):
        if kernel.size <= detector.kernel_size:
            check(image(detector, seed)[0], detector, kernel)


@reproducible
@given(detectors(), seeds, st.integers(0, SHIFT_MAX))
def test_any_kernel_agrees_with_scipy_on_noise(detector: Detector, seed: int, shift: int) -> None:
    shape = (detector.kernel_size,) * 2
    weights = np.random.default_rng(seed).integers(WEIGHT_MIN, WEIGHT_MAX, shape, endpoint=True)
    check(image(detector, seed)[0], detector, Kernel("random", tuple(map(tuple, weights.tolist())), shift))


@pytest.mark.parametrize("bits", [8, 14])
@pytest.mark.parametrize("weight", [WEIGHT_MIN, WEIGHT_MAX])
def test_largest_sums_clip_and_do_not_overflow(bits: int, weight: int) -> None:
    detector = Detector(rows=7, columns=7, sample_bits=bits, kernel_size=5)
    for shift in (0, SHIFT_MAX):
        full = np.full((7, 7), detector.full_scale, np.uint16)
        check(full, detector, Kernel("largest", ((weight,) * 5,) * 5, shift))


@pytest.fixture(scope="module")
def radiograph() -> Array:
    """uint16[440, 440]: a leg, 10 bit, every fourth pixel."""
    path = get_testdata_file("RG3_UNCR.dcm", download=False)
    assert isinstance(path, str), "pydicom-data is not installed"
    pixels = pydicom.dcmread(path).pixel_array[::4, ::4]
    assert pixels.shape == (440, 440)
    assert 500 < pixels.max() < 1024
    return pixels.astype(np.uint16)


@pytest.mark.parametrize("bits", [8, 12, 14])
def test_library_kernels_agree_with_scipy_on_a_radiograph(radiograph: Array, bits: int) -> None:
    frame = radiograph >> (10 - bits) if bits < 10 else radiograph << (bits - 10)
    detector = Detector(rows=440, columns=440, sample_bits=bits, kernel_size=5)
    for kernel in KERNELS.values():
        check(frame, detector, kernel)


def test_taps_are_the_clamped_neighbourhood_row_by_row() -> None:
    detector = Detector(rows=4, columns=6)
    frame = np.arange(24).reshape(4, 6)  # imaging: 7 8 9 10 / 13 14 15 16
    taps, guard = windows(frame, detector=detector, stride=1)
    assert taps[1, 1].tolist() == [7, 7, 8, 7, 7, 8, 13, 13, 14]
    assert taps[2, 4].tolist() == [9, 10, 10, 15, 16, 16, 15, 16, 16]
    assert guard.tolist() == [[True] * 6, *[[True, *[False] * 4, True]] * 2, [True] * 6]


def test_guard_ring_is_never_seen() -> None:
    detector = Detector(rows=9, columns=10, guard_ring=2, kernel_size=5)
    frame = image(detector, 5)[0]
    dirty = frame.copy()
    dirty[:2] = dirty[-2:] = dirty[:, :2] = dirty[:, -2:] = 4095
    for stride in detector.strides:
        taps, guard = windows(frame, detector=detector, stride=stride)
        others, _ = windows(dirty, detector=detector, stride=stride)
        assert np.array_equal(taps[~guard], others[~guard])


def test_macro_pixels_are_complete_and_start_at_the_first_imaging_pixel() -> None:
    detector = Detector(rows=9, columns=13, guard_ring=1)  # imaging 7 x 11: 2 x 3 macro-pixels, a rest of 1 and 2
    frame = np.arange(9 * 13).reshape(9, 13)
    taps, guard = windows(frame, detector=detector, stride=3)
    assert guard.shape == (2, 3)
    assert taps[0, 0].tolist() == [14, 15, 16, 27, 28, 29, 40, 41, 42]
    assert taps[1, 2].tolist() == frame[4:7, 7:10].ravel().tolist()


def test_stacks_are_done_frame_by_frame() -> None:
    detector, kernel = Detector(rows=6, columns=8), KERNELS["laplacian"]
    stack = image(detector, 9, frames=6).reshape(2, 3, 6, 8)
    taps, guard = windows(stack, detector=detector, stride=1)
    assert taps.shape == (2, 3, 6, 8, 9)
    responses, _ = convolve(taps, guard, sample_bits=12, kernel=kernel)
    for place in np.ndindex(2, 3):
        taps, _ = windows(stack[place], detector=detector, stride=1)
        assert np.array_equal(responses[place], convolve(taps, guard, sample_bits=12, kernel=kernel)[0])


@pytest.mark.parametrize("level", [0, 1, 16, 255, 256, 2**16 - 1])
def test_threshold(level: int) -> None:
    values = np.arange(-255, 256, dtype=np.int16).reshape(1, -1)
    guard = np.arange(values.size).reshape(values.shape) % 5 == 0
    for mode in ThresholdMode:
        kept = threshold(values, guard, mode=mode, edge_threshold=level)
        for q, flagged, sent in zip(values[0].tolist(), guard[0].tolist(), kept[0].tolist(), strict=True):
            over = {ThresholdMode.ABSOLUTE: abs(q) >= level, ThresholdMode.POSITIVE: q >= level}.get(mode)
            assert sent == (mode == ThresholdMode.OFF or (over and not flagged))


def test_wrong_strides_and_shapes_are_named() -> None:
    detector = Detector(rows=4, columns=6)
    frame = np.zeros((4, 6), int)
    for stride in (0, 2, 3, 5):
        with pytest.raises(GeometryError, match=f"stride takes one of .* not {stride}"):
            windows(frame, detector=detector, stride=stride)
    taps, guard = windows(frame, detector=detector, stride=1)
    with pytest.raises(StackError, match=r"the guard's rows and columns, \(3, 6\)"):
        convolve(taps, guard[:3], sample_bits=12, kernel=KERNELS["identity"])
    with pytest.raises(ValueError, match="'log' is 5x5; this board convolves 3x3"):
        convolve(taps, guard, sample_bits=12, kernel=KERNELS["log"])
    with pytest.raises(StackError, match=r"the guard's rows and columns, \(4, 6\), not shape \(6, 4\)"):
        threshold(frame.T, guard, mode=ThresholdMode.OFF, edge_threshold=0)

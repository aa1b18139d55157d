"""Noise through correction, kernel and rounding: against the golden model fed with the same noise, frame by frame."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from edgeray.calibration import Calibration, CalibrationError, noise
from edgeray.calibration.noise import Responses, responses, shrunk
from edgeray.calibration.statistics import Floats, Moments, interval, pattern
from edgeray.correction import CorrectionTable
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.registers import Convolution
from sim.golden.convolve import convolve
from sim.golden.correct import correct
from sim.golden.sensor import sensor
from sim.golden.window import windows
from tests.calibration_cases import calibration

SEED = 6
FRAMES = 12_000
DETECTOR = Detector(rows=10, columns=13, guard_ring=1)
LARGE = Kernel("shifted", ((0, 3, 0), (-6, 0, 9), (0, 3, 0)), 3)


def golden(
    mean: Floats, noise: Floats, table: CorrectionTable, detector: Detector, kernel: Kernel, stride: int, step: int = 1
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Responses int64[FRAMES, positions], of the imaging area, to Gaussian pixels in multiples of `step`, and 3."""
    random = np.random.default_rng(SEED)
    phase = 3 % step
    drawn = (random.normal(mean, np.sqrt(noise**2 - step**2 / 12), (FRAMES, *mean.shape)) - phase) / step
    drawn = phase + step * np.rint(drawn)
    pixels = np.clip(drawn, 0, detector.full_scale).astype(np.int64)
    pixels, _ = correct(pixels, detector=detector, enabled=True, table=table)
    if detector.convolution is Convolution.SENSOR:
        values, guard = sensor(pixels, detector=detector)
    else:
        taps, guard = windows(pixels, detector=detector, stride=stride)
        values, _ = convolve(taps, guard, sample_bits=detector.sample_bits, kernel=kernel)
    return values[:, ~guard]


def assert_like(found: Responses, values: np.ndarray[tuple[int, ...], np.dtype[np.int64]], unit: int = 1) -> None:
    """Mean and noise of every position and rates over thresholds are those of the frames, within their scatter."""
    count = len(values)
    off = np.abs(values.mean(axis=0) - found.mean)
    # Pixels whose noise is under a code are no Gaussians in bins any more: alike to 0.01 codes.
    assert (off < 5 * found.noise / np.sqrt(count) + 0.01 * unit).all()
    assert (np.abs(values.std(axis=0) - found.noise) < 0.04 * found.noise + 0.01 * unit).all()
    sizes = np.abs(values)
    tried = 0
    for threshold in range(1, int(sizes.max()) + 1):
        hits = (sizes >= threshold).sum(axis=1)
        if 200 < hits.sum() < 0.05 * sizes.size:
            tried += 1
            # Counts of whole frames: positions of one frame go together.
            error = hits.std() / np.sqrt(count) / sizes[0].size
            rate = float(hits.mean() / sizes[0].size)
            assert found.rate(threshold) == pytest.approx(rate, abs=4 * error + 0.03 * rate), threshold
    assert tried


@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("name", ["laplacian", "sobel-x", "identity", "shifted"])
def test_responses_are_those_of_the_golden_model(name: str, stride: int) -> None:
    """Gains, offsets in fractions of codes, replaced pixels in rows and at the border, pixels that it sees twice."""
    kernel = KERNELS.get(name, LARGE)
    found = calibration(DETECTOR, SEED)
    assert found.dark is not None
    noisy = np.zeros((10, 13), np.bool_)
    noisy[[1, 1, 4, 4, 4, 8], [1, 2, 5, 6, 7, 11]] = True
    found = dataclasses.replace(found, dark=dataclasses.replace(found.dark, noisy=noisy))
    assert found.dark is not None
    table = found.correction_table()
    predicted = responses(found.dark.mean, found.dark.noise, table, DETECTOR, kernel, stride)
    assert predicted.distribution is not None
    assert_like(predicted, golden(found.dark.mean, found.dark.noise, table, DETECTOR, kernel, stride))


def test_codes_that_the_board_amplified() -> None:
    """A gain of 8 after the ADC: pixels, and what passes a threshold, go in steps of 8 codes."""
    found = calibration(DETECTOR, SEED)
    assert found.dark is not None
    mean, noise = found.dark.mean + 300, 8 * found.dark.noise
    found = dataclasses.replace(found, dark=dataclasses.replace(found.dark, mean=mean, pedestal=60))
    table = found.correction_table()
    for name in ("identity", "laplacian"):
        predicted = responses(mean, noise, table, DETECTOR, KERNELS[name], step=8, phase=3)
        assert predicted.distribution is not None
        assert_like(predicted, golden(mean, noise, table, DETECTOR, KERNELS[name], 1, step=8), unit=8)


def test_a_part_of_many_positions_stands_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    found = calibration(Detector(), SEED)
    assert found.dark is not None

    def predicted() -> Responses:
        assert found.dark is not None
        return responses(
            found.dark.mean, found.dark.noise, found.correction_table(), found.detector, KERNELS["laplacian"]
        )

    every = predicted()
    monkeypatch.setattr(noise, "_WORK", 512 * 9 * 300)
    part = predicted()
    assert part.mean.size == 300
    assert part.positions == every.positions == every.mean.size == 900
    assert part.rate(3) == pytest.approx(every.rate(3), rel=0.2)


def test_wide_noise_is_a_gaussian() -> None:
    found = calibration(DETECTOR, SEED)
    assert found.flat is not None
    table = found.correction_table()
    predicted = responses(found.flat.mean, found.flat.noise, table, DETECTOR, KERNELS["laplacian"])
    assert predicted.distribution is None
    values = golden(found.flat.mean, found.flat.noise, table, DETECTOR, KERNELS["laplacian"], 1)
    for threshold in (60, 75):
        hits = (np.abs(values) >= threshold).sum(axis=1)
        error = float(hits.std()) / np.sqrt(FRAMES) / values[0].size
        assert hits.sum() > 200
        assert predicted.rate(threshold) == pytest.approx(hits.mean() / values[0].size, abs=4 * error)


def test_a_sensor_that_convolves() -> None:
    detector = dataclasses.replace(DETECTOR, convolution=Convolution.SENSOR)
    found = calibration(detector, SEED)
    assert found.dark is not None
    found = dataclasses.replace(found, dark=dataclasses.replace(found.dark, pedestal=2048))
    assert found.dark is not None
    table = found.correction_table()
    predicted = responses(found.dark.mean, found.dark.noise, table, detector, KERNELS["laplacian"])
    values = golden(found.dark.mean, found.dark.noise, table, detector, KERNELS["laplacian"], 1)
    assert np.abs(predicted.mean).max() < 1
    assert_like(predicted, values)


def test_few_frames_do_not_exaggerate_the_rate() -> None:
    """Noise known to 14 % from 25 frames: the mean rate over pixels of one true noise has to be that noise's."""
    detector, frames = Detector(), 25
    shape, random = (32, 32), np.random.default_rng(SEED)
    table = CorrectionTable.neutral(detector)
    mean, good = np.full(shape, 100.0), np.ones(shape, np.bool_)
    measured = 2.0 * np.sqrt(random.chisquare(frames - 1, shape) / (frames - 1))

    def rate(noise: Floats) -> float:
        return responses(mean, noise, table, detector, KERNELS["laplacian"]).rate(10)

    true = rate(np.full(shape, 2.0))
    assert rate(measured) > 2.5 * true
    assert rate(shrunk(measured, good, frames - 1)) == pytest.approx(true, rel=0.2)
    # Noise that does differ is not drawn together.
    own = np.where(np.arange(32) < 16, 1.0, 3.0) * np.ones(shape)
    known = own * np.sqrt(random.chisquare(999, shape) / 999)
    assert np.abs(shrunk(known, good, 999) / own - 1).max() < 0.15


def test_moments_are_those_of_all_frames() -> None:
    frames = np.random.default_rng(SEED).integers(0, 4096, (50, 3, 4))
    frames[:, 0, 0], frames[:, 0, 1] = 0, 4095
    moments = Moments((3, 4), 4095)
    for frame in frames.astype(np.int16):
        moments.take(frame)
    np.testing.assert_allclose(moments.mean, frames.mean(axis=0))
    np.testing.assert_allclose(moments.noise, frames.std(axis=0, ddof=1))
    assert moments.at_zero[0, 0] == moments.at_full[0, 1] == 50
    assert (moments.step, moments.phase) == (1, 0)


def test_moments_see_the_steps_of_amplified_codes() -> None:
    """Also where pixels are cut off at the rails, which are no multiples."""
    frames = np.clip(8 * np.random.default_rng(SEED).integers(-100, 900, (50, 3, 4)) + 20, 0, 4095)
    moments = Moments((3, 4), 4095)
    for frame in frames.astype(np.int16):
        moments.take(frame)
    assert (moments.step, moments.phase) == (8, 4)


@pytest.mark.parametrize(("count", "trials"), [(0, 900), (3, 900), (450, 900), (900, 900)])
def test_interval_is_wilsons(count: int, trials: int) -> None:
    low, high = interval(count, trials, deviations=float(stats.norm.ppf(0.995)))
    right = stats.binomtest(count, trials).proportion_ci(0.99, "wilson")
    assert (low, high) == pytest.approx((right.low, right.high))
    assert interval(4 * count, 4 * trials, dispersion=4.0) == pytest.approx(interval(count, trials))


def test_pattern_finds_columns_and_rows_under_a_hot_pixel() -> None:
    columns, rows = np.linspace(-5, 5, 12), np.linspace(-2, 2, 10)
    values = 100 + columns + rows[:, None]
    values[4, 5] += 500
    found = pattern(values, np.ones(values.shape, np.bool_))
    np.testing.assert_allclose(found[0], columns, atol=0.5)
    np.testing.assert_allclose(found[1], rows, atol=0.5)
    assert found[2][4, 5] > 490
    found[2][4, 5] = 0
    assert np.abs(found[2]).max() < 0.6


def test_a_line_of_pixels_has_no_pattern_across() -> None:
    """One row: its columns' medians would be the pixels themselves, and no pixel would ever be hot."""
    values = np.zeros((1, 20))
    values[0, 3] = 50
    columns, _, rest = pattern(values, np.ones(values.shape, np.bool_))
    assert not columns.any()
    assert rest[0, 3] == 50


def test_calibration_without_dark_predicts_nothing() -> None:
    with pytest.raises(CalibrationError, match="no dark"):
        Calibration(detector=DETECTOR).correction_table()

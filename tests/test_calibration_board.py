"""A calibration of the detector twin on the virtual board: what it finds is what was put in, within its own errors.

twin, injected hot and noisy pixels -> samples -> virtual board -> dark, flat, threshold -> against the twin's maps
"""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

import edgeray
from edgeray.calibration import (
    Calibration,
    CalibrationError,
    CalibrationMismatch,
    ClippedError,
    Dark,
    Flat,
    PixelMask,
    Threshold,
    measure_dark,
    measure_flat,
    measure_threshold,
)
from edgeray.calibration.statistics import Floats, Mask
from edgeray.correction import CorrectionTable
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.registers import ReadoutMode
from edgeray.protocol.settings import Settings
from edgeray.series import FrameKind
from hdl.params import Params
from sim.detector.array import Twin
from sim.detector.timing import Timing
from sim.virtual_board import VirtualBoard
from tests.detector_cases import beam, crystal

SEED = 11
FRAMES = 200
RATE = 8000.0
TIMING = Timing(integration_s=2e-3)
PARAMS = Params()
SHAPE = (PARAMS.rows, PARAMS.columns)
HOT = ((3, 4), (10, 20), (10, 21), (30, 30))
NOISY = ((1, 7), (22, 9))
FACTORS = {(15, 15): 0.4, (16, 5): 1.6}
"""Of the exposure: one pixel responds too little, the other too much."""
FULL = (25, 12)
"""A pixel whose capacitor is full before those of others: it shows a fifth more than they, and hardly fluctuates."""
# Without double sampling the columns' offsets are in the pixels.
SETTINGS = Settings(
    cds_enabled=False, pga_offset=-40, correction_enabled=True, kernel=KERNELS["laplacian"], meta_period=64
)


TWIN = Twin(material=crystal(), spectrum=beam(), detector=PARAMS, dead_fraction=0.01, gain_spread=0.05, seed=SEED)
DARK_CODES = float(TWIN.dark_e_s()) * TIMING.integration_s / TWIN.front_end.electrons_per_code


@dataclasses.dataclass(frozen=True)
class Run:
    """What was put in, and what was found of it.

    corrected : float64[rows, columns]: mean of FRAMES exposed frames behind the correction.
    refused : texts of what the board was not to be used for.
    """

    fixed: Floats
    calibration: Calibration
    corrected: Floats
    thresholds: dict[str, Threshold]
    refused: dict[str, str]

    @property
    def dark(self) -> Dark:
        assert self.calibration.dark is not None
        return self.calibration.dark

    @property
    def flat(self) -> Flat:
        assert self.calibration.flat is not None
        return self.calibration.flat

    @property
    def good(self) -> Mask:
        bad = TWIN.dead.copy()
        bad[_places(HOT + NOISY + (*FACTORS, FULL))] = True
        return TWIN.imaging & ~bad


def _places(pixels: tuple[tuple[int, int], ...]) -> tuple[list[int], list[int]]:
    return [row for row, _ in pixels], [column for _, column in pixels]


def exposed(fixed: Floats, rate: float, series: int) -> npt.NDArray[np.uint16]:
    """Samples of FRAMES frames with what the twin does not have: a fixed pattern, hot and noisy pixels."""
    samples = TWIN.expose(np.ones(SHAPE), rate, TIMING, frames=FRAMES, first_frame=series * FRAMES).astype(np.int64)
    random = np.random.default_rng((SEED, series))
    samples += np.rint(fixed).astype(np.int64)
    for row, column in NOISY:
        samples[:, :, row, column] += random.choice([-15, 15], FRAMES)[:, None]
    if rate:
        for (row, column), factor in FACTORS.items():
            charge = samples[:, 1, row, column] - samples[:, 0, row, column] - DARK_CODES
            samples[:, 1, row, column] += np.rint((factor - 1) * charge).astype(np.int64)
        samples[:, 1, *FULL] = samples[:, 0, *FULL] + 2650
    return np.clip(samples, 0, PARAMS.full_scale).astype(np.uint16)


@pytest.fixture(scope="module")
def run() -> Run:
    # Whole codes, so that the mean of what is put in is known.
    fixed = np.random.default_rng(SEED).integers(-3, 4, SHAPE).astype(np.float64)
    fixed[_places(HOT)] += 60
    refused: dict[str, str] = {}
    with VirtualBoard(PARAMS, exposed(fixed, 0.0, 0)) as board, edgeray.open(board.url) as device:
        # Another correction than none is at work, which a dark is to go round.
        neutral = CorrectionTable.neutral(device.detector)
        device.load_correction(CorrectionTable(neutral.offset - 100, neutral.gain // 2, neutral.masked))
        device.configure(dataclasses.replace(SETTINGS, pga_offset=-170))
        with pytest.raises(ClippedError) as error:
            measure_dark(device, 32)
        refused["clipped"] = str(error.value)
        device.configure(SETTINGS)
        dark = measure_dark(device, FRAMES)
        assert device.settings == SETTINGS
        calibration = Calibration(detector=device.detector).with_dark(dark)
        with pytest.raises(CalibrationError) as weak:
            measure_flat(device, dark, 16)
        refused["weak"] = str(weak.value)
        board.show(exposed(fixed, 3 * RATE, 4)[:16])
        with pytest.raises(ClippedError) as error:
            measure_flat(device, dark, 16)
        refused["full"] = str(error.value)
        board.show(exposed(fixed, RATE, 1))
        calibration = calibration.with_flat(measure_flat(device, dark, FRAMES, most=1.4))

        thresholds = {}
        board.show(exposed(fixed, 0.0, 2))
        for kernel in ("laplacian", "sobel-x"):
            thresholds[kernel] = measure_threshold(device, calibration, FRAMES, kernel=KERNELS[kernel], sigmas=4)
        board.show(exposed(fixed, RATE, 3))
        thresholds["flat"] = measure_threshold(device, calibration, FRAMES, sigmas=3, kind=FrameKind.FLAT)

        calibration.apply(device)
        assert device.read("correction_enabled") == 1
        assert device.calibration is calibration
        device.write("readout_mode", ReadoutMode.RAW)
        frames = [frame.values for frame in device.capture(FRAMES)]
        device.write("count_time", 99)
        with pytest.raises(CalibrationMismatch) as mismatch:
            calibration.apply(device)
        refused["count_time"] = str(mismatch.value)
        calibration.apply(device, anyway=True)
    return Run(fixed, calibration, np.mean(frames, axis=0), thresholds, refused)


def assert_scatter(deviations: Floats) -> None:
    """Deviations in their own standard errors: their squares add up to their number, give or take its scatter."""
    squares, count = float((deviations**2).sum()), deviations.size
    assert abs(squares - count) < 4 * np.sqrt(2 * count), f"chi-square {squares:.0f} of {count}"


def dark_noise(run: Run) -> Floats:
    """Codes: the chip's noise of one sample, and the dark current's electrons."""
    chip = TWIN.front_end
    electrons = np.where(TWIN.gains > 0, DARK_CODES * chip.electrons_per_code, 0.0)
    return np.asarray(np.sqrt(chip.pixel_noise_e(correlated=False) ** 2 + electrons) / chip.electrons_per_code)


def test_offsets_are_those_put_in(run: Run) -> None:
    """Reset level, columns, dark current (none in dead pixels and the guard ring), the injected pattern."""
    chip = TWIN.front_end
    electrons = np.where(TWIN.gains > 0, DARK_CODES * chip.electrons_per_code, 0.0)
    electrons = electrons + chip.column_pattern_e(PARAMS.columns, SEED)
    put_in = chip.reset_level * chip.full_scale + electrons / chip.electrons_per_code + run.fixed + SETTINGS.pga_offset
    noisy = np.zeros(SHAPE, np.bool_)
    noisy[_places(NOISY)] = True
    deviations = (run.dark.mean - put_in) / (dark_noise(run) / np.sqrt(FRAMES))
    assert_scatter(deviations[~noisy])


def test_noise_is_that_put_in(run: Run) -> None:
    deviations = (run.dark.noise**2 / dark_noise(run) ** 2 - 1) / np.sqrt(2 / (FRAMES - 1))
    assert_scatter(deviations[run.good])
    assert abs(deviations[run.good].mean()) < 4 / np.sqrt(run.good.sum())


def test_columns_show_their_pattern(run: Run) -> None:
    chip = TWIN.front_end
    columns = chip.column_pattern_e(PARAMS.columns, SEED)[1:-1] / chip.electrons_per_code
    assert run.dark.column_pattern == pytest.approx(np.std(columns), rel=0.15)
    assert run.dark.row_pattern < 1.5


def test_responses_are_those_put_in(run: Run) -> None:
    gains = TWIN.gains / TWIN.gains[run.good].mean()
    errors = np.sqrt((run.flat.noise**2 + run.dark.noise**2) / FRAMES) / run.flat.level
    assert_scatter(((run.flat.response - gains) / errors)[run.good])
    chip = TWIN.front_end
    quantum = float(TWIN.flat.variance_e2 / TWIN.flat.mean_e) / chip.electrons_per_code
    assert abs(run.flat.codes_per_quantum - quantum) < 4 * run.flat.quantum_error
    assert run.flat.quantum_error < 0.01 * quantum


def test_bad_pixels_are_those_put_in(run: Run) -> None:
    assert np.argwhere(run.dark.hot).tolist() == sorted(map(list, HOT))
    assert np.argwhere(run.dark.noisy).tolist() == sorted(map(list, NOISY))
    np.testing.assert_array_equal(run.flat.dead, TWIN.dead)
    assert TWIN.dead.sum() == 9
    assert np.argwhere(run.flat.under).tolist() == [[15, 15]]
    assert np.argwhere(run.flat.over).tolist() == [[16, 5], [25, 12]]
    mask = run.calibration.pixel_mask
    np.testing.assert_array_equal(mask == PixelMask.GAP, ~TWIN.imaging)
    np.testing.assert_array_equal(mask == 0, run.good)
    assert mask.dtype == np.uint32


def test_corrected_flat_is_as_even_as_it_can_be(run: Run) -> None:
    """What is left is noise of the three series it is made of, and rounding of offset, gain and pixel."""
    level = run.flat.level
    before = (run.flat.mean - run.dark.mean)[run.good].std()
    gain = run.flat.gain
    series = gain**2 * (2 * run.flat.noise**2 + run.dark.noise**2) / FRAMES
    rounding = gain**2 / 12 + (level / 1024) ** 2 / 12
    variance = (series + rounding)[run.good]
    corrected = run.corrected[run.good] - run.dark.pedestal
    assert_scatter((corrected - level) / np.sqrt(variance))
    assert corrected.std() < before / 10


def test_masked_pixels_show_another_ones_value(run: Run) -> None:
    """Hot pixels are next to each other at 10,20 and 10,21: both show 10,19."""
    assert run.corrected[10, 20] == run.corrected[10, 21] == run.corrected[10, 19]
    assert run.corrected[1, 7] == run.corrected[1, 6]


@pytest.mark.parametrize("name", ["laplacian", "sobel-x", "flat"])
def test_false_edges_are_as_many_as_predicted(run: Run, name: str) -> None:
    found = run.thresholds[name]
    lowest, asked = found.checks[0], found.checks[-1]
    assert lowest.count >= 50
    assert lowest.low <= lowest.predicted <= lowest.high, lowest
    assert asked.agrees
    assert found.agrees
    assert asked.threshold == found.threshold >= lowest.threshold
    assert lowest.trials == FRAMES * 900


def test_what_it_does_not_hold_for_is_refused(run: Run) -> None:
    assert "pga_offset" in run.refused["clipped"]
    assert "raise pga_offset" in run.refused["clipped"]
    assert "too weak" in run.refused["weak"]
    assert "rail of the ADC" in run.refused["full"]
    assert "count_time" in run.refused["count_time"]

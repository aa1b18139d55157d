"""Macro-pixels: views, Kirchhoff's sum against the golden convolution, bias bits and noise, the board's samples."""

from dataclasses import replace

import numpy as np
import pytest

from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.registers import Convolution, ThresholdMode
from edgeray.protocol.settings import Settings
from sim.detector import signal
from sim.detector.bias_table import BiasDac
from sim.detector.errors import DetectorError
from sim.detector.front_end import FrontEnd
from sim.detector.macro_pixel import MacroPixel, compare, views
from sim.detector.response import Response
from sim.detector.signal import Signal
from sim.golden.convolve import convolve
from sim.golden.pipeline import read_out
from tests.detector_cases import CRYSTAL_MM, beam, crystal

RESPONSE = Response(crystal(), CRYSTAL_MM, beam())
# Charge that never fluctuates, and a chip without noise: what is left is weights and rounding.
CALM = Signal(np.asarray(1.8e6), np.asarray(1e-6))
QUIET = FrontEnd(read_noise_e=0, adc_noise_codes=0, temperature_k=1e-6)


def scene(rows: int = 30, columns: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    image = np.random.default_rng(4).uniform(0.4, 0.6, (rows, columns))
    image[8:20, 10:25] *= 0.3
    return image


def macro_pixel(kernel: Kernel, flat: Signal = CALM, bits: int = 16, chip: FrontEnd = QUIET) -> MacroPixel:
    # Nine full pixels of one sign would fill the chip.
    share = 1 / 9 if min(kernel.flat) >= 0 else 1.0
    return MacroPixel(RESPONSE, kernel, flat, BiasDac(bits=bits), chip, largest_weight=share)


def test_views_are_the_neighbourhoods() -> None:
    image = np.arange(30.0).reshape(5, 6)
    sliding = views(image, 3, pitch=1)
    assert sliding.shape == (3, 3, 3, 4)
    assert np.array_equal(sliding[:, :, 1, 2], image[1:4, 2:5])
    side_by_side = views(image, 3, pitch=1, step=3)
    assert side_by_side.shape == (3, 3, 1, 2)
    assert np.array_equal(side_by_side[:, :, 0, 1], image[0:3, 3:6])


@pytest.mark.parametrize(("pitch", "aperture"), [(4, 4), (4, 3), (5, 2), (3, 1)])
def test_a_sub_pixel_averages_over_its_hole(pitch: int, aperture: int) -> None:
    image = np.random.default_rng(1).uniform(size=(31, 29))
    seen = views(image, 3, pitch=pitch, step=2, aperture=aperture)
    for i, j, row, column in ((0, 0, 0, 0), (2, 1, 3, 4), (1, 2, 5, 2)):
        top, left = 2 * row + i * pitch, 2 * column + j * pitch
        assert seen[i, j, row, column] == pytest.approx(image[top : top + aperture, left : left + aperture].mean())
    # The last position still lies in the scene.
    assert 2 * (seen.shape[2] - 1) + 2 * pitch + aperture <= 31 < 2 * seen.shape[2] + 2 * pitch + aperture


def test_views_that_cannot_be_are_refused() -> None:
    with pytest.raises(DetectorError, match="smaller than a macro-pixel of 9"):
        views(np.zeros((8, 20)), 3, pitch=3)
    with pytest.raises(DetectorError, match=r"views are \[3, 3, rows, columns\]"):
        macro_pixel(KERNELS["laplacian"]).digital(views(scene(), 5, pitch=1), np.random.default_rng(0))
    with pytest.raises(DetectorError, match="aperture within the pitch"):
        views(np.zeros((30, 30)), 3, pitch=3, aperture=4)


@pytest.mark.parametrize("name", ["laplacian", "log", "mean", "sobel-x", "sobel-y", "kirsch-ne"])
def test_kirchhoffs_sum_is_the_golden_convolution(name: str) -> None:
    """Not flipped, not shifted, in the same unit: within the rounding of the nine codes that the digital one adds."""
    kernel = KERNELS[name]
    pixel = macro_pixel(kernel)
    seen = views(scene(), kernel.size, pitch=1)
    codes = np.rint(seen * float(CALM.mean_e) / QUIET.electrons_per_code).astype(np.int64)
    taps = np.moveaxis(codes.reshape(kernel.size**2, *seen.shape[2:]), 0, -1)
    golden, _ = convolve(taps, np.zeros(seen.shape[2:], np.bool_), sample_bits=12, kernel=kernel)
    spread = np.abs(kernel.array).sum() / 2**kernel.shift
    random = np.random.default_rng(0)
    assert np.abs(pixel.ideal(seen) - golden).max() <= 0.5 * spread + 0.5
    assert np.abs(pixel.digital(seen, random) - golden).max() <= spread + 0.5
    # A step of the analogue sum's two samples, in the response's codes.
    step = max(map(abs, kernel.flat)) / 2**kernel.shift / pixel.largest_weight
    assert np.abs(pixel.analogue(seen, random) - golden).max() <= 0.5 * spread + 0.5 + step + 0.6


def test_stride_three_takes_every_third_sliding_response() -> None:
    image = scene()
    pixel = macro_pixel(KERNELS["laplacian"])
    sliding, apart = pixel.ideal(views(image, 3, pitch=1)), pixel.ideal(views(image, 3, pitch=1, step=3))
    assert apart == pytest.approx(sliding[::3, ::3])


def test_an_even_field_gives_nothing() -> None:
    """The paper: off state at positions of uniform contrast. What is left is the realised weights' sum."""
    seen = views(np.ones((12, 12)), 3, pitch=1)
    pixel = macro_pixel(KERNELS["laplacian"])
    assert np.abs(pixel.analogue(seen, np.random.default_rng(0))).max() <= 2
    assert abs(pixel.weights.sum()) < 5e-4


def test_weight_error_shrinks_with_the_converters_steps() -> None:
    """Each bit halves it, on the average over kernels: the part of the difference that no exposure takes away."""
    errors = [
        np.sqrt(np.mean([np.square(macro_pixel(KERNELS[name], bits=bits).weight_error).mean()
                         for name in ("laplacian", "sobel-x", "mean", "kirsch-n", "gaussian")]))
        for bits in (6, 9, 12)
    ]  # fmt: skip
    assert 3 < errors[0] / errors[1] < 24
    assert 3 < errors[1] / errors[2] < 24
    assert errors[2] < 1e-3


def test_analogue_and_digital_differ_by_weights_then_by_noise() -> None:
    kernel, seen = KERNELS["laplacian"], views(scene(), 3, pitch=1)
    calm = [compare(macro_pixel(kernel, bits=bits), seen, np.random.default_rng(6)) for bits in (5, 8, 16)]
    assert calm[0].total > calm[1].total > calm[2].total
    assert calm[0].total == pytest.approx(calm[0].weights, rel=0.1)
    assert calm[2].total < 2
    assert calm[2].correlation > 0.9999
    # 5500 electrons a photon: photons dominate, and no converter helps against them.
    noisy = Signal(CALM.mean_e, np.asarray(1.8e6 * 5500.0))
    lively = [compare(macro_pixel(kernel, noisy, bits), seen, np.random.default_rng(6)) for bits in (12, 16)]
    assert lively[0].total == pytest.approx(lively[1].total, rel=0.05)
    assert lively[1].total > 20 * calm[2].total
    # The centre's noise, and an eighth of eight neighbours': the same in either way of adding.
    assert lively[1].analogue == pytest.approx(lively[1].digital, rel=0.1)


def test_the_chips_noise_counts_once_in_the_analogue_sum() -> None:
    """Read noise R: the analogue response has R times the largest weight, the digital one R sqrt(sum of w**2)."""
    chip = replace(QUIET, read_noise_e=20_000.0)
    kernel = KERNELS["sobel-x"]
    seen = views(np.full((60, 60), 0.5), 3, pitch=1)
    result = compare(macro_pixel(kernel, chip=chip), seen, np.random.default_rng(8))
    noise = chip.pixel_noise_e() / chip.electrons_per_code
    weights = kernel.array / 2**kernel.shift
    assert result.digital == pytest.approx(noise * np.sqrt(np.square(weights).sum()), rel=0.05)
    assert result.analogue == pytest.approx(noise * weights.max(), rel=0.05)
    assert result.analogue < 0.6 * result.digital


def test_gains_spoil_the_kernel_unless_calibrated() -> None:
    gains = np.random.default_rng(3).normal(1, 0.05, (3, 3))
    gains[1, 1] = 1.0
    spoilt = replace(macro_pixel(KERNELS["laplacian"]), gains=gains, calibrated=False)
    mended = replace(spoilt, calibrated=True)
    assert np.abs(spoilt.weight_error).max() > 0.002
    assert np.abs(mended.weight_error).max() < 1e-4


def test_dark_current_adds_noise_and_no_offset() -> None:
    seen = views(np.zeros((80, 80)), 3, pitch=1)
    dark = replace(macro_pixel(KERNELS["laplacian"]), area_mm2=0.01, integration_s=1.0)
    responses = dark.analogue(seen, np.random.default_rng(2)) * QUIET.electrons_per_code
    # 664 nA/cm2 * 95 V / 100 V in the centre; in its neighbours 56 nA/cm2 * 5.7 V / 100 V; of 1e-4 cm2 for 1 s.
    centre, around = (1e-9 * na * 1e-4 / 1.602176634e-19 for na in (664 * 0.95, 56 * 0.057))
    assert abs(responses.mean()) < 1500
    assert responses.std() == pytest.approx(np.hypot(np.sqrt(centre + 8 * around), QUIET.pixel_noise_e()), rel=0.05)


def test_a_board_with_a_computing_sensor_takes_its_samples() -> None:
    """Through the golden model of such a board: its responses are the analogue ones."""
    kernel = KERNELS["laplacian"]
    detector = Detector(rows=8, columns=12, guard_ring=0, convolution=Convolution.SENSOR)
    settings = Settings(kernel=kernel, pga_offset=2048, threshold_mode=ThresholdMode.OFF)
    flat = signal.expose(beam().scaled_to(5.0), (), crystal(), 95.0, CRYSTAL_MM, 0.01)
    pixel = macro_pixel(kernel, Signal(flat.mean_e, np.asarray(1e-6)))
    seen = views(scene(10, 14), 3, pitch=1)
    samples = pixel.samples(seen, np.random.default_rng(1))
    assert samples.shape == (1, 2, 8, 12)
    result = read_out(samples[:, 0], samples[:, 1], detector=detector, settings=settings)
    assert np.array_equal(result.responses[0], pixel.analogue(seen, np.random.default_rng(1)))
    assert np.abs(result.responses[0] - pixel.ideal(seen)).max() <= 2

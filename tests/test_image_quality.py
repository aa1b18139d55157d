"""Image quality against cases whose answer is known: apertures, blurs, white noise, an ideal photon counter."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import erf

from sim.image_quality import EdgeQuality, ImageQualityError, Mtf, dqe, edge_quality, noise_power, slanted_edge

PITCH_MM = 0.1
SEED = 2026
Values = npt.NDArray[np.float64]


def step(rows: int, columns: int, angle_deg: float, blur_px: float = 0.0, fine: int = 16) -> Values:
    """Pixels with square apertures behind an edge, in the centre, that is blurred by a Gaussian before it.

    The aperture is integrated over `fine` points a side of every pixel.
    """
    y, x = np.mgrid[: rows * fine, : columns * fine] / fine + 0.5 / fine
    angle = np.radians(angle_deg)
    distance = (x - columns / 2) * np.cos(angle) - (y - rows / 2) * np.sin(angle)
    scene = (1 + erf(distance / (np.sqrt(2) * blur_px))) / 2 if blur_px else (distance > 0).astype(float)
    return np.asarray(scene.reshape(rows, fine, columns, fine).mean(axis=(1, 3)))


@pytest.mark.parametrize("angle_deg", [2.0, -3.0, 5.0])
@pytest.mark.parametrize("across_rows", [False, True])
@pytest.mark.parametrize("falling", [False, True])
def test_a_square_aperture_is_a_sinc(angle_deg: float, across_rows: bool, falling: bool) -> None:
    image = step(64, 48, angle_deg)
    image = 3 - 2 * image if falling else image
    found = slanted_edge(image.T if across_rows else image, PITCH_MM)
    assert abs(found.angle_deg) == pytest.approx(abs(angle_deg), abs=0.02)
    frequency = np.linspace(0, 0.9, 19) / PITCH_MM
    angle = np.radians(angle_deg)
    right = np.sinc(frequency * PITCH_MM * np.cos(angle)) * np.sinc(frequency * PITCH_MM * np.sin(angle))
    assert found.at(frequency) == pytest.approx(right, abs=0.015)
    assert found.frequency_at(0.5) == pytest.approx(0.603 / PITCH_MM, rel=0.02)  # sinc(0.603) = 0.5


def test_a_gaussian_blur_is_a_gaussian() -> None:
    blur_px = 1.2
    found = slanted_edge(step(96, 64, 3.0, blur_px), PITCH_MM)
    cycles = np.linspace(0, 0.4, 17)
    right = np.exp(-2 * (np.pi * cycles * blur_px) ** 2) * np.sinc(cycles)
    assert found.at(cycles / PITCH_MM) == pytest.approx(right, abs=0.01)


def test_the_edge_may_be_noisy_and_off_centre() -> None:
    random = np.random.default_rng(SEED)
    image = np.roll(step(128, 96, 2.5, 0.7), 17, axis=1)[:, 20:]
    noisy = slanted_edge(1000 + 800 * image + random.normal(0, 8, image.shape), PITCH_MM)
    cycles = np.linspace(0, 0.5, 11)
    right = np.exp(-2 * (np.pi * cycles * 0.7) ** 2) * np.sinc(cycles)
    assert noisy.at(cycles / PITCH_MM) == pytest.approx(right, abs=0.05)


def test_frequencies_are_line_pairs_a_millimetre() -> None:
    coarse, fine = (slanted_edge(step(64, 48, 3.0), pitch_mm) for pitch_mm in (0.2, 0.1))
    assert fine.frequency_at(0.5) == pytest.approx(2 * coarse.frequency_at(0.5))
    assert fine.frequency_per_mm[-1] == pytest.approx(2 / 0.1, rel=0.05)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (np.ones((32, 32)), "equally bright"),
        (step(32, 32, 0.5), "slant it by"),
        (step(64, 64, 5.0)[:, 30:], "leaves the image|followed"),
        (np.random.default_rng(SEED).normal(0, 1, (32, 32)), "no edge|leaves"),
        (np.ones((4, 32)), "16 pixels"),
        (np.ones((32, 32), complex), "dimensions of numbers"),
        (np.full((32, 32), np.nan), "NaN"),
    ],
)
def test_what_is_no_slanted_edge_is_refused(image: Values, says: str) -> None:
    with pytest.raises(ImageQualityError, match=says):
        slanted_edge(image, PITCH_MM)


def test_white_noise_has_its_variance_times_the_pixel_area() -> None:
    random = np.random.default_rng(SEED)
    sigma = 7.0
    found = noise_power(random.normal(100, sigma, (4, 256, 256)), PITCH_MM, square=64)
    right = sigma**2 * PITCH_MM**2
    for frequency, power in (found.cut(0), found.cut(1), found.radial()):
        assert power[frequency > 5 * frequency[0]].mean() == pytest.approx(right, rel=0.02)
        assert frequency[-1] < 0.5 / PITCH_MM
    # The surface taken off has 6 of the 64 * 64 degrees of freedom.
    assert found.variance == pytest.approx(sigma**2 * (1 - 6 / 64**2), rel=0.01)
    assert found.mean == pytest.approx(100, rel=1e-3)


def test_filtered_noise_has_the_filters_shape() -> None:
    random = np.random.default_rng(SEED)
    flats = gaussian_filter(random.normal(0, 1, (8, 256, 256)), (0, 0, 1.0), mode="wrap")  # across the columns alone
    found = noise_power(flats, PITCH_MM, square=64, detrend=False)
    frequency, power = found.cut(1)
    right = PITCH_MM**2 * np.exp(-((2 * np.pi * frequency * PITCH_MM) ** 2))
    assert power[:16] == pytest.approx(right[:16], rel=0.15)
    _, other = found.cut(0)
    assert other == pytest.approx(np.full(len(other), right[:7].mean()), rel=0.25)


def test_a_trend_is_no_noise() -> None:
    y, x = np.mgrid[:128, :128] / 128
    smooth = (50 * (1 + x + 2 * y - x * y + y * y))[np.newaxis]
    assert noise_power(smooth, PITCH_MM, square=64).power_mm2.max() < 1e-12
    assert noise_power(smooth, PITCH_MM, square=64, detrend=False).power_mm2.max() > 1


@pytest.mark.parametrize("square", [7, 63, 4, 130])
def test_squares_that_do_not_fit_are_refused(square: int) -> None:
    with pytest.raises(ImageQualityError, match="square takes an even number"):
        noise_power(np.ones((1, 128, 128)), PITCH_MM, square=square)


@pytest.mark.parametrize(("absorbed", "gain"), [(1.0, 1.0), (0.6, 30.0)])
def test_an_ideal_counter_has_the_dqe_of_its_absorption(absorbed: float, gain: float) -> None:
    """DQE(f) = absorbed * sinc(f * pitch)**2: the aperture's transfer against noise that sampling makes white."""
    random = np.random.default_rng(SEED)
    photons_per_mm2 = 40_000.0
    mean = photons_per_mm2 * PITCH_MM**2 * absorbed
    flats = gain * random.poisson(mean, (8, 256, 256))
    mtf = slanted_edge(gain * mean * step(64, 64, 2.0), PITCH_MM)
    frequency, found = dqe(mtf, noise_power(flats, PITCH_MM, square=64), photons_per_mm2)
    right = absorbed * np.sinc(frequency * PITCH_MM) ** 2
    # 8 * 49 squares and 14 rows of the spectrum; squares overlap, so that about 1500 values are independent.
    assert found == pytest.approx(right, rel=0.12)
    assert (found / right).mean() == pytest.approx(1, abs=0.02)


def test_dqe_needs_photons_and_noise() -> None:
    mtf = slanted_edge(step(64, 48, 2.0), PITCH_MM)
    with pytest.raises(ImageQualityError, match="photons_per_mm2"):
        dqe(mtf, noise_power(np.random.default_rng(SEED).poisson(9, (1, 64, 64)), PITCH_MM, square=64), 0)
    with pytest.raises(ImageQualityError, match="no noise"):
        dqe(mtf, noise_power(np.full((1, 64, 64), 5), PITCH_MM, square=64, detrend=False), 100)


def test_modulation_that_never_falls_so_far_has_no_frequency() -> None:
    ones = np.ones(3)
    assert np.isnan(Mtf(np.arange(3.0), ones, 2.0, ones, ones).frequency_at(0.5))


def test_edge_maps_are_compared_with_a_tolerance() -> None:
    right = np.zeros((20, 30), np.bool_)
    right[:, 15] = True
    found = np.zeros_like(right)
    found[:10, 14] = True  # a pixel off, half of the edge
    found[0, 2] = True  # nothing there
    quality = edge_quality(found, right, tolerance_px=1)
    assert quality.precision == pytest.approx(10 / 11)
    assert quality.recall == pytest.approx(10 / 20)
    assert quality.localisation_px == pytest.approx(1)
    assert quality.f1 == pytest.approx(2 * (10 / 11) * 0.5 / (10 / 11 + 0.5))
    assert edge_quality(found, right, tolerance_px=0.5).f1 == 0
    assert edge_quality(right, right) == EdgeQuality(1, 1, 0)


def test_a_stack_of_edge_maps_is_compared_frame_by_frame() -> None:
    maps = np.zeros((2, 8, 8), np.bool_)
    maps[0, 4] = True
    assert edge_quality(maps, maps) == EdgeQuality(1, 1, 0)
    assert edge_quality(maps, maps[::-1]).f1 == 0  # the same pixels, of another frame


def test_more_noise_makes_every_measure_worse() -> None:
    random = np.random.default_rng(SEED)
    right = np.zeros((64, 64), np.bool_)
    right[:, 32] = True
    found = [edge_quality(right ^ (random.random(right.shape) < part), right).f1 for part in (0, 0.01, 0.1)]
    assert all(better > worse for better, worse in pairwise(found))


def test_empty_maps_have_a_quality() -> None:
    none, one = np.zeros((4, 4), np.bool_), np.eye(4, dtype=np.bool_)
    assert edge_quality(none, none).f1 == 1
    assert edge_quality(none, one).recall == 0
    assert edge_quality(one, none).precision == 0
    assert np.isnan(edge_quality(one, none).localisation_px)


def test_maps_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ImageQualityError, match="one shape"):
        edge_quality(np.zeros((4, 4), np.bool_), np.zeros((4, 5), np.bool_))
    with pytest.raises(ImageQualityError, match="distance"):
        edge_quality(np.zeros((4, 4), np.bool_), np.zeros((4, 4), np.bool_), tolerance_px=-1)

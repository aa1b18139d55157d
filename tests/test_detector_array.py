"""The array: scenes to samples, what the chip's seed fixes, and its frames through the golden model of the gateware."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeray.mosaic import Mosaic
from edgeray.protocol.detector import Detector
from edgeray.protocol.settings import Settings
from sim.detector.array import Twin
from sim.detector.attenuation import Layer, attenuation_per_mm, substance
from sim.detector.charge import collected
from sim.detector.errors import DetectorError, MaterialError
from sim.detector.front_end import FrontEnd
from sim.detector.material import load
from sim.detector.photon_transfer import mean_and_variance
from sim.detector.sensitivity import sensitivity
from sim.detector.signal import expose
from sim.detector.spectrum import monoenergetic
from sim.detector.timing import Timing
from sim.golden.pipeline import read_out
from tests.detector_cases import CRYSTAL_MM, beam, crystal

RATE = 500.0
TIMING = Timing(integration_s=0.02)
DOSE = RATE * TIMING.integration_s
OPEN = np.ones((32, 32))


def twin(**changes: Any) -> Twin:
    return replace(Twin(material=crystal(), spectrum=beam()), **changes)


def electrons(
    samples: np.ndarray[tuple[int, ...], np.dtype[np.uint16]], of: Twin
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return of.front_end.pixels(samples) * of.front_end.electrons_per_code


def test_charge_is_dose_times_area_times_sensitivity() -> None:
    """Independent of the twin's way there: S of the same beam and bias, 10 uGy on (0.1 mm)**2."""
    one = twin(gain_spread=0.0)
    charge_c = sensitivity(crystal(), CRYSTAL_MM, -100, beam(), surface=True) * 1e-6 * 10e-6 * 1e-4
    assert DOSE * float(one.flat.mean_e) == pytest.approx(charge_c / 1.602176634e-19)
    pixels = electrons(one.expose(OPEN, RATE, TIMING, frames=50), one)[:, one.imaging]
    expected = charge_c / 1.602176634e-19 + float(one.dark_e_s()) * TIMING.integration_s
    assert pixels.mean() == pytest.approx(expected, rel=2e-3)


def test_noise_is_that_of_the_photons() -> None:
    """Variance: photons' charge squared, dark current's electrons, the chip. A photon gives 5500 electrons here."""
    one = twin(gain_spread=0.0)
    samples = one.expose(OPEN, RATE, TIMING, frames=120)
    ring = one.detector.guard_ring
    inner = one.front_end.pixels(samples)[:, ring:-ring, ring:-ring]
    _, variance = mean_and_variance(inner)
    expected = (
        DOSE * float(one.flat.variance_e2)
        + float(one.dark_e_s()) * TIMING.integration_s
        + one.front_end.pixel_noise_e() ** 2
    )
    assert variance * one.front_end.electrons_per_code**2 == pytest.approx(expected, rel=0.02)
    quantum = float(one.flat.variance_e2 / one.flat.mean_e)
    photons = beam().scaled_to(1).photons_mm2.sum() * 0.01
    # Each photon's charge spreads, so that the quantum is over the mean charge.
    assert 1 < quantum / (float(one.flat.mean_e) / photons) < 1.5


def test_poisson_fano_and_depth_in_the_variance() -> None:
    """For one energy: <q**2> = (n**2 + F n) <eta**2>. Without surface and trapping the quantum is n + F."""
    perfect = replace(crystal(), mu_tau_e_cm2_v=1e6, mu_tau_h_cm2_v=1e6, surface_e_cm_s=0.0)
    line = expose(monoenergetic(40).scaled_to(1), (), perfect, -100, 2, 1.0)
    assert float(-line.variance_e2 / line.mean_e) == pytest.approx(40_000 / 5.3 + 0.1, rel=1e-6)
    # Holes that hardly move: what a photon of 120 keV gives depends on where it is absorbed.
    poor = replace(crystal(), mu_tau_h_cm2_v=2e-5)
    deep = expose(monoenergetic(120).scaled_to(1), (), poor, 100, 2, 1.0)
    part = collected(poor, 100, 2, attenuation_per_mm(poor.substance, 120.0))
    assert part.mean_square > 1.3 * part.mean**2
    quantum = (120_000 / 5.3 + 0.1) * float(part.mean_square / part.mean)
    assert float(deep.variance_e2 / deep.mean_e) == pytest.approx(quantum, rel=1e-6)


def test_an_object_hardens_the_beam() -> None:
    """Twice the thickness takes less than its square; a transmission map cannot know that."""
    one = twin()
    steps = np.broadcast_to(np.repeat([0.0, 0.2, 0.4], [10, 11, 11]), (32, 32))
    charge = (
        one.charge_e([Layer(substance("steel"), steps)], RATE, TIMING, frames=40)
        - float(one.dark_e_s()) * TIMING.integration_s
    )
    part = [charge[:, 1:-1, at].mean() / charge[:, 1:-1, 1:10].mean() for at in (slice(11, 20), slice(22, 31))]
    assert part[0] ** 2 * 1.2 < part[1] < part[0]


def test_the_same_seed_is_the_same_chip_and_series() -> None:
    one = twin(dead_fraction=0.02, seed=5)
    samples = one.expose(OPEN, RATE, TIMING, frames=6)
    assert np.array_equal(samples, twin(dead_fraction=0.02, seed=5).expose(OPEN, RATE, TIMING, frames=6))
    assert np.array_equal(samples[4:], one.expose(OPEN, RATE, TIMING, frames=2, first_frame=4))
    other = twin(dead_fraction=0.02, seed=6)
    assert not np.array_equal(one.dead, other.dead)
    assert not np.array_equal(samples, other.expose(OPEN, RATE, TIMING, frames=6))
    assert not np.array_equal(samples[0], samples[1])


def test_a_twin_travels_to_another_process() -> None:
    """Sweeps run it on workers: nothing in it may refuse to be pickled."""
    one = twin(seed=3)
    there = pickle.loads(pickle.dumps(one))
    assert np.array_equal(there.expose(OPEN, RATE, TIMING), one.expose(OPEN, RATE, TIMING))


def test_guard_ring_and_dead_pixels_give_nothing() -> None:
    one = twin(dead_fraction=0.01)
    assert one.dead.sum() == round(0.01 * 900)
    assert not one.dead[~one.imaging].any()
    pixels = one.front_end.pixels(one.expose(OPEN, RATE, TIMING, frames=20)).mean(axis=0)
    nothing = ~one.imaging | one.dead
    assert np.abs(pixels[nothing]).max() < 6
    assert pixels[~nothing].min() > 1000


def test_gain_spread_shows_and_columns_do_not() -> None:
    one = twin(gain_spread=0.05)
    samples = one.expose(OPEN, RATE, TIMING, frames=300)
    dark = float(one.dark_e_s()) * TIMING.integration_s
    pixels = (electrons(samples, one).mean(axis=0) - dark)[one.imaging]
    assert pixels.std() / pixels.mean() == pytest.approx(one.gains[one.imaging].std(), rel=0.1)
    assert one.gains[one.imaging].std() == pytest.approx(0.05, rel=0.1)
    columns = samples[:, 0].mean(axis=(0, 1)) * one.front_end.electrons_per_code
    assert columns.std() == pytest.approx(one.front_end.column_offset_e, rel=0.4)


def test_temperature_drifts_the_dark_frames() -> None:
    one = twin()
    warm = np.array([298.15, 302.85, 307.7])
    charge = one.charge_e(np.zeros((32, 32)), 0.0, TIMING, temperature_k=warm)
    means = charge[:, one.imaging].mean(axis=1)
    assert charge.shape[0] == 3
    assert means[1:] / means[:-1] == pytest.approx([2, 2], rel=0.03)


def test_the_dose_rate_switches_and_lag_follows() -> None:
    rates = np.repeat([0.0, RATE, 0.0], 4)
    late = replace(crystal(), lag_fraction=0.5, lag_time_s=0.04)
    prompt, slow = (twin(material=each, gain_spread=0.0).charge_e(OPEN, rates, TIMING) for each in (crystal(), late))
    imaging = twin().imaging
    dark = prompt[:4, imaging].mean()
    shown = [charge[:, imaging].mean(axis=1) - dark for charge in (prompt, slow)]
    assert shown[0][8:] == pytest.approx(0, abs=200)
    assert shown[0][4:8].std() < 0.02 * shown[0][4]
    assert (np.diff(shown[1][4:8]) > 0).all()
    assert shown[1][9] / shown[1][8] == pytest.approx(np.exp(-0.5), rel=0.05)


def test_control_device_gains_in_the_shadow() -> None:
    """What the paper calls the trap-limiting gain: at low rates it shows more than its part of the dose."""
    control = replace(crystal(), linear_low_ugy_s=13.11, exponent_low=0.7)
    shade = np.full((32, 32), 0.01)
    means = []
    for material in (crystal(), control):
        one = twin(material=material, gain_spread=0.0)
        lit, dark = (one.charge_e(shade, rate, Timing(integration_s=0.01), frames=60) for rate in (20.0, 0.0))
        means.append((lit - dark)[:, one.imaging].mean())
    # 0.2 uGy/s is a 66th of the range's lower end: 0.683 of 66**0.3.
    assert means[1] / means[0] == pytest.approx(0.683 * 65.55**0.3, rel=0.1)


def test_scan_is_the_exposure_of_every_window() -> None:
    one = twin(detector=Detector(rows=10, columns=12))
    image = np.random.default_rng(1).uniform(size=(20, 30))
    mosaic = Mosaic(image.shape, one.detector, 1)
    samples = one.scan(mosaic, image, RATE, TIMING)
    assert samples.shape == (len(mosaic), 2, 10, 12)
    assert np.array_equal(samples, one.expose(np.stack(list(mosaic.cut(image))), RATE, TIMING))


def test_the_gateware_s_golden_model_takes_the_samples() -> None:
    """An edge of steel is found where it is, and nothing else in 30 x 30 pixels: at ten times the noise."""
    one = twin(gain_spread=0.0)
    plate = np.zeros((32, 32))
    plate[:, 16:] = 1.0
    samples = one.expose([Layer(substance("steel"), plate)], 2 * RATE, TIMING)
    result = read_out(samples[:, 0], samples[:, 1], detector=one.detector, settings=Settings(edge_threshold=400))
    columns = np.flatnonzero(result.kept[0, 1:-1, 1:-1].mean(axis=0) > 0.9) + 1
    assert columns.tolist() == [15, 16]
    assert result.kept[0].mean() < 0.15


def test_other_crystals_are_records_alone() -> None:
    cdte = Twin(material=load("cdte"), spectrum=beam(), bias_v=-200.0, thickness_mm=1.0)
    assert cdte.flat.mean_e > 0
    assert cdte.expose(OPEN, 100.0, TIMING).shape == (1, 2, 32, 32)
    with pytest.raises(MaterialError, match="pair_energy_ev"):
        Twin(material=load("m-f-pea2pbi4"), spectrum=beam()).expose(OPEN, 1.0, TIMING)


def test_a_leaky_crystal_at_low_bias_injects_badly() -> None:
    """At half a volt the crystal's resistance is 0.5 V over its dark current, the transistor's 33 mV over it."""
    leaky = Twin(material=load("cdte"), spectrum=beam(), bias_v=-0.5, gain_spread=0.0)
    charge = leaky.charge_e(np.zeros((32, 32)), 0.0, TIMING, frames=20)[:, leaky.imaging].mean()
    gain = 0.5 / (1.3 * 0.025693)
    assert charge == pytest.approx(float(leaky.dark_e_s()) * TIMING.integration_s * gain / (1 + gain), rel=1e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_either_polarity_integrates_upwards(sign: int) -> None:
    one = twin(bias_v=sign * 50.0)
    assert one.flat.mean_e > 0
    assert one.charge_e(OPEN, RATE, TIMING)[:, one.imaging].min() > 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: twin(bias_v=0.0), "bias_v"),
        (lambda: twin(thickness_mm=-1.0).flat, "thickness_mm"),
        (lambda: twin(pitch_mm=0.0), "pitch_mm"),
        (lambda: twin(dead_fraction=2.0), "dead_fraction"),
        (lambda: twin(front_end=FrontEnd(sample_bits=14)), "front end samples 14 bits, the detector has 12"),
        (lambda: twin().expose(np.ones((30, 30)), 1.0, TIMING), r"a scene is \[32, 32\].*\[30, 30\]"),
        (lambda: twin().expose(np.ones((32, 32, 2)), 1.0, TIMING), r"a scene is \[32, 32\]"),
        (lambda: twin().expose(1.5 * OPEN, 1.0, TIMING), "0 to 1, not 1.5"),
        (lambda: twin().expose(OPEN, -1.0, TIMING), "dose_rate_ugy_s"),
        (lambda: twin().expose(np.ones((3, 32, 32)), [1.0, 2.0], TIMING), r"tell of \[2, 3\] frames"),
        (lambda: twin().expose(OPEN, np.ones((2, 2)), TIMING), "one a frame"),
        (lambda: twin().expose([Layer(substance("Al"), np.ones((4, 4)))], 1.0, TIMING), "a scene is"),
    ],
)
def test_exposures_that_cannot_be_are_refused(wrong: Callable[[], object], says: str) -> None:
    with pytest.raises(DetectorError, match=says):
        wrong()

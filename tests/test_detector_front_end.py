"""The readout chip: units, what correlated double sampling removes, photon transfer, settling."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edgeray.protocol.detector import Detector
from edgeray.protocol.registers import Polarity
from edgeray.protocol.settings import Settings
from sim.detector.errors import DetectorError, Floats
from sim.detector.front_end import FrontEnd, injection_efficiency
from sim.detector.photon_transfer import PhotonTransfer, mean_and_variance, photon_transfer
from sim.detector.signal import Signal
from sim.detector.timing import Timing
from sim.golden.cds import cds

QUIET = FrontEnd(read_noise_e=0, adc_noise_codes=0, column_offset_e=0, column_time_constant_s=0, temperature_k=1e-6)
SHAPE = 40, 32, 32


def random() -> np.random.Generator:
    return np.random.default_rng(11)


def test_units() -> None:
    """1 pF at 1.25 V is 1.25 pC, 7.8 million electrons, over 4095 codes; kTC of it is 400 electrons at 25 C."""
    chip = FrontEnd()
    assert chip.full_well_e == pytest.approx(1.25e-12 / 1.602176634e-19)
    assert chip.electrons_per_code == pytest.approx(7_801_886 / 4095, rel=1e-6)
    assert chip.reset_noise_e == pytest.approx(400.5, abs=0.1)
    assert replace(chip, pga_gain=3).electrons_per_code == chip.electrons_per_code / 8
    assert FrontEnd(sample_bits=14).electrons_per_code == pytest.approx(chip.electrons_per_code / 4, rel=1e-3)


@pytest.mark.parametrize("gain", [0, 2])
def test_codes_are_proportional_to_charge_until_the_well_is_full(gain: int) -> None:
    chip = replace(QUIET, pga_gain=gain, adc_range_v=5.0)
    charge = np.linspace(0, 2 * chip.full_well_e, 500).reshape(1, 20, 25)
    codes = chip.pixels(chip.samples(charge, random()))
    expected = np.minimum(charge, chip.full_well_e) / chip.electrons_per_code
    # Each sample rounds by half a code, and ends at the rail.
    railed = expected + chip.reset_level * chip.full_scale > chip.full_scale
    assert np.abs(codes - expected)[~railed].max() <= 1
    assert (codes[railed] == chip.full_scale - round(chip.reset_level * chip.full_scale)).all()


def test_negative_charge_goes_the_other_way() -> None:
    chip = replace(QUIET, reset_level=0.5)
    charge = np.full((1, 4, 4), 1e6)
    up, down = (chip.pixels(chip.samples(sign * charge, random())) for sign in (1, -1))
    assert np.abs(up + down).max() <= 1
    assert up.mean() == pytest.approx(1e6 / chip.electrons_per_code, abs=1)


@pytest.mark.parametrize("polarity", Polarity)
def test_the_golden_cds_recovers_the_charge_in_either_polarity(polarity: Polarity) -> None:
    chip = replace(QUIET, polarity=polarity)
    samples = chip.samples(np.full((1, 8, 8), 3e6), random())
    values, railed = cds(samples[:, 0], samples[:, 1], sample_bits=12, enabled=True, polarity=polarity)
    assert np.abs(values - 3e6 / chip.electrons_per_code).max() <= 1
    assert not railed.any()
    assert np.array_equal(values, chip.pixels(samples))


def test_double_sampling_removes_reset_noise_and_column_pattern() -> None:
    """Noise of a hot chip with little else: kTC dominates one sample and is not in the difference."""
    chip = FrontEnd(read_noise_e=60, adc_noise_codes=0, temperature_k=30_000, sample_bits=14)
    pattern = chip.column_pattern_e(32, seed=7)
    samples = chip.samples(np.full(SHAPE, 2e6), random(), pattern_e=pattern)
    once, twice = (chip.pixels(samples, correlated=each) * chip.electrons_per_code for each in (False, True))
    temporal = {key: values.std(axis=0, ddof=1).mean() for key, values in (("once", once), ("twice", twice))}
    assert temporal["once"] == pytest.approx(chip.pixel_noise_e(correlated=False), rel=0.03)
    assert temporal["twice"] == pytest.approx(chip.pixel_noise_e(), rel=0.03)
    assert chip.reset_noise_e > 10 * temporal["twice"]
    columns = {key: values.mean(axis=(0, 1)) for key, values in (("once", once), ("twice", twice))}
    assert np.corrcoef(columns["once"], pattern)[0, 1] > 0.99
    assert columns["twice"].std() < 0.02 * pattern.std()


@pytest.mark.parametrize("gain", [0, 3])
def test_dark_noise_is_the_sum_of_its_parts(gain: int) -> None:
    chip = FrontEnd(pga_gain=gain, adc_noise_codes=1.5)
    dark = chip.pixels(chip.samples(np.zeros(SHAPE), random()))
    assert dark.std() * chip.electrons_per_code == pytest.approx(chip.pixel_noise_e(), rel=0.02)
    assert abs(dark.mean()) < 0.1


def test_rounding_alone_is_a_twelfth_of_a_code_a_sample() -> None:
    chip = replace(QUIET, temperature_k=298.15)
    dark = chip.pixels(chip.samples(random().uniform(0, 3e6, SHAPE), random()))
    exact = chip.pixels(chip.samples(np.zeros(SHAPE), random()))
    assert chip.pixel_noise_e() == pytest.approx(chip.electrons_per_code * np.sqrt(2 / 12))
    assert exact.std() < 1 < dark.std()


def photon_transfer_of(chip: FrontEnd, quantum_e: float, levels_e: Floats) -> PhotonTransfer:
    """The curve of a chip of which each electron of light comes in quanta, with a gain spread of 5 %."""
    generator, points = random(), []
    gains = generator.normal(1, 0.05, SHAPE[1:])
    for level in levels_e:
        mean = np.broadcast_to(level * gains, SHAPE)
        charge = Signal(mean, mean * quantum_e * gains).draw(generator)
        points.append(mean_and_variance(chip.pixels(chip.samples(charge, generator))))
    means, variances = zip(*points, strict=True)
    return photon_transfer(means, variances, (SHAPE[0] - 1) * 1024, quantum_e)


@pytest.mark.parametrize("gain", [0, 2])
def test_photon_transfer_finds_what_was_put_in(gain: int) -> None:
    """Dark current, an electron at a time, to 60 % of the well, in spite of a gain spread of 5 %.

    The spread makes the variance's mean weigh gains squared: 0.25 % of the slope.
    """
    chip = FrontEnd(pga_gain=gain, adc_noise_codes=0.3, capacitance_ff=80, read_noise_e=120)
    levels = np.linspace(0, 0.6 / (1 << gain) * chip.full_well_e, 12)
    curve = photon_transfer_of(chip, 1.0, levels)
    assert curve.gain_error < 0.03 * chip.electrons_per_code
    assert abs(curve.electrons_per_code - chip.electrons_per_code) < 4 * curve.gain_error
    assert abs(curve.noise_e - chip.pixel_noise_e()) < 4 * curve.noise_error_e
    assert curve.noise_e == pytest.approx(chip.pixel_noise_e(), rel=0.03)


def test_photon_transfer_of_x_rays_shows_their_charge() -> None:
    """5500 electrons a photon: the slope is as much steeper, and the quantum has to be given to find the gain."""
    chip = FrontEnd()
    curve = photon_transfer_of(chip, 5500.0, np.linspace(0, 0.5 * chip.full_well_e, 10))
    assert curve.electrons_per_code == pytest.approx(chip.electrons_per_code, rel=0.015)
    assert curve.noise_e == pytest.approx(chip.pixel_noise_e(), rel=0.05)


def test_photon_transfer_needs_shot_noise() -> None:
    with pytest.raises(DetectorError, match="does not rise"):
        photon_transfer([0, 100, 200], [5, 4, 3], 1000)
    with pytest.raises(DetectorError, match="two points"):
        photon_transfer([0], [5], 1000)
    with pytest.raises(DetectorError, match="two frames"):
        mean_and_variance(np.zeros((1, 4, 4)))


def test_drawn_charge_has_the_moments_asked_for() -> None:
    signal = Signal(np.full(200_000, -3e5), np.full(200_000, 3e5 * 5500.0))
    drawn = signal.draw(random())
    assert drawn.mean() == pytest.approx(-3e5, rel=2e-3)
    assert drawn.var() == pytest.approx(3e5 * 5500, rel=0.02)
    assert (Signal(np.zeros(3), np.zeros(3)).draw(random()) == 0).all()
    double = signal.times(2.0).weighted(-0.5)
    assert (double.mean_e[0], double.variance_e2[0]) == (3e5, 3e5 * 5500 / 2)


def test_a_column_line_settles_with_its_time_constant() -> None:
    """A step from one pixel to the next: 1 - exp(-t / tau) of it is there."""
    chip = replace(QUIET, column_time_constant_s=1e-6)
    charge = np.zeros((1, 2, 6))
    charge[:, :, 3:] = 4e6
    timing = Timing(integration_s=1e-3, row_settle_s=0, column_settle_s=2e-6)
    codes = chip.pixels(chip.samples(charge, random(), timing))[0]
    left = np.exp(-2.0)
    full = 4e6 / chip.electrons_per_code
    assert codes[1, :3].tolist() == [0, 0, 0]
    assert codes[1, 3:] == pytest.approx(full * (1 - left ** np.arange(1, 4)), abs=1.5)
    # Long enough, or given more time, all is there; the row's first pixel has the row's time as well.
    patient = Timing(integration_s=1e-3, row_settle_s=0, column_settle_s=2e-5)
    assert np.array_equal(chip.samples(charge, random(), patient), chip.samples(charge, random()))
    first = chip.pixels(chip.samples(np.full((1, 2, 6), 4e6), random(), replace(timing, row_settle_s=3e-6)))[0]
    assert first[0] == pytest.approx(full * (1 - np.exp(-5.0 - 2.0 * np.arange(6))), abs=1.5)
    assert np.array_equal(first[0], first[1])


def test_timing_of_settings() -> None:
    """At 24 MHz, as `hdl.scan` counts: a pixel takes column_settle_time + 1 ticks, a strobe of 0 ticks one."""
    settings = Settings(count_time=24_000, reset_time=0, row_settle_time=10, column_settle_time=3)
    timing = Timing.of(settings, Detector(rows=4, columns=8), 24e6)
    assert timing.integration_s == pytest.approx(1e-3)
    assert timing.column_settle_s == pytest.approx(4 / 24e6)
    assert timing.frame_s == pytest.approx((24_000 + 5 + 4 * (10 + 8 * 4)) / 24e6)
    paced = Timing.of(Settings(count_time=24, frame_time=48_000), Detector(), 24e6)
    assert paced.frame_s == pytest.approx(2e-3)
    assert Timing(integration_s=0.1).frame_s == 0.1


def test_injection_is_complete_in_a_good_crystal() -> None:
    """g R = e I R / (n k T): 1 pA into 1e13 ohm is 299; a leaky 26 Mohm loses half of 1.3 nA."""
    assert injection_efficiency(1e-3, 1e4) == pytest.approx(299.4 / 300.4, rel=1e-4)
    assert injection_efficiency(1.3, 0.0257) == pytest.approx(0.5, abs=0.001)
    assert injection_efficiency(0.0, 1.0) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: FrontEnd(capacitance_ff=0),
        lambda: FrontEnd(read_noise_e=-1),
        lambda: FrontEnd(sample_bits=16),
        lambda: FrontEnd(reset_level=1.0),
        lambda: FrontEnd(pga_gain=6),
        lambda: FrontEnd().samples(np.zeros((4, 4)), random()),
        lambda: Timing(integration_s=0),
        lambda: Timing(integration_s=1, period_s=-1),
    ],
)
def test_chips_that_cannot_be_are_refused(wrong: Callable[[], object]) -> None:
    with pytest.raises(DetectorError):
        wrong()

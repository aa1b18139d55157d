"""The explorer's bias and its noise budget: as much bias as pays, and the scatter that the simulation really has."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from sim.detector.material import Material, load
from sim.explore import Choice, ExploreError, Outcome, Problem, Trial
from sim.explore.bias import LOSS, bias_curve
from sim.explore.evaluate import exposure, readout
from sim.explore.noise import noise_budget
from sim.explore.problem import Scene, scene
from sim.explore.search import eligible


def crystal(**changes: float | None) -> Material:
    return replace(load("cspbbr3"), **changes)  # type: ignore[arg-type]


def test_the_bias_is_as_high_as_it_pays() -> None:
    curve = bias_curve(Problem(material=load("cspbbr3")), 0.05)
    at = int(np.flatnonzero(curve.bias_v == curve.recommended_v)[0])
    assert curve.snr[at] >= (1 - LOSS) * curve.snr.max() > curve.snr[at - 1]
    assert 10 < curve.recommended_v < 100

    def recommended(**changes: float | None) -> float:
        return bias_curve(Problem(material=crystal(**changes)), 0.05).recommended_v

    usual = recommended()
    poor = recommended(mu_tau_e_cm2_v=1e-4, mu_tau_h_cm2_v=1e-4)
    assert poor > usual, "charge that is harder to collect is worth more bias"
    assert recommended(dark_positive_na_cm2=None, resistivity_ohm_cm=1e6) < usual / 2, (
        "a dark current that fills the capacitor forbids it"
    )
    with pytest.raises(ExploreError, match="fills the chip's capacitor at every bias"):
        recommended(dark_positive_na_cm2=None, resistivity_ohm_cm=1e4)


def test_dark_noise_alone_makes_a_best_bias() -> None:
    """Where charge is collected fully, more bias is only more dark current: the ratio falls."""
    material = crystal(
        mu_tau_e_cm2_v=1e3, mu_tau_h_cm2_v=1e3, surface_e_cm_s=None, surface_h_cm_s=None, dark_positive_na_cm2=None,
        resistivity_ohm_cm=1e7,
    )  # fmt: skip
    curve = bias_curve(Problem(material=material, dose_rate_ugy_s=10.0, capacitance_ff=2e4), 0.05)
    assert curve.recommended_v == 1
    assert (np.diff(curve.snr) < 0).all()


GATEWARE = Choice(kernel="laplacian", edge_threshold=220, pga_gain=0, sample_bits=12, bias_bits=None, dose_ugy=1.0)


DARK = Choice(kernel="laplacian", edge_threshold=220, pga_gain=0, sample_bits=12, bias_bits=None, dose_ugy=1e-3)


@pytest.mark.parametrize(
    ("choice", "dose_rate_ugy_s", "resistivity_ohm_cm", "capacitance_ff"),
    [
        (GATEWARE, 1000.0, 2e7, 5000.0),
        (replace(GATEWARE, sample_bits=8, kernel="sobel-y"), 1000.0, 2e7, 5000.0),
        (replace(GATEWARE, bias_bits=12), 1000.0, 2e7, 5000.0),
        (DARK, 1.0, 2e7, 5000.0),
        (replace(DARK, bias_bits=12, sample_bits=14), 1.0, 2e7, 5000.0),
        (replace(DARK, dose_ugy=1e-6, pga_gain=1), 1e-3, 1e10, 100.0),
    ],
    ids=["X-rays", "ADC", "sensor", "dark current", "dark current in the sensor", "amplifiers"],
)
def test_the_noise_is_what_the_simulation_has(
    choice: Choice,
    dose_rate_ugy_s: float,
    resistivity_ohm_cm: float,
    capacitance_ff: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An open field through twin and golden model: its scatter is the budget's."""
    material = crystal(dark_positive_na_cm2=None, resistivity_ohm_cm=resistivity_ohm_cm)
    problem = Problem(material=material, capacitance_ff=capacitance_ff, dose_rate_ugy_s=dose_rate_ugy_s)
    true = scene(problem)
    flat = Scene(true.response, true.flat, np.ones_like(true.transmission), true.edges)
    for module in ("sim.explore.evaluate", "sim.explore.noise"):
        monkeypatch.setattr(sys.modules[module], "scene", lambda problem: flat)
    _, samples = exposure(problem, choice)
    budget = noise_budget(problem, choice)
    assert budget.part == 1
    pixels = (samples[:, 1].astype(float) - samples[:, 0])[:, 2:-2, 2:-2]
    responses = readout(problem, choice, samples).responses[:, 2:-2, 2:-2]
    assert pixels.std() == pytest.approx(budget.total_codes, rel=0.03)
    assert responses.std() == pytest.approx(budget.response_codes, rel=0.05)


def test_a_full_chip_has_no_noise() -> None:
    """The budget is then that of the brightest pixel which is not full."""
    problem = Problem(material=load("cspbbr3"))
    once, twice = (noise_budget(problem, replace(GATEWARE, dose_ugy=dose)) for dose in (4.5, 6.0))
    assert 0.3 < twice.part < once.part < 1
    for budget in (once, twice):  # signal and dark charge: as much as the converter has codes for
        assert budget.signal_e + budget.dark_e**2 == pytest.approx(4095 * 31 / 32 * budget.electrons_per_code)


def test_a_full_chip_is_not_chosen() -> None:
    """However many edges it finds, unless there is nothing else."""
    problem = Problem(material=load("cspbbr3"))

    def trial(f1: float, dose_ugy: float, pga_gain: int = 0, bias_bits: int | None = None) -> Trial:
        choice = replace(GATEWARE, dose_ugy=dose_ugy, pga_gain=pga_gain, bias_bits=bias_bits)
        return Trial(choice, Outcome(
            kept=0.1, bits_a_frame=1000, raw_bits_a_frame=12288, precision=f1, recall=f1, f1=f1, localisation_px=0.5,
            frames_s=10,
        ))  # fmt: skip

    full, amplified, blind = trial(0.9, 6.0), trial(0.9, 1.5, pga_gain=2), trial(0.1, 1.0)
    good, sensor = trial(0.8, 1.5), trial(0.7, 6.0, pga_gain=2, bias_bits=8)
    assert eligible(problem, [full, amplified, blind, good, sensor]) == [good, sensor]
    assert eligible(problem, [full, blind]) == [full]

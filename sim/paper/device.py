"""Item 5: the device's curves, as in the paper's Figs 1c, 2d, 2e and 3a to 3e.

sim.detector -> Hecht fit, I-V, I-t, linear dynamic range
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from sim.detector.dark import dark_current_na_cm2
from sim.detector.errors import DetectorError, Floats
from sim.detector.lag import with_lag
from sim.detector.linearity import linear_range_db, measure_linear_range, respond
from sim.detector.material import Material, load
from sim.detector.photocurrent import fit_hecht, modified_hecht
from sim.detector.response import Response
from sim.detector.sensitivity import sensitivity
from sim.paper.beam import beam
from sim.paper.charts import BLUE, GREY, ORANGE, RED, canvas, png
from sim.paper.page import Finding, Part, Picture

TITLE = "5. The device: Hecht fit, I-V, I-t, linear range"
SEED = 5
AREA_CM2 = 0.25
"""Of the electrode: an assumption, the records' own; only dark currents in nA need it."""
PAPER_MU_TAU = {"electrons": 2.05e-3, "holes": 0.58e-3}
NOISE = 0.01
"""Relative noise of the currents that are fitted."""
RATES_UGY_S = (32.0, 124.0, 247.0, 494.0)
"""Dose rates of I-V and I-t; the paper says 32 to 494."""
PAPER_RANGES_DB = {
    "SiPM": (84, 84),
    "CdTe": (83, 83),
    "a-Se": (75, 75),
    "Bi-based perovskites": (20, 20),
    "2D perovskites": (26, 84),
    "3D perovskites": (24, 90),
}
"""What the paper's Fig. 3e compares with, as it says; not measured or computed here."""
PASSIVATED, CONTROL = "cspbbr3", "cspbbr3-unpassivated"


def device(material: Material) -> Part:
    """The curves of `material`'s device; the paper's numbers stand beside them where it is the paper's crystal."""
    own = material.name == load(PASSIVATED).name
    thickness_mm = material.thickness_mm or 2.0
    findings, pictures = [], []
    for make in (_hecht, _current_voltage, _on_off, _linear_range):
        found, picture = make(material, thickness_mm)
        findings += found
        pictures.append(picture)
    if not own:
        findings = [Finding(each.name, each.ours, None, each.unit, digits=each.digits) for each in findings]
    text = [
        f"{material.name}, {thickness_mm:g} mm. The Hecht fits are a closed loop: curves of the paper's "
        f"mobility-lifetime products with {100 * NOISE:.0f} % noise, fitted by its Eq. 1; they show that the fit finds "
        "what is there.",
        "Dark currents are the record's, from the paper; they enter as a density, so that an electrode of "
        f"{AREA_CM2:g} cm2, which the paper does not give, only fixes the scale of the X-ray currents beside them. The "
        "balance of +95 and -73 V is put in, by the surface recombination velocity of the record.",
        "The linear ranges are read off computed curves of current against dose rate: the longest stretch within 5 % "
        "of a straight line. The ends are the record's, from the paper, and the lower one of the passivated device is "
        "where its measurement began. Of the device without passivation the paper gives 68 dB alone; where they lie, "
        "and how it bends below, is assumed.",
    ]
    return Part(TITLE, text, findings, pictures)


def _hecht(material: Material, thickness_mm: float) -> tuple[list[Finding], Picture]:
    random = np.random.default_rng(SEED)
    figure, (axes,) = canvas(height=3.8)
    findings = []
    size_v = np.geomspace(1, 100, 40)
    mu_taus = {"electrons": material.need("mu_tau_e_cm2_v"), "holes": material.need("mu_tau_h_cm2_v")}
    for (carrier, mu_tau), colour in zip(mu_taus.items(), (BLUE, RED), strict=True):
        current = modified_hecht(size_v, thickness_mm, mu_tau)
        measured = current * random.normal(1, NOISE, current.shape)
        fit = fit_hecht(size_v, measured, thickness_mm, current_error=NOISE * current)
        findings.append(
            Finding(f"mu tau of {carrier} (1e-3 cm2/V), fitted", 1e3 * fit.mu_tau_cm2_v,
                    1e3 * PAPER_MU_TAU[carrier], tolerance=0.05)
        )  # fmt: skip
        axes.plot(size_v, measured, ".", color=colour)
        label = f"{carrier}: ({1e3 * fit.mu_tau_cm2_v:.3f} +- {1e3 * fit.mu_tau_error_cm2_v:.3f}) e-3 cm2/V"
        axes.plot(
            size_v, modified_hecht(size_v, thickness_mm, fit.mu_tau_cm2_v, saturated=fit.saturated), color=colour,
            label=label,
        )  # fmt: skip
    axes.set(xlabel="bias (V)", ylabel="current / saturated current", xscale="log", title="Fit of Eq. 1")
    axes.legend()
    return findings, Picture("hecht", png(figure), "Fits of the modified Hecht equation (paper: Fig. 3a).")


def _current_voltage(material: Material, thickness_mm: float) -> tuple[list[Finding], Picture]:
    bias_v = np.linspace(-100, 100, 201)
    dark_na = AREA_CM2 * dark_current_na_cm2(material, bias_v, thickness_mm)
    response = Response(material, thickness_mm, beam())
    figure, (left, right) = canvas(1, 2)
    left.plot(bias_v, np.abs(dark_na), color=GREY, label="dark")
    for rate, colour in zip(RATES_UGY_S, _blues(len(RATES_UGY_S)), strict=True):
        current = dark_na + _photocurrent_na(material, thickness_mm, response, bias_v, rate)
        left.plot(bias_v, np.abs(current), color=colour, label=f"{rate:g} uGy/s")
    left.set(yscale="log", xlabel="bias (V)", ylabel="|current| (nA)", title=f"I-V, electrode of {AREA_CM2:g} cm2")
    left.legend(fontsize=8)
    right.plot(bias_v, response.weight(bias_v), color=BLUE)
    balanced_v = float(response.bias_for(-1.0))
    for volts in (95.0, balanced_v):
        right.plot(volts, response.weight(volts), "o", color=RED)
        right.annotate(f"{volts:+.0f} V", (volts, float(response.weight(volts))), textcoords="offset points",
                       xytext=(-38, 4))  # fmt: skip
    right.axhline(0, color=GREY, linewidth=0.6)
    right.axvline(0, color=GREY, linewidth=0.6)
    right.set(xlabel="bias (V)", ylabel="weight", title="Response with its sign, weight 1 at +95 V")
    dark = {volts: AREA_CM2 * float(dark_current_na_cm2(material, volts, thickness_mm)) for volts in (-100.0, 100.0)}
    findings = [
        Finding("dark current at -100 V", dark[-100.0], -14, "nA", "the record: the paper's value put in"),
        Finding("dark current at +100 V", dark[100.0], 166, "nA", "the record: the paper's value put in"),
        Finding(
            "bias of the same magnitude as +95 V", balanced_v, -73, "V", "the surface recombination, chosen for it"
        ),
    ]
    return findings, Picture("iv", png(figure), "I-V and the weight that a bias gives (paper: Figs 1c, 2d, 3b).")


def _photocurrent_na(
    material: Material, thickness_mm: float, response: Response, bias_v: Floats, rate_ugy_s: float
) -> Floats:
    """X-ray current with the bias's sign, nA: the sensitivity at -100 V, scaled as the response is."""
    reference = sensitivity(material, thickness_mm, -100, response.spectrum, surface=True)
    scale = reference * rate_ugy_s * 1e-6 * AREA_CM2 * 1e3 / abs(float(response.collected(-100.0)))
    return scale * response.collected(bias_v)


def _on_off(material: Material, thickness_mm: float) -> tuple[list[Finding], Picture]:
    step_s, each_s = 0.05, 5.0
    response = Response(material, thickness_mm, beam())
    bias = np.array(-100.0)
    dark_na = AREA_CM2 * float(dark_current_na_cm2(material, bias, thickness_mm))
    points = int(each_s / step_s)
    rates = np.concatenate([np.repeat([0.0, rate], points) for rate in RATES_UGY_S] + [np.zeros(points)])
    currents = np.array([float(_photocurrent_na(material, thickness_mm, response, bias, each)) for each in RATES_UGY_S])
    slope = currents[0] / RATES_UGY_S[0]
    current = with_lag(rates * slope, step_s, material.lag_fraction or 0.0, material.lag_time_s or 1.0)
    current = current + dark_na + np.random.default_rng(SEED).normal(0, 0.15, rates.shape)
    figure, (axes,) = canvas(height=3.4)
    axes.plot(step_s * np.arange(len(rates)), -current, color=BLUE, linewidth=1)
    for index, rate in enumerate(RATES_UGY_S):
        axes.annotate(
            f"{rate:g} uGy/s", ((2 * index + 1.5) * each_s, -(currents[index] + dark_na)), textcoords="offset points",
            xytext=(0, 5), ha="center", fontsize=8,
        )  # fmt: skip
    axes.set(xlabel="time (s)", ylabel="-current (nA)", title="I-t at -100 V, beam on and off")
    axes.set_ylim(0, -1.15 * (currents[-1] + dark_na))
    measured = sensitivity(material, thickness_mm, -100, response.spectrum, surface=True)
    findings = [
        Finding("sensitivity at -100 V, surface recombination included (uC/Gy_air/cm2)", measured, 396, "",
                "the filter of the beam, and the surface recombination")
    ]  # fmt: skip
    return findings, Picture(
        "it", png(figure), "I-t with the beam on and off (paper: Fig. 2e); noise of 0.15 nA drawn."
    )


def _linear_range(material: Material, _: float) -> tuple[list[Finding], Picture]:
    figure, (left, right) = canvas(1, 2)
    findings, bars = [], []
    if material.linear_low_ugy_s is not None and material.linear_high_ugy_s is not None:
        findings.append(Finding("20 log10 of the ends of its linear range", linear_range_db(material), 106.0, "dB"))
    crystals = [(material, BLUE, 106.0, "the paper's two ends, put in")]
    if material.name == load(PASSIVATED).name:
        crystals.append((load(CONTROL), ORANGE, 68.0, "the exponent below it and where it lies, assumed"))
    for crystal, colour, paper, depends in crystals:
        try:
            # A device that is linear at low rates ends in its noise, at the lowest rate that was measured.
            low_ugy_s = crystal.need("linear_low_ugy_s") if crystal.exponent_low == 1 else 1e-3
            rates = np.geomspace(low_ugy_s, 1e6, 1801)
            current = respond(rates, crystal)
            found = measure_linear_range(rates, current)
        except DetectorError as error:
            left.text(0.05, 0.9, str(error), transform=left.transAxes, fontsize=7, wrap=True)
            continue
        findings.append(
            Finding(f"linear range of {crystal.name}, read off the curve", found.decibels, paper, "dB", depends)
        )
        label = f"{crystal.name}: {found.decibels:.0f} dB"
        left.plot(rates, current / rates / found.slope, color=colour, label=label)
        left.axvspan(found.low_ugy_s, found.high_ugy_s, color=colour, alpha=0.08)
        bars.append((crystal.name, found.decibels, found.decibels, colour))
    left.set(xscale="log", xlabel="dose rate (uGy/s)", ylabel="current / linear current", ylim=(0, 3),
             title="Deviation from a straight line")  # fmt: skip
    if findings:
        left.legend(fontsize=8)
    bars += [(name, low, high, GREY) for name, (low, high) in PAPER_RANGES_DB.items()]
    _bars(right, bars)
    return findings, Picture(
        "linear-range", png(figure), "Linear dynamic range (paper: Figs 3d, 3e); grey: as published."
    )


def _bars(axes: Axes, bars: Sequence[tuple[str, float, float, str]]) -> None:
    for place, (_, low, high, colour) in enumerate(reversed(bars)):
        axes.barh(place, high, color=colour, alpha=0.35 if low < high else 0.85)
        if low < high:
            axes.barh(place, low, color=colour, alpha=0.85)
        axes.text(high + 1, place, f"{low:.0f}" if low == high else f"{low:.0f} to {high:.0f}", va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [name for name, *_ in reversed(bars)], fontsize=8)
    axes.set(xlabel="linear dynamic range (dB)", xlim=(0, 125))


def _blues(count: int) -> list[str]:
    return [BLUE, "#3f85c6", "#74a9d8", "#a8c8e8"][::-1][:count]

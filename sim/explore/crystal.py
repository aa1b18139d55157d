"""The page's part on the crystal: what is known of it and how, its bias, its sensitivity beside the published one.

Problem, chosen trial -> [crystal_part, bias_part] -> page
"""

from dataclasses import fields, replace

import numpy as np

from sim.detector.errors import DetectorError
from sim.detector.material import Material
from sim.detector.sensitivity import sensitivity
from sim.explore.bias import LOSS, BiasCurve, bias_curve
from sim.explore.evaluate import evaluate
from sim.explore.problem import Problem
from sim.explore.search import Trial
from sim.materials.record import Known, ends
from sim.paper.charts import BLUE, GREEN, GREY, RED, canvas, png
from sim.paper.page import Finding, Part, Picture, Rows

CEILING_UC_GY_CM2, CEILING_PAIR_EV = 8000.0, 5.3
"""Without gain a crystal of that pair energy cannot give more, even when it absorbs and collects everything."""
UNITS = {
    "g_cm3": "g/cm3", "ev": "eV", "ev_v_um": "eV V/um", "cm2_v": "cm2/V", "cm2_v_s": "cm2/(V s)", "cm_s": "cm/s",
    "na_cm2": "nA/cm2", "ohm_cm": "ohm cm", "v": "V", "k": "K", "ugy_s": "uGy/s", "mm": "mm", "s": "s", "db": "dB",
}  # fmt: skip
"""Units at the ends of the names of a record's quantities."""


def crystal_part(problem: Problem, known: Known | None, chosen: Trial) -> Part:
    """What the record says, the sensitivity that the twin makes of it beside the one that is `known`, and how far both
    the twin's and the `chosen` design hang on what is predicted."""
    material = problem.material
    ours = twin_sensitivity(problem)
    findings = [Finding(f"sensitivity of the twin at {problem.full_bias_v:g} V (uC/Gy_air/cm2)", ours)]
    text = [
        "What is explored are single frames of a linear crystal: lag and linearity do not count, nor does surface "
        "recombination where the record gives no velocity of it."
    ]
    if known is not None:
        findings.append(Finding(f"{known.kind} sensitivity (uC/Gy_air/cm2)", known.value))
        text.append(f"Sensitivity: {known}; {known.source}.")
        text.append(compared(problem, known, ours))
    rows = [
        [f"{label}: {material.sources.get(key) or 'no source'}", f"{getattr(material, key):.5g} {unit}".strip()]
        for key, label, unit in _labels()
        if getattr(material, key) is not None
    ]
    heading = f"The record of {material.name}, {material.formula}"
    tables = [Rows(heading, ["quantity, and where it is from", "value"], rows)]
    if ends(material):
        columns = ["", "sensitivity (uC/Gy_air/cm2)", "F1 of the edges", "pixels kept"]
        tables.append(Rows("The chosen design at the ends of the predicted intervals", columns, _ends(problem, chosen)))
    return Part("The crystal", text, findings, (), tables)


def _ends(problem: Problem, chosen: Trial) -> list[list[str]]:
    """A row as predicted, and one at either end of each interval; bias and threshold stay as chosen."""
    rows = []
    for name, material in (("as predicted", problem.material), *ends(problem.material)):
        here = replace(problem, material=material)
        try:
            outcome = evaluate(here, chosen.choice)
        except DetectorError as error:  # a kernel in the sensor whose weights this crystal does not reach
            rows.append([f"{name}: {error}", f"{twin_sensitivity(here):.0f}", "", ""])
            continue
        rows.append([name, f"{twin_sensitivity(here):.0f}", f"{outcome.f1:.2f}", f"{100 * outcome.kept:.1f} %"])
    return rows


def compared(problem: Problem, known: Known, ours: float) -> str:
    """A sentence on the published or predicted sensitivity beside the twin's, uC/Gy_air/cm2."""
    pair_ev = problem.material.pair_energy_at_ev(problem.full_bias_v, problem.material.need("thickness_mm"))
    ceiling = CEILING_UC_GY_CM2 * CEILING_PAIR_EV / pair_ev
    beam = f"{problem.kilovolts} kVp behind {problem.filter_mm:g} mm Al"
    if known.value > ceiling:
        return (
            f"That is over {ceiling:.0f}, which no crystal without photoconductive gain passes in any beam. The twin "
            f"has none: it gives {ours:.0f} at {beam}."
        )
    return (
        f"The twin, without photoconductive gain, gives {ours:.0f} at {beam}; what is published is of other beams and "
        "fields, so that a factor of a few is no contradiction."
    )


def twin_sensitivity(problem: Problem) -> float:
    """Sensitivity of the crystal at its bias in the problem's beam, uC/Gy_air/cm2, no gain."""
    thickness_mm = problem.material.need("thickness_mm")
    return sensitivity(problem.material, thickness_mm, problem.full_bias_v, problem.spectrum, surface=True)


def bias_part(problem: Problem, recommended: BiasCurve, chosen: Trial, given: bool) -> Part:
    """The bias, at the least dose and at the chosen one. `given`: by the user, not the recommended one."""
    curves = [recommended, bias_curve(problem, chosen.choice.dose_ugy)]
    here = int(np.abs(recommended.bias_v - problem.full_bias_v).argmin())
    findings = [
        Finding("recommended bias", recommended.recommended_v, unit="V"),
        Finding("bias of all designs", problem.full_bias_v, unit="V"),
        Finding("charge collected", 100 * float(recommended.collected[here]), unit="%"),
        *(
            Finding(f"signal over noise of a pixel at {curve.dose_ugy:.3g} uGy", float(curve.snr[here]))
            for curve in curves
        ),
        Finding(
            "dark charge over signal charge",
            100 * float(recommended.dark_e[here] / recommended.signal_e[here]), unit="%",
        ),
        Finding(
            "signal and dark charge at the chosen dose, of the capacitor", 100 * float(curves[1].filled[here]), unit="%"
        ),
    ]  # fmt: skip
    whose = "It was given; the recommended one is" if given else "The recommended bias is"
    text = [
        "More bias collects more of the charge until nearly all arrives, while the dark current goes on rising. "
        f"{whose} the least that misses at most {100 * LOSS:g} % of the best signal-to-noise ratio that a pixel has "
        f"without an object, photons, dark current and chip together, at {recommended.dose_ugy:g} uGy: the least dose "
        "of the search, where dark current and chip count most. Where a kernel is in the sensor, this bias is its "
        "largest weight.",
    ]
    return Part("The bias", text, findings, [_bias_picture(problem, curves)])


def _bias_picture(problem: Problem, curves: list[BiasCurve]) -> Picture:
    figure, (left, right) = canvas(1, 2, width=11, height=3.8)
    first = curves[0]
    left.plot(first.bias_v, 100 * first.collected, color=BLUE, label="charge collected (%)")
    for curve, line in zip(curves, ("-", "--"), strict=True):
        left.plot(
            curve.bias_v, 100 * curve.snr / curve.snr.max(), line, color=GREEN,
            label=f"signal over noise, {curve.dose_ugy:.3g} uGy (% of its best)",
        )  # fmt: skip
        right.plot(
            curve.bias_v, 100 * curve.filled, line, color=RED, label=f"signal and dark charge, {curve.dose_ugy:.3g} uGy"
        )
        right.plot(
            curve.bias_v, 100 * curve.filled * curve.dark_e / (curve.signal_e + curve.dark_e), line, color=GREY,
            label=f"dark charge, {curve.dose_ugy:.3g} uGy",
        )  # fmt: skip
    right.axhline(100, color="k", linewidth=0.8, linestyle=":")
    right.set(yscale="log", xlabel="bias (V)", ylabel="part of the capacitor (%)")
    left.set(ylim=(0, 105), xlabel="bias (V)", ylabel="%")
    for axes in (left, right):
        axes.axvline(problem.full_bias_v, color="k", linewidth=0.8)
        axes.legend(fontsize=8)
    return Picture("bias", png(figure), "What the bias does to a pixel without an object; black line: the bias taken.")


def _labels() -> list[tuple[str, str, str]]:
    """(key, name in words, unit) of every quantity of a record."""
    found = []
    for one in fields(Material):
        if "low" in one.metadata:
            unit = max((end for end in UNITS if one.name.endswith("_" + end)), key=len, default="")
            label = one.name.removesuffix("_" + unit) if unit else one.name
            found.append((one.name, label.replace("_", " "), UNITS.get(unit, "")))
    return found

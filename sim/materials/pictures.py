"""The report's pictures.

Study, Ranking -> [predicted_actual], [correlations], [importances], ... -> PNG
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from sim.materials.composition import parse
from sim.materials.features import LABELS, TARGETS, implies_gain
from sim.materials.findings import MEASURED, PAPER_GAPS
from sim.materials.rank import Ranking
from sim.materials.schema import HEADINGS, Device
from sim.materials.study import HELD_OUT, TITLES, Study
from sim.paper.charts import BLUE, GREEN, GREY, ORANGE, RED, canvas, png

COLOURS = {"linear": BLUE, "forest": GREEN, "boosting": ORANGE, "vectors": RED, "symbolic": "#6a3d9a"}
FLOOR = -1.0
"""R2 under this is drawn at it."""
MOST_RANKED = 20
COUNTED = (
    "band_gap_ev", "band_gap_dft_ev", "mu_tau_cm2_v", "sensitivity_uc_gy_cm2", "detection_limit_ugy_s", "z_b",
    "a_angstrom", "resistivity_ohm_cm", "trap_density_cm3", "mobility_cm2_v_s", "trpl_ns", "xray_energy_kev",
    "field_v_mm", "dark_current_na_cm2",
)  # fmt: skip


def filled(devices: Sequence[Device]) -> bytes:
    """How many rows have a value, by column."""
    counts = {HEADINGS[key][0]: sum(getattr(device, key) is not None for device in devices) for key in COUNTED}
    names = sorted(counts, key=lambda name: counts[name])
    figure, (axes,) = canvas(width=9, height=4.4)
    bars = axes.barh(names, [counts[name] for name in names], color=BLUE)
    axes.bar_label(bars, padding=3, fontsize=8)
    axes.set(xlabel=f"rows of {len(devices)} that have a value", xlim=(0, len(devices)))
    axes.tick_params(axis="y", labelsize=9)
    return png(figure)


def sensitivities(devices: Sequence[Device], limit: float) -> bytes:
    """Every published sensitivity, in order, beside the most that is possible without gain."""
    known = sorted(
        (one.sensitivity_uc_gy_cm2, implies_gain(one)) for one in devices if one.sensitivity_uc_gy_cm2 is not None
    )
    figure, (axes,) = canvas(width=9, height=4)
    for gain, colour, label in ((False, BLUE, "without gain possible"), (True, ORANGE, "implies gain")):
        places = [place for place, (_, implied) in enumerate(known, 1) if implied == gain]
        axes.plot(places, [known[place - 1][0] for place in places], "o", color=colour, ms=4, label=label)
    axes.axhline(limit, color=GREY, linestyle="--", label=f"{limit:.0f}: all absorbed and collected, 5.3 eV a pair")
    axes.set(yscale="log", xlabel="device, by its sensitivity", ylabel="sensitivity (µC/Gy/cm²)")
    axes.legend(fontsize=9)
    return png(figure)


def predicted_actual(study: Study, key: str) -> bytes:
    """A panel a model: out-of-fold predictions against what was measured; then R2 of all models."""
    data, validations = study.data[key], study.validations[key]
    figure, axes = canvas(2, 3, width=12, height=7.6)
    low, high = float(data.y.min()), float(data.y.max())
    margin = 0.08 * (high - low)
    span = (low - margin, high + margin)
    crystal = data.material == parse(HELD_OUT).key
    for one, (name, validation) in zip(axes, validations.items(), strict=False):
        learnt = np.setdiff1d(np.arange(len(data.y)), validation.fits[0].test)
        seen = np.clip(validation.fits[0].pipeline.predict(data.x[learnt]), *span)
        one.plot(span, span, color=GREY, linewidth=1)
        one.plot(data.y[learnt], seen, "o", color=GREY, ms=3, alpha=0.6, label="training rows of one fold")
        mean = np.clip(validation.predicted.mean(axis=0), *span)
        one.plot(data.y, mean, "o", color=COLOURS[name], ms=4.5, label="unseen", clip_on=False)
        if crystal.any():
            one.plot(data.y[crystal], mean[crystal], "*", color="black", ms=11, label="(F-PEA)2PbI4", clip_on=False)
        one.set(xlim=span, ylim=span, xlabel=f"measured: {data.target.axis}", ylabel="predicted")
        one.set_title(f"{validation.model.title}: test R² {validation.test_r2.value:.2f}", fontsize=10)
        one.xaxis.label.set_fontsize(9)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower left", ncols=3, fontsize=9)
    for spare in axes[len(validations) : -1]:
        spare.set_axis_off()
    _scores(axes[-1], study, key)
    return png(figure)


def _scores(axes: Axes, study: Study, key: str) -> None:
    validations = study.validations[key]
    for place, (name, one) in enumerate(validations.items()):
        for score, shift, marker, fill in ((one.train_r2, 0.15, "o", "none"), (one.test_r2, -0.15, "o", COLOURS[name])):
            low, value, high = (max(FLOOR, each) for each in (score.low, score.value, score.high))
            axes.plot((low, high), (place + shift,) * 2, color=COLOURS[name], linewidth=1.5)
            axes.plot(value, place + shift, marker, color=COLOURS[name], markerfacecolor=fill, ms=6)
    axes.axvline(0, color=GREY, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(validations)), [one.model.title for one in validations.values()], fontsize=9)
    axes.set(xlim=(FLOOR - 0.05, 1.05), xlabel=f"R²; 0 is the mean of all, {FLOOR:g} also less")
    axes.set_title("open: training, filled: unseen; 90 % intervals", fontsize=10)


def correlations(table: pd.DataFrame) -> bytes:
    """Pearson's r of every pair; blank where too few materials have both."""
    names = [str(name) for name in table.columns if table[name].notna().sum() > 1]
    values = table.loc[names, names].to_numpy(np.float64)
    figure, (axes,) = canvas(width=10, height=8.6)
    drawn = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.6 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color=colour)
    labels = [LABELS[name].split(" (")[0] for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=45, ha="right", fontsize=9)
    axes.set_yticks(range(len(names)), labels, fontsize=9)
    axes.spines[:].set_visible(False)
    figure.colorbar(drawn, label="Pearson's r", shrink=0.8)
    return png(figure)


def importances(study: Study) -> bytes:
    """A panel a target: what a feature's shuffling adds to the error, by model."""
    keys = [key for key in study.importances if key in TARGETS]
    figure, axes = canvas(2, 2, width=12, height=11)
    for spare in axes[len(keys) :]:
        spare.set_axis_off()
    for one, key in zip(axes, keys, strict=False):
        features, found = TARGETS[key].features, study.importances[key]
        values = np.array([[found[model].mean[name] for model in found] for name in features])
        drawn = one.imshow(values, cmap="PiYG", vmin=-0.6, vmax=0.6, aspect="auto")
        for (row, column), value in np.ndenumerate(values):
            colour = "white" if abs(value) > 0.45 else "black"
            one.text(column, row, f"{round(value, 2) + 0.0:+.2f}", ha="center", va="center", fontsize=7.5, color=colour)
        titles = [study.models[model].paper + ("" if study.validations[key][model].better_than_mean else "*")
                  for model in found]  # fmt: skip
        one.set_xticks(range(len(found)), titles, fontsize=9)
        one.set_yticks(range(len(features)), [LABELS[name].split(" (")[0] for name in features], fontsize=9)
        one.set_title(TITLES[key], fontsize=11)
        one.spines[:].set_visible(False)
    figure.colorbar(drawn, ax=axes, label="added squared error / variance", shrink=0.5, extend="both")
    return png(figure)


def curves(study: Study) -> bytes:
    """R2 against how many materials are learnt from."""
    figure, axes = canvas(2, 2, width=11, height=7.4)
    for spare in axes[len(study.curves) :]:
        spare.set_axis_off()
    for one, (key, models) in zip(axes, study.curves.items(), strict=False):
        for name, steps in models.items():
            sizes = [step.materials for step in steps]
            for half, style in (("train", "--"), ("test", "-")):
                scores = [getattr(step, half) for step in steps]
                label = f"{study.models[name].title}, {'training' if half == 'train' else 'unseen'}"
                values = [max(FLOOR, score.value) for score in scores]
                one.plot(sizes, values, "o" + style, color=COLOURS[name], ms=4, label=label)
            band = np.maximum(FLOOR, [(step.test.low, step.test.high) for step in steps])
            one.fill_between(sizes, band[:, 0], band[:, 1], color=COLOURS[name], alpha=0.12, linewidth=0)
        one.axhline(0, color=GREY, linewidth=1)
        one.set(xlabel="materials learnt from", ylabel="R²", ylim=(FLOOR - 0.05, 1.05))
        one.set_title(TITLES[key], fontsize=11)
    axes[0].legend(fontsize=8, loc="lower right")
    return png(figure)


def held_out(study: Study) -> bytes:
    """The paper's crystal: measured, predicted by the paper's models, predicted here without it; a panel a target."""
    figure, axes = canvas(2, 2, width=11, height=6.4)
    for spare in axes[len(study.held_out) :]:
        spare.set_axis_off()
    for one, (key, found) in zip(axes, study.held_out.items(), strict=False):
        target = TARGETS[key]
        one.axvline(MEASURED[key], color="black", linewidth=1, label=f"measured: {MEASURED[key]:g}")
        for place, (name, value) in enumerate(found.items()):
            one.plot(value, place, "o", color=COLOURS[name], label="here" if place == 0 else None)
            if key == "band_gap_ev":
                one.plot(PAPER_GAPS[name], place, "x", color=GREY, label="the paper's model" if place == 0 else None)
        one.set_yticks(range(len(found)), [study.models[name].title for name in found], fontsize=9)
        one.set(xlabel=f"{target.title} ({target.unit})", ylim=(-0.6, len(found) - 0.4))
        if target.log:
            one.set_xscale("log")
        one.legend(fontsize=8)
    return png(figure)


def ranking(ranked: Ranking) -> bytes:
    """The first candidates with their intervals."""
    first = ranked.candidates[:MOST_RANKED]
    target = TARGETS[ranked.key]
    figure, (axes,) = canvas(width=9, height=0.26 * len(first) + 1.2)
    for place, one in enumerate(first):
        colour = GREY if one.outside_domain else BLUE
        axes.plot((one.estimate.low, one.estimate.high), (place, place), color=colour, linewidth=1.5)
        axes.plot(one.estimate.value, place, "s" if one.published else "o", color=colour, ms=6)
    for marker, colour, label in (("s", BLUE, "published"), ("o", BLUE, "not published"), ("o", GREY, "outside")):
        axes.plot([], [], marker, color=colour, label=label)
    if ranked.near is not None:
        axes.axvline(ranked.near, color=GREEN, linestyle="--", label=f"wanted: {ranked.near:g}")
    axes.set_yticks(range(len(first)), [one.formula for one in first], fontsize=9)
    axes.invert_yaxis()
    axes.set(xlabel=f"{target.title} ({target.unit}), 90 % interval")
    if target.log:
        axes.set_xscale("log")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    return png(figure)

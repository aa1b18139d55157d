"""What an exploration found, as a page: the front, the chosen point, and what each parameter does to it.

trials, front, chosen trial, sweeps -> [report] -> out/explore/index.html, PNGs, trials.csv
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.colors import LogNorm
from scipy.ndimage import distance_transform_edt

from edgeray.mosaic import Mosaic, Stitch
from sim.detector.errors import Floats
from sim.explore.evaluate import Choice, exposure, least_f1, link_frames_s, readout, stitched
from sim.explore.noise import NoiseBudget, noise_budget
from sim.explore.problem import Problem, scene
from sim.explore.search import Trial
from sim.explore.sweep import NAMES
from sim.golden.fixed_point import Mask
from sim.paper.charts import BLUE, GREEN, GREY, RED, Shown, canvas, images, png
from sim.paper.page import Finding, Part, Picture, Rows

BAUDRATES = (115_200, 1_000_000, 3_000_000, 12_000_000)
MOST_ROWS = 20


def found_part(problem: Problem, trials: Sequence[Trial], front: Sequence[Trial], chosen: Trial) -> Part:
    """The search and its front."""
    every = least_f1(problem)
    text = [
        f"{len(trials)} designs for {problem.material.name}, {problem.kilovolts} kVp behind {problem.filter_mm:g} mm "
        f"Al, pixels of {problem.pitch_mm:g} mm, a chip of {problem.capacitance_ff:g} fF. Sought are many true edges "
        f"(F1 against the edges of the phantom, {problem.tolerance_px:g} pixel of tolerance), few bits on the wire, "
        f"and a small dose. To keep every pixel would have an F1 of {every:.2f}; of the designs that find more, "
        f"{len(front)} are beaten by no other one.",
        "Designs whose chip the open field fills do not count where there are others: full pixels show no noise, and "
        "nothing else. The chosen one is the nearest to the best of all three, among those with an F1 that is wanted.",
    ]
    rows = [_row(one) for one in front[:MOST_ROWS]]
    more = f" (the first {MOST_ROWS} of {len(front)})" if len(front) > MOST_ROWS else ""
    columns = ["kernel", "where", "threshold", "gain", "ADC", "dose (uGy)", "F1", "kept", "bits a frame", "frames/s"]
    return Part(
        "The front", text, (), [_front_picture(trials, front, chosen, every)],
        [Rows(f"Designs that none beats, the best F1 first{more}", columns, rows)],
    )  # fmt: skip


def chosen_part(problem: Problem, chosen: Trial, mismatches: int | None, settings: str) -> Part:
    """The chosen design. `mismatches`: of its frames on the virtual board; None: not shown to it."""
    choice, outcome, noise = chosen.choice, chosen.outcome, noise_budget(problem, chosen.choice)
    findings = [
        Finding("bias of the full weight", problem.full_bias_v, unit="V"),
        Finding("gain of the chip", 1 << choice.pga_gain),
        Finding("threshold (codes)", choice.edge_threshold),
        Finding("threshold over the noise of a kernel response", choice.edge_threshold / noise.response_codes),
        Finding("F1 of the edges", outcome.f1),
        Finding("precision", outcome.precision),
        Finding("recall", outcome.recall),
        Finding("localisation error, rms (pixels)", outcome.localisation_px),
        Finding("pixels kept", 100 * outcome.kept, unit="%"),
        Finding("bits a frame on the wire", outcome.bits_a_frame, digits=4),
        Finding("over the frame's samples", 100 * outcome.bits_a_frame / outcome.raw_bits_a_frame, unit="%"),
        Finding("exposure", 1e6 * choice.dose_ugy / problem.dose_rate_ugy_s, unit="us"),
    ]
    if mismatches is not None:
        findings.append(Finding("responses of the virtual board that differ from the golden model", mismatches))
    where = f"in the sensor, bias voltages of {choice.bias_bits} bits" if choice.in_sensor else "in the gateware"
    text = [
        f"Bias {problem.full_bias_v:g} V, kernel {choice.kernel} {where}; threshold {choice.edge_threshold} of "
        f"{1 << choice.sample_bits} codes, gain {1 << choice.pga_gain} in the chip, {choice.sample_bits} bits a sample"
        f", {choice.dose_ugy:.3g} uGy a frame at {problem.dose_rate_ugy_s:g} uGy/s.",
        f"{settings} has it for a board: edgeray.settings_file reads it, Device.configure sends it.",
    ]
    if noise.part < 1:
        text.append(
            f"The open field fills the chip: what gets more than {100 * noise.part:.0f} % of its dose is at full scale "
            "and shows neither noise nor edges. The noise is that of the brightest pixel that does not."
        )
    if mismatches is not None:
        text.append(
            "The virtual board took these settings and these samples: the gateware itself, compiled. What the host "
            "library decoded was compared with the golden model."
        )
    rows = [
        [_grouped(baudrate), f"{link_frames_s(outcome.bits_a_frame, baudrate):.0f}",
         f"{link_frames_s(outcome.raw_bits_a_frame, baudrate):.0f}"]
        for baudrate in BAUDRATES
    ]  # fmt: skip
    table = Rows("Frames a second that a UART carries", ["baud", "edges", "raw samples, no packets"], rows)
    return Part(
        "The chosen design", text, findings, [_chosen_picture(problem, chosen)], [_noise_rows(choice, noise), table]
    )


def sweep_part(sweeps: Mapping[str, Sequence[Trial]], chosen: Trial) -> Part:
    """One parameter at a time."""
    figure, axes = canvas(2, 3, width=12, height=7.4)
    for one in axes[len(sweeps) :]:
        one.set_axis_off()
    for one, (name, trials) in zip(axes, sweeps.items(), strict=False):
        values = [getattr(trial.choice, name) for trial in trials]
        place = list(range(len(values))) if name == "kernel" else values
        one.plot(place, [trial.outcome.f1 for trial in trials], "o-", color=BLUE, label="F1")
        one.plot(place, [trial.outcome.kept for trial in trials], "s--", color=GREY, label="kept", markersize=4)
        one.plot(
            place, [trial.outcome.bits_a_frame / trial.outcome.raw_bits_a_frame for trial in trials], "^:",
            color=GREEN, label="bits / raw bits", markersize=4,
        )  # fmt: skip
        here = getattr(chosen.choice, name)
        one.axvline(values.index(here) if name == "kernel" else here, color=RED, linewidth=1)
        if name == "kernel":
            one.set_xticks(place, values, fontsize=8, rotation=30)
        elif name in ("dose_ugy", "edge_threshold"):
            one.set_xscale("log")
        one.set(xlabel=NAMES[name], ylim=(0, 1.1))
    axes[0].legend(fontsize=8)
    text = [
        "The others as chosen (red). The threshold follows the bits of the ADC, so that it stays the same part of full "
        "scale.",
    ]
    return Part("One parameter at a time", text, (), [Picture("sweeps", png(figure), "F1, kept pixels and bits.")])


def save_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Write a CSV file of one line a trial: its choice and its outcome, by their names."""
    rows = [{**asdict(trial.choice), **asdict(trial.outcome)} for trial in trials]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _row(trial: Trial) -> list[str]:
    choice, outcome = trial.choice, trial.outcome
    return [
        choice.kernel,
        f"sensor, {choice.bias_bits} bit" if choice.in_sensor else "gateware",
        str(choice.edge_threshold),
        str(1 << choice.pga_gain),
        f"{choice.sample_bits} bit",
        f"{choice.dose_ugy:.3g}",
        f"{outcome.f1:.3f}",
        f"{100 * outcome.kept:.1f} %",
        f"{outcome.bits_a_frame:.0f}",
        f"{outcome.frames_s:.0f}",
    ]


def _front_picture(trials: Sequence[Trial], front: Sequence[Trial], chosen: Trial, every: float) -> Picture:
    figure, (axes,) = canvas(width=9, height=5)
    doses = [trial.choice.dose_ugy for trial in trials]
    norm = LogNorm(min(doses), max(doses) * (1 + 1e-9))
    for some, size, edge in ((trials, 14, "none"), (front, 46, "k")):
        for in_sensor, marker in ((True, "o"), (False, "s")):
            here = [trial for trial in some if trial.choice.in_sensor == in_sensor]
            if here:
                drawn = axes.scatter(
                    [trial.outcome.bits_a_frame for trial in here], [trial.outcome.f1 for trial in here],
                    c=[trial.choice.dose_ugy for trial in here], norm=norm, cmap="viridis", s=size, marker=marker,
                    edgecolors=edge, linewidths=0.7, alpha=1 if edge == "k" else 0.5,
                )  # fmt: skip
    figure.colorbar(drawn, label="dose of a frame (uGy)")
    axes.plot(chosen.outcome.bits_a_frame, chosen.outcome.f1, "*", color=RED, markersize=17, label="chosen")
    axes.scatter([], [], marker="o", color=GREY, label="kernel in the sensor")
    axes.scatter([], [], marker="s", color=GREY, label="kernel in the gateware")
    axes.axhline(every, color=GREY, linestyle=":", label="every pixel kept")
    axes.set(xscale="log", xlabel="bits a frame on the wire", ylabel="F1 of the edges", ylim=(0, 1))
    axes.legend(fontsize=8)
    return Picture("front", png(figure), "All designs; outlined: those that no other one beats.")


def _noise_rows(choice: Choice, noise: NoiseBudget) -> Rows:
    """The noise of what is sampled once, by its origin."""
    parts = [
        ("X-rays: their number, energy and depth", noise.photons_e),
        ("dark current", noise.dark_e),
        ("amplifiers of the chip, two samples", noise.read_e),
        ("ADC and rounding, two samples", noise.adc_e),
        ("all", noise.total_e),
    ]
    rows = [[name, _grouped(electrons), f"{electrons / noise.electrons_per_code:.3g}"] for name, electrons in parts]
    rows.append(["a kernel response", "", f"{noise.response_codes:.3g}"])
    what = "the sum of a macro-pixel" if choice.in_sensor else "a pixel"
    where = "without an object" if noise.part == 1 else f"at {100 * noise.part:.0f} % of the open field"
    heading = f"Noise of {what} {where}, rms; a pixel's signal is {_grouped(noise.signal_e)} electrons there"
    return Rows(heading, ["from", "electrons", "codes"], rows)


def _grouped(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def raw_frame(mosaic: Mosaic, samples: npt.NDArray[np.uint16]) -> Floats:
    """The windows side by side, codes after double sampling, float64[rows, columns]."""
    image = Stitch(mosaic)
    for index, (reset, signal) in enumerate(samples.astype(np.int16)):
        image.place(index, signal - reset)
    return image.values.astype(np.float64)


def _chosen_picture(problem: Problem, chosen: Trial) -> Picture:
    """The phantom's frame before any kernel, and what the gateware sends of it."""
    choice, seen = chosen.choice, scene(problem)
    mosaic, samples = exposure(problem, choice)
    image = stitched(mosaic, readout(problem, choice, samples))
    frame = raw_frame(*exposure(problem, replace(choice, bias_bits=None)))
    limit = max(1.0, float(np.quantile(np.abs(image.values[image.kept]), 0.98))) if image.kept.any() else 1.0
    sent = np.ma.masked_where(~image.kept, image.values)
    summed = raw_frame(mosaic, samples)
    shown: list[Shown] = [
        ("the phantom: part of the charge", seen.seen(1)[0, 0], {}),
        (f"the frame: pixels after double sampling, {_range(frame)}", frame, {}),
        (f"sent: {_range(image.values)}; blue: over 0, red: under", sent,
         {"vmin": -limit, "vmax": limit, "cmap": "RdBu"}),
        ("green: edge found, red: no edge, blue: missed", _coloured(image.kept, seen.edges, problem.tolerance_px), {}),
    ]  # fmt: skip
    if choice.in_sensor:
        shown[2:2] = [
            (f"sums of macro-pixels on the wire, {_range(summed)}", summed, {}),
            ("the phantom's edges", seen.edges, {}),
        ]
    where = "all sub-pixels at the full bias" if choice.in_sensor else "every pixel"
    return Picture(
        "chosen", images(shown, columns=2, width=11),
        f"The phantom in the chosen design: {where} as the converter sees it, and the kernel responses that the "
        "gateware sends; what it does not send is white.",
    )  # fmt: skip


def _range(image: npt.NDArray[np.number]) -> str:
    return f"{image.min():.0f} to {image.max():.0f} codes"


def _coloured(kept: Mask, edges: Mask, tolerance_px: float) -> Floats:
    near = distance_transform_edt(~edges) <= tolerance_px
    reached = distance_transform_edt(~kept) <= tolerance_px if kept.any() else np.zeros_like(kept)
    picture = np.ones((*kept.shape, 3))
    picture[kept & near] = (0.17, 0.55, 0.3)
    picture[kept & ~near] = (0.8, 0.2, 0.15)
    picture[~kept & edges & ~reached] = (0.15, 0.4, 0.75)
    return picture

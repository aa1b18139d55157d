"""Commands that calibrate a detector: calibrate dark, flat, mask, threshold, bias, apply, show.

All write into one file, step after step; docs/calibration.md goes through them.
"""

import contextlib
import dataclasses
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from edgeray.calibration import (
    Calibration,
    CalibrationError,
    PixelMask,
    Provenance,
    UserMask,
    bias_table,
    filled,
    measure_dark,
    measure_flat,
    measure_threshold,
    read_mask,
    read_points,
)
from edgeray.calibration.dark import NIMAGES, OUTLIER
from edgeray.calibration.flat import OVER, UNDER
from edgeray.calibration.mask import FOUND
from edgeray.calibration.statistics import Mask
from edgeray.calibration.storage import check_writable
from edgeray.calibration.threshold import NIMAGES as CHECKED
from edgeray.calibration.threshold import SIGMAS, Threshold
from edgeray.cli.common import DeviceUrl, Exit, Json, emit, errors, leave, open_device
from edgeray.cli.config import change, complete_kernel
from edgeray.cli.progress import ProgressBar
from edgeray.consumer import Consumer
from edgeray.device import Device
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.settings import SettingError
from edgeray.series import FrameKind

app = typer.Typer(no_args_is_help=True, help="Calibrate a detector: offsets, gains, bad pixels, thresholds.")

SHOWN = 12
"""Bad pixels that are named one by one."""

File = Annotated[Path, typer.Option("--calibration", "-c", help="Calibration file, which the step is added to.")]
Frames = Annotated[int, typer.Option("--nimages", "-n", min=1, help="Frames to capture.")]
KernelName = Annotated[str, typer.Option("--kernel", "-k", help="Kernel, by its name.", autocompletion=complete_kernel)]


@app.command()
def dark(
    url: DeviceUrl,
    file: Annotated[Path, typer.Option("--output", "-o", "--calibration", "-c", help="Calibration file to write.")],
    nimages: Frames = NIMAGES,
    outlier: Annotated[
        float, typer.Option(min=1.0, help="Robust standard deviations from which a pixel is hot or noisy.")
    ] = OUTLIER,
    pedestal: Annotated[
        int | None,
        typer.Option(min=0, help="Codes that corrected pixels show without X-rays (default: by noise)."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Capture dark frames, beam off: offset and noise of every pixel, hot and noisy ones.

    The settings are those of the board, and the calibration holds for them. In a file that is there already, flat and
    thresholds go: they were made with another dark.
    """
    check_writable(file)
    with _open(url) as device:
        before = Calibration.load(file) if file.exists() else Calibration(detector=device.detector)
        before.check_detector(device)
        made = measure_dark(device, nimages, outlier=outlier, pedestal=pedestal, consumers=_bar(as_json))
    calibration = before.with_dark(made).save(file)
    imaging = ~_has(calibration, PixelMask.GAP)
    rows = [
        ("offset, median", f"{np.median(made.mean[imaging]):.2f} codes"),
        ("noise, median", f"{np.median(made.noise[imaging]):.3f} codes"),
        ("column pattern, rms", f"{made.column_pattern:.3f} codes"),
        ("row pattern, rms", f"{made.row_pattern:.3f} codes"),
        ("drift over the series", f"{made.drift:+.3f} codes"),
        ("pedestal", f"{made.pedestal} codes"),
        ("hot pixels", _places(made.hot)),
        ("noisy pixels", _places(made.noisy)),
        ("samples at a rail", made.railed),
    ]
    dropped = [name for name, gone in (("flat", before.flat), ("thresholds", before.thresholds)) if gone]
    remarks = [f"{' and '.join(dropped)} of {file} are gone: take them again with this dark"] if dropped else []
    _report("dark", calibration, made.provenance, rows, as_json, remarks)


@app.command()
def flat(
    url: DeviceUrl,
    file: File,
    nimages: Frames = NIMAGES,
    least: Annotated[float, typer.Option(help="Response under which a pixel is replaced, not corrected.")] = UNDER,
    most: Annotated[float, typer.Option(help="Response over which it is.")] = OVER,
    as_json: Json = False,
) -> None:
    """Capture flat frames, beam on and nothing in it: gain of every pixel, dead and wrong ones.

    The board has to have the settings that the dark was taken with.
    """
    before = Calibration.load(file)
    if before.dark is None:
        raise CalibrationError(f"{file} has no dark: take one first (edgeray calibrate dark)")
    check_writable(file)
    with _open(url) as device:
        before.check_detector(device)
        made = measure_flat(device, before.dark, nimages, least=least, most=most, consumers=_bar(as_json))
    calibration = before.with_flat(made).save(file)
    rows = [
        ("exposure over dark", f"{made.level:.1f} codes"),
        ("non-uniformity, rms", f"{made.non_uniformity:.2%}"),
        ("error of a response", f"{made.response_error:.3%}"),
        ("codes a quantum", f"{made.codes_per_quantum:.4g} +- {made.quantum_error:.2g}"),
        ("drift over the series", f"{made.drift:+.3f} codes"),
        ("dead pixels", _places(made.dead)),
        ("under-responding", _places(made.under)),
        ("over-responding", _places(made.over)),
        ("samples at a rail", made.railed),
    ]
    remarks = [f"thresholds of {file} are gone: take them again with this flat"] if before.thresholds else []
    _report("flat", calibration, made.provenance, rows, as_json, remarks)


@app.command()
def mask(
    file: File,
    user: Annotated[
        Path | None, typer.Option("--user", "-u", help="Bad pixels: picture or .npy (not 0), .csv of row,column.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Kind of bad pixels not to replace: dead, under, over, noisy.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which pixels are bad beside those that were found, or not bad; without options: as found."""
    before = Calibration.load(file)
    shape = (before.detector.rows, before.detector.columns)
    bad = np.zeros(shape, np.bool_) if user is None else read_mask(user, before.detector)
    names = {bit.name.lower(): bit for bit in FOUND if bit.name}
    for name in ignore or ():
        if name not in names:
            raise SettingError(f"--ignore takes {', '.join(names)}, not {name!r}")
    ignored = sum(names[name] for name in set(ignore or ()))
    provenance = Provenance(source="command line" if user is None else str(user))
    calibration = before.with_mask(UserMask(bad=bad, ignored=ignored, provenance=provenance)).save(file)
    rows = [(bit.name.lower(), _places(_has(calibration, bit))) for bit in (*FOUND, PixelMask.USER) if bit.name]
    rows.append(("guard ring", f"{_has(calibration, PixelMask.GAP).sum()} pixels"))
    remarks = [f"thresholds of {file} are gone: take them again with this mask"] if before.thresholds else []
    _report("mask", calibration, provenance, rows, as_json, remarks)


@app.command()
def threshold(
    url: DeviceUrl,
    file: File,
    nimages: Frames = CHECKED,
    kernel: Annotated[
        list[str] | None,
        typer.Option(
            "--kernel", "-k", help="Kernel; repeatable (default: the board's).", autocompletion=complete_kernel
        ),
    ] = None,
    sigmas: Annotated[float, typer.Option(help="Standard deviations of a response that stay under it.")] = SIGMAS,
    exposed: Annotated[
        bool, typer.Option("--flat", help="Over the noise of the flat: beam on, nothing in it.")
    ] = False,
    keep: Annotated[bool, typer.Option("--set", help="Then set the board's edge_threshold, where it agrees.")] = False,
    as_json: Json = False,
) -> None:
    """Find the threshold that noise stays under, and count on the board what passes it: beam off, or on with --flat."""
    calibration = Calibration.load(file)
    kernels: list[Kernel | None] = [_kernel(name) for name in kernel or ()] or [None]
    if keep and len(kernels) > 1:
        raise SettingError("--set is for one kernel")
    check_writable(file)
    kind = FrameKind.FLAT if exposed else FrameKind.DARK
    found: list[Threshold] = []
    with _open(url) as device:
        for one in kernels:
            made = measure_threshold(
                device,
                calibration,
                nimages,
                kernel=one,
                sigmas=sigmas,
                kind=kind,
                consumers=_bar(as_json),
            )
            found.append(made)
        if keep and found[0].agrees:
            change(device, {"edge_threshold": found[0].threshold})
            device.apply()
    for made in found:
        calibration = calibration.with_threshold(made)
    calibration = calibration.save(file)
    for made in found:
        rows: list[tuple[str, object]] = [
            ("threshold", f"{made.threshold} codes"),
            ("noise of a response, median", f"{made.noise:.3f} codes"),
            ("largest of all positions", f"{made.largest_noise:.3f} codes"),
        ]
        rows += [
            (
                f"false edges from {one.threshold} codes",
                f"predicted {one.predicted:.3g}, measured {one.measured:.3g} ({one.low:.3g} to {one.high:.3g}): "
                + ("agrees" if one.agrees else "DISAGREES"),
            )
            for one in made.checks
        ]
        remarks = [] if made.agrees else [
            "the rate measured is not the one predicted: the noise is not what it was, or not Gaussian; take the dark "
            "again, or a higher threshold"
        ]  # fmt: skip
        if not as_json:
            _report(f"threshold of {made.name}", calibration, made.provenance, rows, False, remarks, stay=True)
    if as_json:
        emit([_plain(one) | {"agrees": one.agrees} for one in found], True)
    if not all(one.provenance.complete for one in found):
        leave(Exit.INCOMPLETE)
    if not all(one.agrees for one in found):
        leave(Exit.FAILURE)


@app.command()
def bias(
    points: Annotated[Path, typer.Argument(metavar="POINTS.csv", help="row,column,code (or bias_v),response.")],
    file: File,
    kernel: KernelName,
    low_v: Annotated[float, typer.Option(help="Bias at code 0, V.")] = -100.0,
    high_v: Annotated[float, typer.Option(help="Bias one step over the largest code, V.")] = 100.0,
    part: Annotated[float, typer.Option(help="Of the largest response, that the largest weight becomes.")] = 1.0,
    url: Annotated[
        str | None, typer.Option("--device", "-d", help="Board to load the table into.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Make the table of bias voltages for a kernel's weights out of measured responses of the sub-pixels.

    The kernel's weights and shift are doubled as often as they fit; with -d the board gets it so, and the table.
    """
    wanted = filled(_kernel(kernel))
    made = bias_table(read_points(points, low_v, high_v), wanted, source=str(points), part=part)
    with contextlib.ExitStack() as stack:
        device = stack.enter_context(open_device(url)) if url else None
        if device is not None and not file.exists():
            before = Calibration(detector=device.detector)
        else:
            before = Calibration.load(file)
        if device is not None:
            made.table.load_into(device)
            change(device, {"kernel": wanted})
            device.apply()
    calibration = dataclasses.replace(before, bias=made).save(file)
    rows: list[tuple[str, object]] = [
        ("kernel", f"{wanted.name}, weights up to {np.abs(wanted.array).max()}, shift {wanted.shift}"),
        ("largest error of a weight", f"{made.largest_error:.3%} of the largest weight"),
    ]
    size = len(made.weights)
    for place, (zero, positive, negative) in enumerate(made.table.entries.tolist()):
        row, column = divmod(place, size)
        rows.append(
            (
                f"sub-pixel {row},{column}",
                f"weight {made.weights[row, column]}: {made.realised[row, column]:.3f}; zero {zero}, "
                f"spans {positive}, {negative}",
            )
        )
    _report(f"bias table of {made.kernel}", calibration, made.provenance, rows, as_json, [])


@app.command()
def apply(
    url: DeviceUrl,
    file: File,
    anyway: Annotated[bool, typer.Option(help="Also where the settings are others than the dark's.")] = False,
    as_json: Json = False,
) -> None:
    """Load a calibration into a board's correction stage, and switch the correction on."""
    calibration = Calibration.load(file)
    with open_device(url) as device:
        calibration.apply(device, anyway=anyway)
    rows = list(calibration.summary().items())
    emit({"applied": url, **dict(rows)}, as_json, f"{file} is applied to {url}.")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Calibration file.")], as_json: Json = False
) -> None:
    """Show what a calibration file holds."""
    summary = Calibration.load(file).summary()
    rows = [
        (name.replace("_", " "), f"{one:.6g}" if isinstance(one, float) else one)
        for name, one in summary.items()
        if not name.endswith("checksum")
    ]
    emit(summary, as_json, _figures(str(file), rows))


def _report(
    step: str,
    calibration: Calibration,
    provenance: Provenance,
    rows: Any,
    as_json: bool,
    remarks: list[str],
    *,
    stay: bool = False,
) -> None:
    """Print a step's figures and leave with INCOMPLETE where frames are missing (not with `stay`)."""
    if not provenance.complete:
        remarks = [*remarks, f"frames are missing, {provenance.nimages} were used: {provenance.ledger}"]
    name = step.partition(" ")[0]
    made = getattr(calibration, name, None)
    payload = {"step": name, "calibration": calibration.path, **(_plain(made) if made is not None else {})}
    payload |= {"masked_pixels": int(calibration.correction_mask.sum()), "remarks": remarks}
    used = [("frames used", provenance.nimages)] if provenance.nimages else []
    emit(payload, as_json, _figures(f"{step}: {calibration.path}", [*rows, *used]), *remarks)
    if not provenance.complete and not stay:
        leave(Exit.INCOMPLETE)


def _figures(title: str, rows: Iterable[tuple[str, object]]) -> Table:
    shown = Table(title=title, title_justify="left", show_header=False)
    for name, value in rows:
        shown.add_row(name, str(value))
    return shown


def _plain(step: Any) -> dict[str, Any]:
    """A step without its maps, for JSON: of a map of bad pixels their places."""
    told: dict[str, Any] = {}
    for one in dataclasses.fields(step):
        value = getattr(step, one.name)
        if not isinstance(value, np.ndarray):
            told[one.name] = value
        elif value.dtype == np.bool_:
            told[one.name] = np.argwhere(value)
        elif value.size <= 25:
            told[one.name] = value
    return told


def _has(calibration: Calibration, bit: PixelMask) -> Mask:
    return np.asarray((calibration.pixel_mask & np.uint32(bit)) != 0)


def _places(bad: Mask) -> str:
    """How many, and the first of them as row,column."""
    places = [f"{row},{column}" for row, column in np.argwhere(bad).tolist()]
    if not places:
        return "none"
    return f"{len(places)}: {' '.join(places[:SHOWN])}" + (" ..." if len(places) > SHOWN else "")


def _kernel(name: str) -> Kernel:
    if name not in KERNELS:
        raise SettingError(f"there is no kernel {name!r}; there are {', '.join(KERNELS)}")
    return KERNELS[name]


@contextlib.contextmanager
def _open(url: str) -> Iterator[Device]:
    """The board at `url`; SIGTERM ends the command as Ctrl-C does: the board gets its settings back."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        with open_device(url) as device:
            yield device
    finally:
        signal.signal(signal.SIGTERM, before)


def _bar(as_json: bool) -> list[Consumer]:
    """What shows a series while it runs."""
    return [ProgressBar(errors)] if errors.is_terminal and not as_json else []

"""Commands that take frames: capture, replay, rerun.

device or recording -> Capture -> files, progress bar -> ledger on the screen, exit code

The exit code is the ledger's once the series has begun: 0 where every frame that was asked for and triggered is there,
else 4, whatever ended it; the message says what. Ctrl-C and SIGTERM end the series after the frame under way, a second
one now; either way what arrived is saved.
"""

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from edgeray import files, settings_file
from edgeray.calibration import Calibration
from edgeray.capture import Capture
from edgeray.cli.common import DeviceUrl, Exit, Json, console, emit, errors, leave, open_device, tell
from edgeray.cli.config import assigned, change, complete_assignment, complete_kernel
from edgeray.cli.progress import ProgressBar, ledger_table
from edgeray.consumer import Consumer
from edgeray.device import Device
from edgeray.errors import EdgerayError
from edgeray.files import writer
from edgeray.instrument import Instrument
from edgeray.protocol.settings import SettingError, Settings
from edgeray.replay_channel import SCHEME
from edgeray.series import FrameKind
from edgeray.units import UnitError, quantity

Outputs = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        help="File to write, any number of them: .nxs, .h5 (NeXus), .tif, .npz, .edgeray (the bytes of the link), "
        "or a folder/ of PNGs.",
        show_default=False,
    ),
]
Count = Annotated[
    int | None,
    typer.Option("--nimages", "-n", min=0, max=(1 << 32) - 1, help="Frames; 0: until Ctrl-C. (default: the setting)"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
Timeout = Annotated[
    str | None,
    typer.Option(help="Give up after this time without a frame, such as 30s. (default: 5 s and ten frames)"),
]
InstrumentFile = Annotated[
    Path | None, typer.Option("--instrument", help="TOML file on detector, beam and sample, for the data file.")
]
CalibrationFile = Annotated[
    Path | None, typer.Option("--calibration", "-c", help="Calibration file whose correction the board shall apply.")
]


@dataclass(frozen=True)
class Request:
    """What a series is to be, beside the device's settings."""

    nimages: int | None = None
    outputs: tuple[Path, ...] = ()
    overwrite: bool = False
    quiet: bool = False
    timeout: str | None = None
    kind: FrameKind = FrameKind.IMAGE
    instrument: Path | None = None


def capture(
    url: DeviceUrl,
    nimages: Count = None,
    outputs: Outputs = None,
    count_time: Annotated[str | None, typer.Option(help="Exposure, such as 900us.")] = None,
    frame_time: Annotated[str | None, typer.Option(help="Frame period, such as 5ms; 0 is back to back.")] = None,
    kernel: Annotated[
        str | None, typer.Option(help="Name of a kernel, such as laplacian.", autocompletion=complete_kernel)
    ] = None,
    edge_threshold: Annotated[str | None, typer.Option("--edge-threshold", "--threshold", help="In codes.")] = None,
    readout_mode: Annotated[str | None, typer.Option(help="edge or raw.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any other setting; repeatable.", autocompletion=complete_assignment
        ),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="TOML file of settings; options go over it.")] = None,
    calibration: CalibrationFile = None,
    instrument: InstrumentFile = None,
    kind: Annotated[str, typer.Option(help="What the detector is exposed to: image, flat or dark.")] = "image",
    timeout: Timeout = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Take a series of frames, write it to files, and account for every frame.

    Settings that are not named stay as the device has them. Exit code 4 where a frame is missing.
    """
    named = {
        "count_time": count_time,
        "frame_time": frame_time,
        "kernel": kernel,
        "edge_threshold": edge_threshold,
        "readout_mode": readout_mode,
    }
    changes = {name: value for name, value in named.items() if value is not None} | assigned(assignments or ())
    request = Request(nimages, tuple(outputs or ()), overwrite, quiet, timeout, _kind(kind), instrument)
    with open_device(url) as device:
        base = None if settings is None else settings_file.read(settings, device.detector, device.tick_rate)
        _series(device, request, changes, base, calibration, as_json)


def replay(
    file: Annotated[Path, typer.Argument(help="A recording: .edgeray.")],
    nimages: Count = None,
    outputs: Outputs = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Decode a recording as if it came from a board now; the same as a capture from replay://FILE."""
    request = Request(nimages or 0, tuple(outputs or ()), overwrite, quiet)
    with open_device(f"{SCHEME}{file}") as device:
        _series(device, request, {}, None, None, as_json)


def rerun(
    file: Annotated[Path, typer.Argument(help="A data file: .nxs or .edgeray.")],
    url: DeviceUrl,
    nimages: Count = None,
    outputs: Outputs = None,
    calibration: CalibrationFile = None,
    instrument: InstrumentFile = None,
    timeout: Timeout = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Take a series again, with the settings that are stored in the data."""
    with files.read(file) as run:
        kind = run.header.kind
    request = Request(nimages, tuple(outputs or ()), overwrite, quiet, timeout, kind, instrument)
    with open_device(url) as device:
        stored = files.settings_of(file, device.detector, device.tick_rate)
        if stored.correction_enabled and calibration is None:
            errors.print(
                f"{file} was taken with a correction table, and no --calibration is given: the device applies the "
                "table that it has",
                style="yellow",
                markup=False,
            )
        _series(device, request, {}, stored, calibration, as_json)


def _series(
    device: Device,
    request: Request,
    changes: Mapping[str, Any],
    base: Settings | None,
    calibration: Path | None,
    as_json: bool,
) -> None:
    """Set the device up, take the series, say what came of it, and end the command."""
    change(device, changes, base)
    if calibration is not None:
        Calibration.load(calibration).apply(device)
    described = Instrument.read(request.instrument) if request.instrument is not None else None
    consumers: list[Consumer] = [writer(path, overwrite=request.overwrite) for path in request.outputs]
    if errors.is_terminal and not (request.quiet or as_json):
        consumers.append(ProgressBar(errors))
    more: dict[str, Any] = {} if request.timeout is None else {"timeout": _seconds(request.timeout)}
    failure: EdgerayError | None = None
    with _stopping() as stop:
        series = device.capture(
            request.nimages, consumers=consumers, kind=request.kind, instrument=described, **more
        )  # fmt: skip
        stop.capture = series
        begin = time.monotonic()
        try:
            series.run()
        except EdgerayError as error:
            failure = error
    seconds = time.monotonic() - begin
    code = Exit.OK if failure is None and series.complete else Exit.INCOMPLETE
    written = [path for path in request.outputs if path.exists()]
    payload = {
        "ledger": series.ledger,
        "nimages": series.nimages,
        "seconds": seconds,
        "files": written,
        "stopped_by": stop.signal_name,
        "error": None if failure is None else f"{type(failure).__name__}: {failure}",
        "exit_code": int(code),
    }
    if not as_json:
        console.print(ledger_table(series.ledger, series.nimages, seconds))
    emit(payload, as_json, *(f"written: {path}" for path in written))
    if failure is not None:
        tell(failure, as_json=False)
    elif code is not Exit.OK:
        errors.print(f"edgeray: the series is not complete: {_shortfall(series, stop)}", markup=False, highlight=False)
    leave(code)


def _shortfall(series: Capture, stop: "_Stop") -> str:
    ledger, asked = series.ledger, series.nimages
    if stop.signal_name and ledger.complete:
        return f"it was ended by {stop.signal_name} after {ledger.received} of {asked} frames, all of which are there"
    return f"{ledger}"


class _Stop:
    """Turns signals into orders to the capture."""

    def __init__(self) -> None:
        self.capture: Capture | None = None
        self.signal_name = ""

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.capture is None:
            raise KeyboardInterrupt
        if self.signal_name:
            self.capture.abort()
        else:
            self.capture.cancel()
        self.signal_name = signal.Signals(number).name


@contextlib.contextmanager
def _stopping() -> Iterator[_Stop]:
    """SIGINT and SIGTERM end the capture in order within the `with` block."""
    stop = _Stop()
    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _kind(name: str) -> FrameKind:
    if name.upper() not in FrameKind.__members__:
        raise SettingError(f"--kind is one of {', '.join(FrameKind.__members__).lower()}, not {name!r}")
    return FrameKind[name.upper()]


def _seconds(text: str) -> float:
    try:
        return quantity(text, "s")
    except UnitError as error:
        raise SettingError(f"--timeout: {error}") from None

"""The main job from end to end: a radiograph through the real gateware to a decoded image.

    image -> windows -> samples -> virtual board (gateware) -> packets -> host library -> frames -> stitched image
                          +------> golden model -------------------------> compared frame by frame

`make demo` runs it; `python -m sim.demo --help` lists what can be chosen. With `--device` the samples are uploaded to a
board, which needs no detector, window by window.
"""

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn
from rich.table import Table

import edgeray
from edgeray.errors import EdgerayError
from edgeray.ledger import Ledger
from edgeray.mosaic import Mosaic, Stitch
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.golden.pipeline import Result, read_out
from sim.report import edge_image, grey, save_png, save_report
from sim.roic import Roic
from sim.scenes import SceneError, radiograph, read_image, to_codes
from sim.virtual_board import BoardError, BuildError, VirtualBoard

BLOCK = 512
"""Frames that are held and compared at a time."""
AUDIT_PERIOD = 64
"""Every so many frames come with the pixels that the detector saw."""


@dataclass
class Scan:
    """What a scan gave.

    `frame_pixels` counts kernel responses of all frames, which overlap; `audited` frames that came with their pixels,
    `audited_pixels` those pixels; `mismatches` what of them all differs from the golden model, or was not to be sent.
    """

    stitch: Stitch
    ledger: Ledger = field(default_factory=Ledger)
    compared: int = 0
    mismatches: int = 0
    frame_pixels: int = 0
    audited: int = 0
    audited_pixels: int = 0
    first_mismatch: str = ""
    seconds: float = 0.0


class _Comparison:
    """Golden frames in step with those that arrive; keeps no more than one block of them."""

    def __init__(self, samples: npt.NDArray[np.uint16], detector: Detector, settings: Settings) -> None:
        self._samples, self._detector, self._settings = samples, detector, settings
        self._start = -1
        self._block: Result | None = None

    def expected(self, number: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool_], npt.NDArray[np.uint16]]:
        """(values, kept, pixels) that the golden model gives for frame `number`."""
        start = number - number % BLOCK
        if start != self._start or self._block is None:
            some = self._samples[start : start + BLOCK]
            self._block = read_out(some[:, 0], some[:, 1], detector=self._detector, settings=self._settings)
            self._start = start
        place = number - start
        kept = self._block.kept[place]
        return np.where(kept, self._block.responses[place], 0), kept, self._block.pixels[place]


Series = edgeray.Capture | edgeray.Injection
Start = Callable[[npt.NDArray[np.uint16], BinaryIO], contextlib.AbstractContextManager[Series]]
"""Begins a series of samples uint16[n, 2, rows, columns] whose bytes go to a file."""


def on_virtual_board(params: Params, settings: Settings, console: Console) -> Start:
    """A virtual board whose readout chip shows the samples. Raises, when it starts, BuildError, BoardError."""

    @contextlib.contextmanager
    def start(samples: npt.NDArray[np.uint16], file: BinaryIO) -> Iterator[Series]:
        with VirtualBoard(params, samples, say=console.print) as board, edgeray.open(board.url) as device:
            device.configure(replace(settings, nimages=len(samples)))
            with device.capture(record=file) as series:
                yield series

    return start


def on_device(device: edgeray.Device, settings: Settings) -> Start:
    """A board to which the samples are uploaded; it has its settings again afterwards."""

    @contextlib.contextmanager
    def start(samples: npt.NDArray[np.uint16], file: BinaryIO) -> Iterator[Series]:
        with device.keeping_settings():
            device.configure(settings)
            with device.inject(samples, record=file) as series:
                yield series

    return start


def scan(
    codes: npt.NDArray[np.uint16], detector: Detector, settings: Settings, start: Start, record: Path, console: Console
) -> Scan:
    """Scan `codes` (uint16[rows, columns]) window by window; the bytes received go to the file `record`.

    Raises MosaicError (image too small), EdgerayError, what `start` raises.
    """
    mosaic = Mosaic(codes.shape, detector, settings.kernel.size // 2)
    samples = Roic(sample_bits=detector.sample_bits).scan(mosaic, codes)
    result = Scan(Stitch(mosaic))
    comparison = _Comparison(samples, detector, settings)
    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    with (
        record.open("wb") as file,
        start(samples, file) as series,
        Progress(*columns, console=console) as progress,
    ):
        bar = progress.add_task("scanning", total=len(mosaic))
        begin = time.perf_counter()
        for frame in series:
            result.stitch.place_frame(frame)
            _compare(result, frame, *comparison.expected(frame.image_id))
            progress.advance(bar)
        result.ledger = series.ledger
        result.seconds = time.perf_counter() - begin
    return result


def _compare(
    result: Scan,
    frame: edgeray.Frame,
    values: npt.NDArray[np.int16],
    kept: npt.NDArray[np.bool_],
    pixels: npt.NDArray[np.uint16],
) -> None:
    wrong = (frame.values != values) | (frame.kept != kept)
    wrong[~frame.rows_received] = False
    result.compared += 1
    result.frame_pixels += frame.values.size
    _count(result, wrong, f"frame {frame.image_id}", values, frame.values)
    if frame.pixels is not None:
        result.audited += 1
        result.audited_pixels += pixels.size
        wrong = frame.pixels != pixels
        _count(result, wrong, f"pixels of frame {frame.image_id}", pixels, frame.pixels)


def _count(
    result: Scan, wrong: npt.NDArray[np.bool_], what: str, right: npt.NDArray[Any], there: npt.NDArray[Any]
) -> None:
    if wrong.any() and not result.mismatches:
        row, column = np.argwhere(wrong)[0]
        result.first_mismatch = (
            f"{what}, row {row}, column {column}: expected {right[row, column]}, got {there[row, column]}"
        )
    result.mismatches += int(wrong.sum())


def figures_of(result: Scan, detector: Detector, settings: Settings) -> dict[str, str]:
    """The figures of a scan, as the table and the report print them."""
    ledger = result.ledger
    raw_bits = result.frame_pixels * detector.sample_bits
    wire_bits = 8 * ledger.bytes
    image = result.stitch.kept
    return {
        "detector": (
            f"{detector.rows} x {detector.columns}, guard ring {detector.guard_ring}, {detector.sample_bits} bit"
        ),
        "kernel, threshold": f"{settings.kernel.name}, {settings.edge_threshold} codes",
        "frames triggered": str(ledger.triggered),
        "frames received": str(ledger.received),
        "frames lost": f"{ledger.lost_on_link} on the link, {ledger.dropped_on_chip} dropped on chip",
        "pixels kept": f"{image.sum()} of {image.size} ({100 * image.mean():.1f} %)",
        "audit frames": f"{result.audited}, of {result.audited_pixels} pixels",
        "bits on the wire": f"{wire_bits} of {raw_bits} raw ({100 * wire_bits / raw_bits:.1f} %)",
        "mismatches against the golden model": (
            f"{result.mismatches} of {result.frame_pixels + result.audited_pixels} pixels"
        ),
        "frames per second, comparison included": f"{result.compared / result.seconds:.0f}",
    }


def passed(result: Scan, audit_period: int) -> bool:
    """Whether every frame came, audit frames with their pixels, and every pixel is the golden model's."""
    ledger = result.ledger
    whole = ledger.confirmed and ledger.received == ledger.triggered == result.compared
    whole = whole and result.audited == (-(-result.compared // audit_period) if audit_period else 0)
    return whole and not result.mismatches and not result.stitch.missing.any()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sim.demo", description=__doc__.partition("\n")[0])
    parser.add_argument("--image", type=Path, help="PNG, TIFF, DICOM or .npy (default: a real radiograph)")
    parser.add_argument("--kernel", choices=sorted(KERNELS), default="laplacian", help="(laplacian)")
    parser.add_argument(
        "--threshold", type=int, default=16, help="in codes of 12 bits; 16 is one grey level of 256 (16)"
    )
    parser.add_argument(
        "--device", metavar="URL", help="a board to upload to instead: /dev/ttyUSB1, socket://host:port"
    )
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder of the results (out/demo)")
    return parser.parse_args()


def run(
    image: Path | None, kernel: str, threshold: int, out: Path, console: Console, device: edgeray.Device | None = None
) -> bool:
    """Scan the image and write the results to `out`, which is replaced as a whole or left as it was.

    With `device` on that board, by uploading, else on a virtual one that is started for it.

    Returns `passed`. Raises SceneError, EdgerayError, BuildError, BoardError, OSError.
    """
    settings = Settings(kernel=KERNELS[kernel], edge_threshold=threshold, audit_period=AUDIT_PERIOD)
    if device is None:
        params = Params(kernel_size=max(Params.kernel_size, settings.kernel.size))
        detector: Detector = params
        start = on_virtual_board(params, settings, console)
    else:
        detector = device.detector
        settings = replace(settings, audit_period=AUDIT_PERIOD if device.read("audit_memory") else 0)
        start = on_device(device, settings)
    list(settings.registers(detector))  # raises where a setting is wrong, before anything is built
    path = image or radiograph()
    codes = to_codes(read_image(path), detector.sample_bits)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as name:
        folder = Path(name) / out.name
        folder.mkdir()
        result = scan(codes, detector, settings, start, folder / "capture.edgeray", console)
        figures = figures_of(result, detector, settings)
        stitch = result.stitch
        save_png(folder / "radiograph.png", grey(codes, codes.min(), codes.max()))
        save_png(folder / "edges.png", edge_image(stitch.values, stitch.kept))
        save_report(
            folder / "report.png",
            title=f"{path.name}: {len(stitch.mosaic)} windows of a {detector.rows} x {detector.columns} detector",
            radiograph=codes,
            values=stitch.values,
            kept=stitch.kept,
            threshold=threshold,
            figures=figures,
        )
        (folder / "figures.json").write_text(json.dumps({"image": path.name, **figures}, indent=2) + "\n")
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    table = Table(title=f"{path.name} -> {out}", show_header=False)
    for label, value in figures.items():
        table.add_row(label, value)
    console.print(table)
    if result.mismatches:
        console.print(f"first mismatch: {result.first_mismatch}")
    return passed(result, settings.audit_period)


def main() -> int:
    """0 where every frame came and equals the golden model, 1 otherwise; one sentence says why."""
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 100)
    try:
        with contextlib.ExitStack() as stack:
            device = stack.enter_context(edgeray.open(arguments.device)) if arguments.device else None
            if run(arguments.image, arguments.kernel, arguments.threshold, arguments.out, console, device):
                return 0
        print("demo: frames were lost or differ from the golden model; see the table", file=sys.stderr)
    except (SceneError, EdgerayError, BuildError, BoardError) as error:
        print(f"demo: {error}", file=sys.stderr)
    except OSError as error:
        print(f"demo: cannot write the results to {arguments.out}: {error.strerror}", file=sys.stderr)
    except KeyboardInterrupt:
        print("demo: interrupted, nothing was written", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())

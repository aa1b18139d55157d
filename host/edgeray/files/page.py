"""A run as one HTML page that needs nothing but a browser: pictures, rates, ledger, settings, calibration.

Summary -> [page] -> HTML (page.html.jinja), everything inline
"""

from datetime import datetime
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np

from edgeray.configuration import Configuration, setting_text
from edgeray.files.errors import FileWriteError, reason
from edgeray.files.layout import pixel_mask
from edgeray.files.pictures import GREY, MASKED, SIGNED, Picture, picture
from edgeray.files.reading import Run
from edgeray.files.summary import Summary, figures
from edgeray.protocol.registers import ReadoutMode
from edgeray.protocol.settings import Settings

WIDTH, HEIGHT = 640, 120
"""Of a curve, in the units of its drawing."""


def save(path: str | Path, run: Run, summary: Summary) -> None:
    """Write the page of `run`, which `summary` has followed, to `path`.

    Raises FileWriteError where it cannot be written, or a library is not installed.
    """
    try:
        Path(path).write_text(page(run, summary), encoding="utf-8")
    except OSError as error:
        raise FileWriteError(f"{str(path)!r} cannot be written: {reason(error)}") from None


def page(run: Run, summary: Summary) -> str:
    """The page as text."""
    try:
        from jinja2 import Environment, StrictUndefined
    except ModuleNotFoundError as error:
        raise FileWriteError(f"the page needs the library {error.name!r}: pip install 'edgeray[images]'") from None
    header, ledger = summary.header, summary.ledger
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = number
    template = environment.from_string(files("edgeray.files").joinpath("page.html.jinja").read_text(encoding="utf-8"))
    return template.render(
        name=run.path.name,
        title=(header.instrument.title if header.instrument else None) or run.path.name,
        version=version("edgeray"),
        written=datetime.now().astimezone(),
        bytes=run.path.stat().st_size,
        run=run,
        summary=summary,
        facts=figures(summary),
        ledger=ledger,
        saved=summary.frames,
        pictures=_pictures(summary),
        curves=_curves(summary),
        settings=_settings(summary),
        kernel=header.settings.kernel,
        raw=header.settings.readout_mode == ReadoutMode.RAW,
        instrument={} if header.instrument is None else header.instrument.said,
        calibration={} if header.calibration is None else header.calibration.summary(),
        width=WIDTH,
        height=HEIGHT,
    )


def number(value: object) -> str:
    """A number as people read it; anything else as text."""
    if isinstance(value, float):
        return f"{value:,.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _pictures(summary: Summary) -> list[Picture]:
    found, colours = [], GREY if summary.header.settings.readout_mode == ReadoutMode.RAW else SIGNED
    if summary.first is not None:
        found.append(picture("First frame", summary.first, colours, note="codes"))
        total = summary.total
        found.append(
            picture("Mean", summary.mean, colours, note=f"codes; the sum is {total.min():,} to {total.max():,}")
        )
    if summary.frames and summary.header.settings.readout_mode != ReadoutMode.RAW:
        found.append(
            picture("Edges", summary.counts, GREY, note=f"frames of {summary.frames:,} in which the pixel was kept")
        )
    mask = pixel_mask(summary.header)
    if mask.any():
        note = "guard ring" if summary.header.calibration is None else "bits of pixel_mask"
        found.append(picture("Pixel mask", mask, MASKED, note=note))
    return found


def _curves(summary: Summary) -> list[dict[str, object]]:
    """Rates over time as points of a polyline."""
    curve = summary.curve
    if len(curve.frames) < 2:
        return []
    # The last step has not ended when the last frame begins.
    frames, kept, octets = (each[:-1].astype(np.float64) for each in (curve.frames, curve.kept, curve.wire_bytes))
    pixels = np.maximum(frames, 1) * summary.total.size
    rates = {
        "Frames a second": frames / curve.step,
        "Pixels sent, per cent": 100 * kept / pixels,
        "Bytes a second on the link": octets / curve.step,
    }
    curves: list[dict[str, object]] = []
    for title, values in rates.items():
        high = float(values.max()) or 1.0
        across = np.linspace(0, WIDTH, len(values)) if len(values) > 1 else np.array([0.0, WIDTH])
        heights = np.resize(values, len(across))
        points = " ".join(f"{x:.1f},{HEIGHT - y / high * HEIGHT:.1f}" for x, y in zip(across, heights, strict=True))
        curves.append({"title": title, "points": points, "high": high, "mean": float(values.mean())})
    return curves


def _settings(summary: Summary) -> list[tuple[str, str, bool]]:
    """(name, value with its unit, whether it is another than the default) of every setting but the kernel."""
    header = summary.header
    said = Configuration.from_settings(header.settings, header.tick_rate).said
    rows = []
    for name, value in said.items():
        if name != "kernel":
            changed = getattr(header.settings, name) != getattr(Settings(), name)
            rows.append((name, setting_text(value), changed))
    return rows

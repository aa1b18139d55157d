"""Commands about files: inspect, convert.

.nxs, .edgeray -> Run -> tables, JSON, a page; another format
"""

from pathlib import Path
from typing import Annotated

import typer

from edgeray import files
from edgeray.cli.common import Exit, Json, console, emit, leave, table
from edgeray.cli.progress import ledger_table
from edgeray.configuration import Configuration, setting_text
from edgeray.files.summary import Summary, figures
from edgeray.ledger import Ledger
from edgeray.settings_file import text
from edgeray.units import shown

Source = Annotated[Path, typer.Argument(help="A data file: .nxs or .edgeray, or the .part that a broken run left.")]


def inspect(
    file: Source,
    html: Annotated[Path | None, typer.Option(help="Write a page of the run, complete in itself.")] = None,
    as_json: Json = False,
) -> None:
    """Print what a file holds: frames and what became of them, times, settings, calibration.

    Exit code 4 where frames or rows are missing.
    """
    summary = Summary()
    with files.read(file) as run:
        ledger = run.play(summary)
        if html is not None:
            from edgeray.files.page import save

            save(html, run, summary)
    header, found = summary.header, figures(summary)
    code = Exit.OK if ledger.complete and summary.frames == ledger.received else Exit.INCOMPLETE
    payload = {
        "file": file,
        "format": run.kind,
        **found,
        "settings": Configuration.from_settings(header.settings, header.tick_rate).said,
        "settings_text": text(header.settings, header.detector, header.tick_rate),
        "instrument": header.instrument,
        "calibration": None if header.calibration is None else header.calibration.summary(),
        "page": html,
        "exit_code": int(code),
    }
    rows, columns = header.frame_shape
    rate = found["frames_per_second"]
    facts = [
        ("file", f"{file}, {run.kind}"),
        ("source", header.source),
        ("series", f"{header.kind.name.lower()}, {header.settings.readout_mode.name} readout, {rows}x{columns}"),
        ("frames in the file", f"{summary.frames} ({summary.incomplete} incomplete, {summary.audits} audit frames)"),
        ("start", found["start_time"]),
        ("duration", shown(summary.duration, "s") + ("" if rate is None else f", {rate:.6g} frames/s")),
        ("pixels sent", f"{100 * found['kept_share']:.3g} %"),
        ("missing numbers", _ranges(summary)),
        ("counters", ", ".join(f"{name} {count}" for name, count in found["counters"].items() if count) or None),
    ]
    said = payload["settings"]
    settings = [(name, setting_text(value)) for name, value in said.items()]
    notes: dict[str, object] = {} if header.instrument is None else dict(header.instrument.said)
    notes |= {} if header.calibration is None else header.calibration.summary()
    tables = [table("", ("", ""), [(name, value) for name, value in facts if value is not None])]
    tables += [ledger_table(ledger, header.nimages, summary.duration), table("settings", ("", ""), settings)]
    tables += [table("instrument, calibration", ("", ""), notes.items())] if notes else []
    if not as_json:
        console.print(*tables, sep="\n")
    emit(payload, as_json, *([f"page: {html}"] if html else []))
    leave(code)


def _ranges(summary: Summary) -> str | None:
    told = [str(first) if first == last else f"{first}-{last}" for first, last in summary.missing[:10]]
    more = f", ... ({summary.gaps} gaps)" if summary.gaps > len(told) else ""
    return ", ".join(told) + more if told else None


def convert(
    source: Source,
    target: Annotated[Path, typer.Argument(help="New file: .nxs, .h5, .tif, .npz, or a folder/ of PNGs.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write a series in another format; of a broken run's .part, what was saved."""
    ledger: Ledger = files.convert(source, target, overwrite=overwrite)
    emit({"source": source, "target": target, "ledger": ledger, "exit_code": 0}, as_json, f"{target}: {ledger}")

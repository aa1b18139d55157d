"""What the screen shows of a series: a bar while it runs, the ledger when it is over."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.ledger import Ledger
from edgeray.series import SeriesHeader

INTERVAL = 0.1
"""Seconds from one look of the bar to the next."""


class ProgressBar(Consumer):
    """Follows a series on a terminal: frames, frames a second, frames that are missing so far."""

    def __init__(self, console: Console) -> None:
        self._bar = Progress(
            SpinnerColumn(),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.0f} frames/s"),
            TextColumn("{task.fields[missing]}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._frames, self._last, self._shown, self._started = 0, -1, 0.0, 0.0

    def begin(self, header: SeriesHeader) -> None:
        self._task = self._bar.add_task("", total=header.nimages or None, rate=0.0, missing="")
        self._started = time.monotonic()
        self._bar.start()

    def take(self, frames: Sequence[Frame]) -> None:
        self._frames += len(frames)
        if frames:
            self._last = frames[-1].image_id
        now = time.monotonic()
        if now - self._shown >= INTERVAL:
            self._shown = now
            missing = self._last + 1 - self._frames
            self._bar.update(
                self._task,
                completed=self._frames,
                rate=self._frames / max(now - self._started, 1e-9),
                missing=f"[red]{missing} missing[/red]" if missing > 0 else "",
            )

    def end(self, ledger: Ledger) -> None:
        self._bar.stop()


def ledger_table(ledger: Ledger, nimages: int, seconds: float) -> Table:
    """What became of every frame; what should not be is red."""
    shown = Table(title="ledger", title_justify="left", show_header=False)
    shown.add_column(no_wrap=True)
    shown.add_column(justify="right")
    shown.add_column()

    def row(name: str, count: int, meaning: str, *, bad: bool = False) -> None:
        shown.add_row(name, f"[red]{count}[/red]" if bad and count else str(count), meaning)

    if nimages:
        row("asked", nimages, "frames")
    told = "by the board's own count" if ledger.confirmed else "[red]not confirmed by the board[/red]"
    row("triggered", ledger.triggered, told)
    rate = f"{ledger.received / seconds:.0f} frames/s in {seconds:.2f} s" if seconds > 0 else ""
    row("= received", ledger.received, rate)
    row("+ dropped on chip", ledger.dropped_on_chip, "no room in the board's buffer", bad=True)
    row("+ lost on link", ledger.lost_on_link, "sent, but nothing of them could be used", bad=True)
    row("incomplete", ledger.incomplete, "received with rows missing", bad=True)
    row("CRC-bad packets", ledger.crc_bad, "why frames are lost or incomplete", bad=True)
    row("bytes", ledger.bytes, f"{ledger.bytes_skipped} of them skipped" if ledger.bytes_skipped else "on the link")
    return shown

"""What a run looks like: images over all frames, rates over time, figures; in one pass and bounded memory.

Run -> play -> [Summary] -> edgeray inspect, the page of a run
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.files.batch import Batch
from edgeray.files.times import FrameTimes, TimeSource, period
from edgeray.ledger import Ledger
from edgeray.meta import Meta
from edgeray.series import SeriesHeader

BINS = 256
"""Most points of a curve over time."""


@dataclass(frozen=True)
class Curve:
    """Sums over equal steps of time.

    step : seconds.
    frames, kept, wire_bytes : int64[n]: frames that began in the step, pixels and bytes that they sent.
    """

    step: float
    frames: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]
    wire_bytes: npt.NDArray[np.int64]


class Summary(Consumer):
    """Follows a series and adds up.

    Members (after the end)
    -------
    header, ledger : of the series.
    frames, incomplete, audits : how many.
    first : int16[rows, columns], the first complete frame; None where there is none.
    total : int64[rows, columns], sum of the complete frames.
    counts : int64[rows, columns], in how many frames the pixel was kept.
    missing : ranges of image_id that are not there, (first, last), the first MISSING of them; `gaps` is how many.
    first_tick, last_tick : of the frames' starts.
    measured : frames whose time META told.
    meta : the last META, which has the counters.
    """

    MISSING = 100

    def __init__(self) -> None:
        self.frames = self.incomplete = self.audits = self.measured = self.gaps = 0
        self.wire_bytes = self.kept = 0
        self.first: npt.NDArray[np.int16] | None = None
        self.missing: list[tuple[int, int]] = []
        self.first_tick: int | None = None
        self.last_tick = 0
        self.meta: Meta | None = None
        self.ledger = Ledger()
        self._expected = 0
        self._bins = np.zeros((3, BINS), np.int64)
        self._step = 1

    def begin(self, header: SeriesHeader) -> None:
        self.header = header
        self.total, self.counts = (np.zeros(header.frame_shape, np.int64) for _ in range(2))
        self._times = FrameTimes(period(header))

    def take(self, frames: Sequence[Frame]) -> None:
        frames = [frame for frame in frames if frame.values.shape == self.total.shape]
        if not frames:
            return
        batch = Batch.of(frames, self.meta)
        times = self._times.take(batch.image_ids, batch.metas)
        self.meta = batch.last_meta
        kept = np.stack([frame.kept for frame in frames])
        whole = batch.complete
        if self.first is None and whole.any():
            self.first = batch.values[whole][0].copy()
        self.total += batch.values[whole].sum(0, dtype=np.int64)
        self.counts += kept.sum(0)
        self._find_gaps(batch.image_ids)
        self.frames += len(batch)
        self.incomplete += int(np.count_nonzero(~whole))
        self.audits += len(batch.audits)
        # Of frames whose time is given again, the first time counts.
        ticks, source = times.ticks[times.back :], times.source[times.back :]
        self.measured += int(np.count_nonzero(source == TimeSource.MEASURED))
        sums = np.stack((np.ones(len(batch), np.int64), kept.sum((1, 2)), batch.wire_bytes.astype(np.int64)))
        self.kept += int(sums[1].sum())
        self.wire_bytes += int(sums[2].sum())
        self._put(ticks, sums)

    def end(self, ledger: Ledger) -> None:
        self.ledger = ledger

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """float64[rows, columns]: mean of the complete frames, codes."""
        return self.total / max(1, self.frames - self.incomplete)

    @property
    def duration(self) -> float:
        """Seconds from the start of the first frame to that of the last."""
        return (self.last_tick - (self.first_tick or 0)) / self.header.tick_rate if self.frames else 0.0

    @property
    def curve(self) -> Curve:
        """Sums over time, up to the last frame."""
        last = 0 if self.first_tick is None else (self.last_tick - self.first_tick) // self._step
        return Curve(self._step / self.header.tick_rate, *self._bins[:, : last + 1])

    def _find_gaps(self, image_ids: npt.NDArray[np.int64]) -> None:
        before = np.concatenate(([self._expected - 1], image_ids[:-1]))
        for place in np.flatnonzero(image_ids > before + 1).tolist():
            self.gaps += 1
            if len(self.missing) < self.MISSING:
                self.missing.append((int(before[place]) + 1, int(image_ids[place]) - 1))
        self._expected = int(image_ids[-1]) + 1

    def _put(self, ticks: npt.NDArray[np.int64], sums: npt.NDArray[np.int64]) -> None:
        """Add to the steps of time; they get twice as long when there are too many."""
        if self.first_tick is None:
            self.first_tick = int(ticks[0])
        self.last_tick = max(self.last_tick, int(ticks.max()))
        while (self.last_tick - self.first_tick) // self._step >= BINS:
            pairs = self._bins.reshape(3, BINS // 2, 2).sum(2)
            self._bins[:] = 0
            self._bins[:, : BINS // 2] = pairs
            self._step *= 2
        # A board that was reset begins at tick 0 again.
        places = np.maximum(ticks - self.first_tick, 0) // self._step
        for row, sum_ in zip(self._bins, sums, strict=True):
            np.add.at(row, places, sum_)


def figures(summary: Summary) -> dict[str, Any]:
    """What `summary` found, by name."""
    header, meta = summary.header, summary.meta
    counters = ("railed", "pga_saturated", "correction_saturated", "convolution_saturated")
    return {
        "source": header.source,
        "kind": header.kind,
        "detector": header.detector,
        "frame_shape": header.frame_shape,
        "frames": summary.frames,
        "incomplete": summary.incomplete,
        "audit_frames": summary.audits,
        "image_id_gaps": summary.gaps,
        "missing_image_ids": summary.missing,
        "start_time": None if summary.first_tick is None else header.time_of(summary.first_tick),
        "duration": summary.duration,
        "frames_per_second": (summary.frames - 1) / summary.duration if summary.duration else None,
        "times_measured": summary.measured,
        "epoch_uncertainty": header.epoch_uncertainty,
        "kept_share": summary.kept / max(1, summary.frames * summary.total.size),
        "wire_bytes": summary.wire_bytes,
        "counters": {} if meta is None else {name: getattr(meta, name) for name in counters},
        "tick_rate": header.tick_rate,
        "protocol_version": header.protocol_version,
        "register_map_hash": f"{header.register_map_hash:#010x}",
        "nimages": header.nimages,
        "ledger": summary.ledger,
    }

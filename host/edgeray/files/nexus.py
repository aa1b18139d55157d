"""HDF5/NeXus: the format that a series is kept in.

FrameWriter -> [NexusWriter] -> NAME.nxs, which h5py, silx, nexusformat and fabio open without help

While it is written the file is in HDF5's SWMR mode: readers can follow, and what was flushed outlives the process.
"""

from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from edgeray.files import layout
from edgeray.files.batch import NUMBERS, Batch
from edgeray.files.frame_writer import FrameWriter, Stored
from edgeray.files.h5 import Column, group
from edgeray.files.layout import COLLECTION, DETECTOR, LEDGER
from edgeray.files.times import Times, TimeSource
from edgeray.ledger import Ledger
from edgeray.meta import Meta
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.series import SeriesHeader

INCOMPLETE, AUDIT = 1, 2
"""Bits of frame_status."""
NANOSECONDS = 1_000_000_000


class NexusWriter(FrameWriter):
    """One series as a NeXus file; see `FrameWriter`, and docs/files.md for the layout."""

    def _open(self, header: SeriesHeader) -> None:
        # Readable from HDF5 1.10 on, which is the first that has SWMR.
        self._file = h5py.File(self._part.path, "w", libver=("v110", "v110"))
        try:
            self._create(header)
            self._file.flush()
        except BaseException:
            self._file.close()
            raise

    def _ballast(self, header: SeriesHeader) -> int:
        # A chunk of frames whose pixels are all edges: two bytes each, four as events, two in audit frames. As much
        # again may have got a place in the file and could not be written. And the columns without pixels.
        pixels = header.detector.rows * header.detector.columns
        return (1 << 20) + 2 * self._chunk * pixels * (2 + 4 + 2)

    def _create(self, header: SeriesHeader) -> None:
        file, self._series = self._file, header
        layout.create(file, header)
        detector, collection = file[DETECTOR], file[COLLECTION]
        rows, columns = header.frame_shape
        chunk = self._chunk
        self._data = Column(detector, "data", "i2", (rows, columns), rows=chunk, interpretation="image", units="code")
        self._per_frame = {
            "start_time": Column(detector, "start_time", "f8", units="s", long_name="time (s)"),
            "sequence_number": Column(detector, "sequence_number", "i8"),
            "image_key": Column(detector, "image_key", "u1"),
            "frame_status": Column(collection, "frame_status", "u1", bits="1: rows missing, 2: audit frame"),
            "time_source": Column(
                collection, "time_source", "u1",
                values=", ".join(f"{one.value}: {one.name.lower()}" for one in TimeSource),
            ),
            "wire_bytes": Column(collection, "wire_bytes", "u4"),
            "rows_received": Column(collection, "rows_received", "u1", (rows,)),
        }  # fmt: skip
        metas = group(collection, "meta", "NXcollection")
        self._metas = {name: Column(metas, name, "i8") for name in NUMBERS}
        audit = group(detector, "audit", "NXcollection")
        whole = header.detector.rows, header.detector.columns
        self._audit = {
            "pixels": Column(audit, "pixels", "u2", whole, rows=max(1, chunk // 8)),
            "image_id": Column(audit, "image_id", "i8"),
            "pixel_rows_received": Column(audit, "rows_received", "u1", whole[:1]),
        }
        self._events = self._event_columns(header)
        data = group(file["entry"], "data", "NXdata", signal="data", axes=["frame_time", ".", "."])
        data.attrs["frame_time_indices"] = 0
        for name, source in (("data", self._data), ("frame_time", self._per_frame["start_time"])):
            data[name] = source.dataset
            source.dataset.attrs["target"] = source.dataset.name
        self._first_tick: int | None = None
        self._last_tick: int | None = None
        self._last_meta: Meta | None = None
        self._next = self._incomplete = 0
        self._notes = {name: collection[name] for name in (*LEDGER, "n_saved", "ledger_confirmed", "finished")}
        self._noted: dict[str, Any] = {}
        self._written = dict.fromkeys(("frames", "metas", "audits", "events"), 0)

    def _event_columns(self, header: SeriesHeader) -> dict[str, Column]:
        """Columns of events; none where every pixel is kept."""
        settings = header.settings
        if settings.readout_mode == ReadoutMode.RAW or settings.threshold_mode == ThresholdMode.OFF:
            return {}
        events = group(self._file["entry/instrument"], "edge_events", "NXevent_data")
        rows = 16 * self._chunk
        pixels = header.frame_shape[0] * header.frame_shape[1]
        return {
            "event_id": Column(events, "event_id", np.min_scalar_type(pixels - 1), rows=rows, units=""),
            "pulse_height": Column(
                events, "pulse_height", "i2", rows=rows, units="", long_name="kernel response (codes)"
            ),
            "event_time_offset": Column(events, "event_time_offset", "u1", rows=rows, units="ns"),
            "event_index": Column(events, "event_index", "i8", units=""),
            "event_time_zero": Column(events, "event_time_zero", "i8", units="ns"),
        }

    def _start(self, tick: int, generation: int) -> None:
        """The first frame's time is that which the others count from; then nothing can be added, but to columns."""
        start = layout.time_text(self._series.time_of(tick))
        self._file["entry/start_time"][()] = start.encode()
        self._file[COLLECTION]["generation"][()] = generation
        self._per_frame["start_time"].dataset.attrs["start"] = start
        if self._events:
            self._events["event_time_zero"].dataset.attrs["offset"] = start
        self._file.swmr_mode = True
        self._first_tick = tick

    def _write(self, batch: Batch, times: Times) -> None:
        if self._written["frames"] > self.frames:
            return  # a Ctrl-C came between the writing and the counting
        first = int(times.ticks[0]) if self._first_tick is None else self._first_tick
        if self._first_tick is None:
            self._start(first, batch.generation)
        at, earlier = self.frames, self.frames - times.back
        ticks = times.ticks - first
        status = np.where(batch.complete, 0, INCOMPLETE).astype(np.uint8)
        status[np.isin(batch.image_ids, [frame.image_id for frame in batch.audits])] |= AUDIT
        self._data.put(at, batch.values)
        columns: tuple[tuple[str, int, Any], ...] = (
            ("start_time", earlier, ticks / self._series.tick_rate),
            ("time_source", earlier, times.source),
            ("sequence_number", at, batch.image_ids),
            ("image_key", at, batch.image_key(self._series.kind)),
            ("frame_status", at, status),
            ("wire_bytes", at, batch.wire_bytes),
            ("rows_received", at, batch.rows_received),
        )
        for name, place, values in columns:
            self._per_frame[name].put(place, values)
        for name, column in self._metas.items():
            column.put(self._written["metas"], [getattr(meta, name) for _, meta in batch.metas])
        for name, column in self._audit.items() if batch.audits else ():
            column.put(self._written["audits"], np.stack([getattr(frame, name) for frame in batch.audits]))
        events = self._write_events(batch, earlier, ticks) if self._events else 0
        self._file.flush()
        # Should anything above fail, the same is written to the same places again.
        self._written = {
            "frames": at + len(batch),
            "metas": self._written["metas"] + len(batch.metas),
            "audits": self._written["audits"] + len(batch.audits),
            "events": self._written["events"] + events,
        }
        self._last_meta, self._last_tick = batch.last_meta, int(times.ticks[-1])
        self._next = max(self._next, int(batch.image_ids.max()) + 1)
        self._incomplete += len(batch) - int(batch.complete.sum())
        # The mark that frames are there comes after them.
        self._note(self._so_far(at + len(batch)), finished=False)
        self._file.flush()

    def _write_events(self, batch: Batch, earlier: int, ticks: npt.NDArray[np.int64]) -> int:
        """Write the pixels that are not 0; returns how many there are."""
        flat, pixels = batch.values.ravel(), batch.values[0].size
        places = np.flatnonzero(flat != 0)  # of booleans: five times as fast as of numbers
        count, first = len(places), self._written["events"]
        counts = np.diff(np.searchsorted(places, np.arange(len(batch) + 1) * pixels))
        self._events["event_id"].put(first, places % pixels)
        self._events["pulse_height"].put(first, flat[places])
        self._events["event_time_offset"].extend(first + count)
        self._events["event_index"].put(self.frames, first + np.cumsum(counts) - counts)
        self._events["event_time_zero"].put(earlier, np.rint(ticks * (NANOSECONDS / self._series.tick_rate)))
        return count

    def _so_far(self, frames: int) -> Stored:
        """The ledger as far as `frames` frames tell it."""
        dropped = 0 if self._last_meta is None else self._last_meta.dropped
        ledger = Ledger(
            triggered=max(self._next, frames + dropped), received=frames, dropped_on_chip=dropped,
            incomplete=self._incomplete,
        )  # fmt: skip
        return Stored(ledger, frames)

    def _close(self, stored: Stored) -> None:
        try:
            self._truncate(stored.frames)
            self._note(stored, finished=True)
            self._measured_frame_time()
        finally:
            self._file.close()

    def _truncate(self, frames: int) -> None:
        """Take away what was written half when writing failed."""
        lengths = dict.fromkeys(("event_index", "event_time_zero"), frames)
        for column in (self._data, *self._per_frame.values()):
            column.extend(frames)
        for columns, kind in ((self._metas, "metas"), (self._audit, "audits"), (self._events, "events")):
            for name, column in columns.items():
                column.extend(lengths.get(name, self._written[kind]))

    def _note(self, stored: Stored, *, finished: bool) -> None:
        """Write the ledger as it is, as far as it changed."""
        values: dict[str, Any] = {name: getattr(stored.ledger, member) for name, member in LEDGER.items()}
        values |= {"n_saved": stored.frames, "ledger_confirmed": stored.ledger.confirmed, "finished": finished}
        for name, value in values.items():
            if self._noted.get(name, 0) != value:
                self._notes[name][()] = self._noted[name] = value
        if self._last_tick is not None:
            moment = self._series.time_of(self._last_tick + self._series.settings.count_time)
            for name in ("end_time", "end_time_estimated"):
                if name in self._file["entry"]:
                    self._file["entry"][name][()] = layout.time_text(moment).encode()

    def _measured_frame_time(self) -> None:
        """Where the settings leave the period to the board, write what it was."""
        ids, ticks = (self._metas[name].dataset[()] for name in ("image_id", "timestamp"))
        if self._series.settings.frame_time or len(ids) < 2 or ids[-1] <= ids[0]:
            return
        detector = self._file[DETECTOR]
        frame_time = float(ticks[-1] - ticks[0]) / float(ids[-1] - ids[0]) / self._series.tick_rate
        detector["frame_time"][()] = frame_time
        detector["dead_time"][()] = max(0.0, frame_time - float(detector["count_time"][()]))

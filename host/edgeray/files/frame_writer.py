"""What all writers of frames share: the part file, frames in chunks, and an orderly end whatever ended the series.

Capture or Replay -> begin, take ..., end -> [FrameWriter] -> open, write ..., close of a format
"""

import time
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.files.batch import Batch, same_settings
from edgeray.files.errors import FileWriteError, reason
from edgeray.files.part import Part
from edgeray.files.times import FrameTimes, Times, period
from edgeray.ledger import Ledger
from edgeray.meta import Meta
from edgeray.series import SeriesHeader

FLUSH_INTERVAL = 1.0
"""Seconds after which frames that arrived are on the disk at the latest (when more frames, or none, are given)."""
CHUNK_BYTES = 1 << 19
CHUNK_FRAMES = 256
SLOW_CHUNK_FRAMES = 16
_ROOM = 1 << 18
"""Bytes that the end of a file takes beside its last frames."""


@dataclass(frozen=True)
class Stored:
    """What a file holds at its end.

    ledger : of the series.
    frames : in the file; `ledger.received` counts more where writing failed.
    """

    ledger: Ledger
    frames: int


class FrameWriter(Consumer):
    """Writes one series to one file; a format overrides `_open`, `_write`, `_close`.

    Parameters
    ----------
    path : of the file; it is `NAME.part` until the series is over.
    overwrite : replace a file that is there.

    Members
    -------
    frames : how many are in the file.

    Raises (from begin, take, end)
    ------
    FileWriteError : the file cannot be made; or it could not be written on, or the frames are not all of one
        configuration. What came before is in the file all the same.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path, self.overwrite = Path(path), overwrite
        self.frames = 0
        self._header: SeriesHeader | None = None
        self._waiting: list[Frame] = []
        self._meta: Meta | None = None
        self._batched: Meta | None = None
        self._pending: tuple[Batch, Times] | None = None
        self._begun = self._failed = False
        self._last_write = 0.0

    def begin(self, header: SeriesHeader) -> None:
        if self._begun:
            raise FileWriteError(f"{str(self.path)!r} holds one series: make another writer for the next one")
        self._begun = True
        rows, columns = header.frame_shape
        self._chunk = chunk_frames(header)
        self._frame_bytes = 2 * rows * columns
        self._times = FrameTimes(period(header))
        self._part = Part(self.path, overwrite=self.overwrite, ballast=self._ballast(header))
        try:
            self._open(header)
        except BaseException as error:
            self._part.discard()
            if isinstance(error, OSError | RuntimeError):
                raise FileWriteError(f"{str(self.path)!r} cannot be written: {reason(error)}") from None
            raise
        self._header, self._last_write = header, time.monotonic()

    def take(self, frames: Sequence[Frame]) -> None:
        if self._failed or self._header is None:
            return
        fit = self._fitting(frames, self._header)
        self._waiting += frames[:fit]
        try:
            while len(self._waiting) >= self._room_in_chunk:
                self._put(self._room_in_chunk)
            if time.monotonic() - self._last_write >= FLUSH_INTERVAL:
                self._put(len(self._waiting))
        except (OSError, RuntimeError) as error:
            self._failed = True
            raise FileWriteError(
                f"{str(self.path)!r} could not be written on: {reason(error)}; frames after the first {self.frames} "
                "may be missing"
            ) from None
        except FileWriteError:
            self._failed = True
            raise
        if fit < len(frames):
            self._failed = True
            raise FileWriteError(
                f"frame {frames[fit].image_id} was taken with other settings than those before it: a file holds one "
                f"configuration, and {str(self.path)!r} what came before"
            )

    def end(self, ledger: Ledger) -> None:
        if self._header is None:
            return
        self._header = None
        self._part.release()
        failure: Exception | None = None
        # What could not be written before has the room of the ballast now.
        while failure is None and (self._pending or self._waiting):
            try:
                self._put(min(self._chunk, len(self._waiting)))
            except (OSError, RuntimeError) as error:
                failure = error
        try:
            self._close(Stored(ledger, self.frames))
            self._part.finish()
        except (OSError, RuntimeError) as error:
            raise FileWriteError(f"{str(self._part.path)!r} could not be ended: {reason(error)}") from None
        if failure is not None and not self._failed:
            raise FileWriteError(
                f"{str(self.path)!r} holds {self.frames} of {ledger.received} frames: {reason(failure)}"
            )

    def _fitting(self, frames: Sequence[Frame], header: SeriesHeader) -> int:
        """How many of `frames` are of the file's configuration, from the first on."""
        for place, frame in enumerate(frames):
            meta, before = frame.meta, self._meta
            if meta is before:
                continue
            if before is None:
                if meta.shape != header.frame_shape:
                    self._failed = True
                    raise FileWriteError(
                        f"{str(self.path)!r} was begun for frames of {header.frame_shape}, but frame "
                        f"{frame.image_id} has {meta.shape}: other settings were in force"
                    )
            elif not same_settings(meta, before):
                return place
            self._meta = meta
        return len(frames)

    @property
    def _room_in_chunk(self) -> int:
        return self._chunk - self.frames % self._chunk

    def _room(self, frames: int) -> int:
        """Bytes that so many frames take, and what is told of them."""
        return _ROOM + 2 * frames * (self._frame_bytes + 64)

    def _ballast(self, header: SeriesHeader) -> int:
        """Bytes that the end of a file takes at most, with the frames that wait."""
        return self._room(self._chunk)

    def _put(self, count: int) -> None:
        """Write what could not be written the last time or, where there is none, the first `count` that wait."""
        if self._pending is None:
            if not count:
                return
            batch = Batch.of(list(islice(self._waiting, count)), self._batched)
            self._batched = batch.last_meta
            self._pending = batch, self._times.take(batch.image_ids, batch.metas)
            del self._waiting[:count]
        batch, times = self._pending
        if self._header is not None:
            self._part.require(self._room(len(batch)))
        self._write(batch, times)
        self._pending = None
        self.frames += len(batch)
        self._last_write = time.monotonic()

    @abstractmethod
    def _open(self, header: SeriesHeader) -> None:
        """Make the file at `self._part.path`. OSError, RuntimeError are made FileWriteErrors of."""

    @abstractmethod
    def _write(self, batch: Batch, times: Times) -> None:
        """Put the frames of `batch` at place `self.frames`, so that they outlive this process. Errors as in `_open`.

        After an error it is called once more, with the same frames and more room.
        """

    @abstractmethod
    def _close(self, stored: Stored) -> None:
        """End the file. Errors as in `_open`."""


def chunk_frames(header: SeriesHeader) -> int:
    """Frames that are written at a time: many, but not more than come in some seconds, or fit CHUNK_BYTES."""
    rows, columns = header.frame_shape
    most = max(1, min(CHUNK_FRAMES, CHUNK_BYTES // (2 * rows * columns)))
    ticks = period(header)
    if ticks:
        # A chunk that is flushed before it is full is written again.
        most = min(most, max(SLOW_CHUNK_FRAMES, int(4 * FLUSH_INTERVAL * header.tick_rate / ticks)))
    return most

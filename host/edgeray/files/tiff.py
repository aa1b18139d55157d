"""Multi-page TIFF: a page a frame, int16 as they are.

FrameWriter -> [TiffWriter] -> NAME.tif

ImageDescription of page 0 has settings and ledger as JSON, that of the first page of every chunk the numbers and times
of its frames.
"""

import json
from typing import Any, BinaryIO

import tifffile

from edgeray.files.batch import Batch
from edgeray.files.facts import FrameTable, facts
from edgeray.files.frame_writer import FrameWriter, Stored
from edgeray.files.times import Times
from edgeray.series import SeriesHeader

LARGEST = 1 << 31
"""Bytes up to which a series that is as long as was asked for is a classic TIFF; others are BigTIFF."""
LARGEST_CLASSIC = (1 << 32) - (1 << 26)
"""Bytes of a classic TIFF, less what tells of its pages."""


class TiffWriter(FrameWriter):
    """One series as a TIFF of many pages; see `FrameWriter`."""

    def _open(self, header: SeriesHeader) -> None:
        bytes_ = header.nimages * (self._frame_bytes + 256)
        self._series = header
        self._first_text: dict[str, Any] = {}
        self._file: BinaryIO = self._part.path.open("r+b")
        self._large = not 0 < bytes_ < LARGEST
        self._tiff = tifffile.TiffWriter(self._file, bigtiff=self._large)

    def _write(self, batch: Batch, times: Times) -> None:
        if not self._large and self._file.tell() + batch.values.nbytes > LARGEST_CLASSIC:
            raise OSError(f"a classic TIFF ends at {LARGEST_CLASSIC} bytes; write .nxs")
        # Times of frames in earlier chunks stay as they were known then.
        told = {"frames": self._chunk_table(batch, times)}
        if not self.frames:
            told = self._first_text = {"edgeray": facts(self._series, None), **told}
        self._tiff.write(
            batch.values, photometric="minisblack", metadata=None, description=json.dumps(told), software="edgeray"
        )
        self._file.flush()

    def _chunk_table(self, batch: Batch, times: Times) -> dict[str, Any]:
        table = FrameTable(self._series)
        table.add(batch, Times(0, times.ticks[times.back :], times.source[times.back :]))
        return {"start": table.start, **{name: each.tolist() for name, each in table.arrays().items()}}

    def _close(self, stored: Stored) -> None:
        try:
            self._tiff.close()
        finally:
            self._file.close()
        if stored.frames:
            text = json.dumps({**self._first_text, "edgeray": facts(self._series, stored)})
            tifffile.tiffcomment(self._part.path, text.encode())

"""NPZ: arrays for NumPy, compressed.

FrameWriter -> [NpzWriter] -> NAME.npz: data, image_id, start_time, image_key, facts (JSON text)

While the series is under way `NAME.npz.part` is an .npy file of the frames, which `numpy.load` reads.
"""

import json
from typing import Any

import numpy as np

from edgeray.files.batch import Batch
from edgeray.files.errors import FileWriteError, reason
from edgeray.files.facts import FrameTable, facts
from edgeray.files.frame_writer import FrameWriter, Stored
from edgeray.files.times import Times
from edgeray.series import SeriesHeader


class NpzWriter(FrameWriter):
    """One series as an NPZ; see `FrameWriter`. At the end the frames are on the disk twice for a moment."""

    def _open(self, header: SeriesHeader) -> None:
        self._series, self._table = header, FrameTable(header)
        self._file = self._part.path.open("w+b", buffering=0)
        self._describe(0)
        self._start = self._file.tell()

    def _describe(self, frames: int) -> None:
        """Write the head of an array of so many frames; NumPy leaves room in it for more digits."""
        self._file.seek(0)
        shape = (frames, *self._series.frame_shape)
        described = {"descr": "<i2", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, described)

    def _write(self, batch: Batch, times: Times) -> None:
        octets = memoryview(batch.values.astype("<i2").tobytes())
        self._file.seek(self._start + self.frames * self._frame_bytes)
        while octets:
            octets = octets[self._file.write(octets) :]
        self._describe(self.frames + len(batch))
        self._table.add(batch, times)

    def _close(self, stored: Stored) -> None:
        try:
            self._describe(stored.frames)  # fewer than were written, where writing failed
            self._file.truncate(self._start + stored.frames * self._frame_bytes)
        finally:
            self._file.close()
        # A file without a frame cannot be mapped.
        data = np.load(self._part.path, mmap_mode="r" if stored.frames else None)
        text = json.dumps({**facts(self._series, stored), "start": self._table.start})
        arrays: dict[str, Any] = {"data": data, "facts": np.array(text), **self._table.arrays()}
        packed = self._part.path.with_name(f"{self._part.path.name}.npz")
        try:
            np.savez_compressed(packed, **arrays)
            packed.replace(self._part.path)
        except OSError as error:
            packed.unlink(missing_ok=True)
            raise FileWriteError(
                f"{str(self.path)!r} could not be packed: {reason(error)}; {str(self._part.path)!r} is an .npy file of "
                f"its {stored.frames} frames"
            ) from None

"""A folder of 16-bit PNGs, one a frame, and a side file in JSON with settings, ledger, numbers and times.

FrameWriter -> [PngWriter] -> FOLDER/STEM_000000.png ..., FOLDER/STEM.json

A kernel response r is stored as r + 32768 (the side file's `zero`), for PNG has no negative samples; pixels of raw
readout are stored as they are.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from edgeray.files.batch import Batch
from edgeray.files.errors import FileWriteError, reason
from edgeray.files.facts import FrameTable, facts
from edgeray.files.frame_writer import FrameWriter, Stored
from edgeray.files.part import SUFFIX
from edgeray.files.times import Times
from edgeray.protocol.registers import ReadoutMode
from edgeray.series import SeriesHeader

ZERO = 1 << 15
"""Sample of a kernel response of 0."""


class PngWriter(FrameWriter):
    """One series as PNGs; the side file is `STEM.json.part` until the series is over. See `FrameWriter`.

    Parameters
    ----------
    path : a folder (then STEM is "frame"), or FOLDER/STEM.png. The folder is made where there is none.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        path = Path(path)
        folder, stem = (path.parent, path.stem) if path.suffix.lower() == ".png" else (path, "frame")
        super().__init__(folder / f"{stem}.json", overwrite=overwrite)
        self._stem = stem

    def begin(self, header: SeriesHeader) -> None:
        folder = self.path.parent
        try:
            folder.mkdir(exist_ok=True)
            there = sorted(folder.glob(f"{self._stem}_*.png"))
            if there and not self.overwrite:
                raise FileWriteError(
                    f"{str(folder)!r} has {len(there)} pictures {self._stem}_*.png: take another name, or overwrite"
                )
            for one in there:
                one.unlink()
        except OSError as error:
            raise FileWriteError(f"{str(folder)!r} cannot be written to: {reason(error)}") from None
        super().begin(header)

    def _open(self, header: SeriesHeader) -> None:
        self._series, self._table = header, FrameTable(header)
        self._zero = 0 if header.settings.readout_mode == ReadoutMode.RAW else ZERO
        self._save(None)

    def _write(self, batch: Batch, times: Times) -> None:
        samples = (batch.values.astype(np.int32) + self._zero).astype(np.uint16)
        for place, picture in enumerate(samples, self.frames):
            name = self.path.with_name(f"{self._stem}_{place:06d}.png")
            unfinished = name.with_name(name.name + SUFFIX)
            try:
                Image.fromarray(picture).save(unfinished, format="PNG")
                unfinished.replace(name)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
        self._table.add(batch, times)

    def _close(self, stored: Stored) -> None:
        self._save(stored)

    def _save(self, stored: Stored | None) -> None:
        said = {**facts(self._series, stored), "zero": self._zero, "start": self._table.start}
        said["frames"] = {name: each.tolist() for name, each in self._table.arrays().items()}
        self._part.path.write_text(json.dumps(said, indent=1), encoding="utf-8")

"""What formats without a layout of their own say of a series: one object, as JSON, and a row for each frame.

SeriesHeader, Batch, Times -> [facts, FrameTable] -> ImageDescription of a TIFF, side file of PNGs, arrays of an NPZ
"""

from array import array
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import numpy.typing as npt

import edgeray.settings_file
from edgeray.files.batch import Batch
from edgeray.files.frame_writer import Stored
from edgeray.files.layout import time_text
from edgeray.files.times import Times
from edgeray.ledger import Ledger
from edgeray.series import SeriesHeader

FORMAT = "edgeray frames 1"


def facts(header: SeriesHeader, stored: Stored | None) -> dict[str, Any]:
    """What can be said of the series in JSON; `stored` is None as long as it is under way."""
    said = {
        "format": FORMAT,
        "source": header.source,
        "kind": header.kind.name,
        "detector": {one.name: int(getattr(header.detector, one.name)) for one in fields(header.detector)},
        "tick_rate": header.tick_rate,
        "protocol_version": header.protocol_version,
        "register_map_hash": header.register_map_hash,
        "nimages": header.nimages,
        "settings": edgeray.settings_file.text(header.settings, header.detector, header.tick_rate),
        "finished": stored is not None,
    }
    if header.instrument is not None:
        said["instrument"] = header.instrument.model_dump(exclude_none=True)
    if header.calibration is not None:
        said["calibration"] = header.calibration.summary()
    if stored is not None:
        said["ledger"] = ledger_facts(stored.ledger)
        said["n_saved"] = stored.frames
    return said


def ledger_facts(ledger: Ledger) -> dict[str, int | bool]:
    """The ledger by its members' names."""
    return {**asdict(ledger), "lost_on_link": ledger.lost_on_link}


class FrameTable:
    """What is known of every frame beside its pixels; 17 bytes each, for as long as the series is.

    start : ISO 8601, UTC, of the first frame; "" before it.
    """

    def __init__(self, header: SeriesHeader) -> None:
        self._header = header
        self._image_id, self._start_time, self._image_key = array("q"), array("d"), array("B")
        self._first: int | None = None
        self.start = ""

    def add(self, batch: Batch, times: Times) -> None:
        """Take the next frames."""
        if self._first is None:
            self._first = int(times.ticks[0])
            self.start = time_text(self._header.time_of(self._first))
        seconds = (times.ticks - self._first) / self._header.tick_rate
        del self._start_time[len(self._start_time) - times.back :]
        self._start_time.extend(seconds.tolist())
        self._image_id.extend(batch.image_ids.tolist())
        self._image_key.extend(batch.image_key(self._header.kind).tolist())

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Name -> array[n]: image_id, start_time (s from `start`), image_key (3: rows are missing)."""
        return {
            "image_id": np.array(self._image_id, np.int64),
            "start_time": np.array(self._start_time, np.float64),
            "image_key": np.array(self._image_key, np.uint8),
        }

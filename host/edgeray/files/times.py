"""When frames began: META tells it of every `meta_period`-th frame, and what lies between follows from those.

numbers of frames and METAs, batch by batch -> [FrameTimes] -> ticks of every frame, and how well they are known
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeray.decoder import unwrap
from edgeray.meta import Meta
from edgeray.protocol.registers import TriggerMode
from edgeray.series import SeriesHeader

TAIL = 4096
"""Most frames behind the latest META whose times wait for the next one."""


class TimeSource(IntEnum):
    """Where the time of a frame comes from."""

    MEASURED = 0
    INTERPOLATED = 1
    EXTRAPOLATED = 2


class Times(NamedTuple):
    """Times of consecutive frames.

    back : how many of them were given before, and are now better known.
    ticks : int64[back + n], from reset of the board.
    source : uint8[back + n], TimeSource.
    """

    back: int
    ticks: npt.NDArray[np.int64]
    source: npt.NDArray[np.uint8]


class FrameTimes:
    """Ticks at the start of frames.

    Between two METAs the frames are taken to be as far apart as their numbers; after the last META as far as they were
    before it, or, as long as there was one META only, `period` ticks. When the next META comes, the times of the frames
    since the last one (of TAIL at most) are given again.

    Parameters
    ----------
    period : ticks from frame to frame, as far as settings tell.
    """

    def __init__(self, period: float) -> None:
        self._period = period
        self._point: tuple[int, int] | None = None
        self._tail = np.zeros(0, np.int64)

    def take(self, image_ids: npt.NDArray[np.int64], metas: Sequence[tuple[int, Meta]]) -> Times:
        """Times of the next frames; `metas` are (place in `image_ids`, META from there on) of those that are new.

        The first frames of all come with a META.
        """
        points = [] if self._point is None else [self._point]
        for place, meta in metas:
            point = unwrap(meta.image_id, int(image_ids[place])), meta.timestamp
            if points and point[0] <= points[-1][0]:
                # A board that was reset, or numbers that began again: what was before tells nothing.
                points, self._tail = [], self._tail[:0]
            points.append(point)
        ids = np.concatenate((self._tail, image_ids))
        known, ticks = (np.array(each, np.int64) for each in zip(*points, strict=True))
        if len(points) > 1:
            self._period = (points[-1][1] - points[-2][1]) / (points[-1][0] - points[-2][0])
        found = ticks[0] + np.interp(ids, known, ticks - ticks[0])
        beyond = ids > known[-1]
        found[beyond] = ticks[-1] + (ids[beyond] - known[-1]) * self._period
        source = np.full(len(ids), TimeSource.INTERPOLATED, np.uint8)
        source[beyond] = TimeSource.EXTRAPOLATED
        source[np.isin(ids, known)] = TimeSource.MEASURED
        back, self._point = len(self._tail), points[-1]
        self._tail = ids[beyond] if np.count_nonzero(beyond) <= TAIL else ids[:0]
        return Times(back, np.rint(found).astype(np.int64), source)


def period(header: SeriesHeader) -> float:
    """Ticks from frame to frame as far as the settings tell: at least the exposure; 0 for triggers from elsewhere."""
    settings = header.settings
    if settings.trigger_mode != TriggerMode.INTERNAL:
        return 0.0
    return float(max(settings.frame_time, settings.count_time))

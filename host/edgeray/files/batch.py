"""Many frames as arrays, which is how files are written quickly.

Frames of a series, all of one configuration -> [Batch] -> arrays
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from edgeray.decoder import Frame
from edgeray.meta import Meta
from edgeray.series import FrameKind

COUNTERS = ("dropped", "railed", "pga_saturated", "correction_saturated", "convolution_saturated")
"""Fields of META that count within a series."""
NUMBERS = ("image_id", "timestamp", *COUNTERS)
"""Fields of META that change from one to the next of the same settings."""
INVALID = 3
"""image_key of a frame that has rows missing."""
_SETTINGS = tuple(one.name for one in fields(Meta) if one.name not in NUMBERS)


def same_settings(one: Meta, other: Meta) -> bool:
    """Whether two METAs tell of the same detector and settings."""
    # What was decoded from the same settings shares its coding.
    return one.raw_coding is other.raw_coding or all(getattr(one, name) == getattr(other, name) for name in _SETTINGS)


@dataclass(frozen=True)
class Batch:
    """Arrays of n frames.

    image_ids : int64[n].
    values : int16[n, rows, columns].
    complete : bool[n].
    rows_received : uint8[n, rows], 1 where the row arrived.
    wire_bytes : uint32[n].
    metas : (place, META) for every frame whose META is another than that of the frame before.
    last_meta : of the last frame.
    generation : of the first frame.
    audits : the frames that carry pixels.
    """

    image_ids: npt.NDArray[np.int64]
    values: npt.NDArray[np.int16]
    complete: npt.NDArray[np.bool_]
    rows_received: npt.NDArray[np.uint8]
    wire_bytes: npt.NDArray[np.uint32]
    metas: list[tuple[int, Meta]]
    last_meta: Meta
    generation: int
    audits: list[Frame]

    @classmethod
    def of(cls, frames: Sequence[Frame], before: Meta | None) -> "Batch":
        """`frames`, of one shape; `before` is the META of the frame before them."""
        count = len(frames)
        complete = np.fromiter((frame.complete for frame in frames), np.bool_, count)
        rows_received = np.ones((count, frames[0].values.shape[0]), np.uint8)
        for place in np.flatnonzero(~complete).tolist():
            rows_received[place] = frames[place].rows_received
        metas = []
        for place, frame in enumerate(frames):
            if frame.meta is not before:
                before = frame.meta
                metas.append((place, before))
        return cls(
            np.fromiter((frame.image_id for frame in frames), np.int64, count),
            np.stack([frame.values for frame in frames]),
            complete,
            rows_received,
            np.fromiter((frame.wire_bytes for frame in frames), np.uint32, count),
            metas,
            frames[-1].meta,
            frames[0].generation,
            [frame for frame in frames if frame.pixels is not None],
        )

    def image_key(self, kind: FrameKind) -> npt.NDArray[np.uint8]:
        """uint8[n]: what the frames show as NeXus counts it; INVALID where rows are missing."""
        return np.where(self.complete, int(kind), INVALID).astype(np.uint8)

    def __len__(self) -> int:
        return len(self.image_ids)

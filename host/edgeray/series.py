"""What is known of a series of frames before its first one arrives: the header that files and viewers begin with.

board's registers, the host's clock, what the user said -> SeriesHeader -> every Consumer
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING

from edgeray.protocol.detector import Detector
from edgeray.protocol.settings import Settings

if TYPE_CHECKING:
    from edgeray.calibration import Calibration
    from edgeray.instrument import Instrument


class FrameKind(IntEnum):
    """What a series was exposed to; the values are those of NeXus' image_key."""

    IMAGE = 0
    FLAT = 1
    DARK = 2


@dataclass(frozen=True, kw_only=True)
class SeriesHeader:
    """One series, before its frames.

    source : URL of the board, or name of the capture file that is replayed.
    detector, settings : of the board, in force for this series.
    tick_rate : ticks a second of every time in settings and META.
    protocol_version, register_map_hash : of the board.
    nimages : frames asked for; 0: until ended.
    epoch : time at tick 0 of the board, seconds since 1970-01-01 UTC by the host's clock.
    epoch_uncertainty : half the time that it took to ask the board for its ticks, seconds; NaN where `epoch` is a guess
        from a file's date.
    kind : what the detector was exposed to.
    calibration : whose correction table the board applies; None: none, or one that this host does not know.
    instrument : what the user says of detector, beam and sample; None: nothing.
    """

    source: str
    detector: Detector
    settings: Settings
    tick_rate: int
    protocol_version: int
    register_map_hash: int
    nimages: int
    epoch: float
    epoch_uncertainty: float
    kind: FrameKind = FrameKind.IMAGE
    calibration: "Calibration | None" = None
    instrument: "Instrument | None" = None

    @property
    def frame_shape(self) -> tuple[int, int]:
        """(rows, columns) of the frames."""
        return self.settings.frame_shape(self.detector)

    def time_of(self, ticks: float) -> datetime:
        """UTC at `ticks` of the board."""
        return datetime.fromtimestamp(self.epoch + ticks / self.tick_rate, UTC)

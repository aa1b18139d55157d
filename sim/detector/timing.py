"""The gateware's times, in seconds, as the readout chip feels them.

Settings in ticks -> [Timing.of] -> integration, period, settling -> front_end, lag
"""

from dataclasses import dataclass

from edgeray.protocol.detector import Detector
from edgeray.protocol.settings import Settings
from sim.detector.errors import positive


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Times of a frame.

    Parameters
    ----------
    integration_s : from the reset sample to the signal sample.
    period_s : from frame to frame; None is integration_s, frames without a gap.
    row_settle_s, column_settle_s : the column lines' time after a row select, and after each column select.
    """

    integration_s: float
    period_s: float | None = None
    row_settle_s: float = 1e-6
    column_settle_s: float = 1e-6

    def __post_init__(self) -> None:
        positive(self.integration_s, "integration_s", "s")
        positive([self.row_settle_s, self.column_settle_s], "settling times", "s", zero=True)
        if self.period_s is not None:
            positive(self.period_s, "period_s", "s")

    @property
    def frame_s(self) -> float:
        """From frame to frame."""
        return self.integration_s if self.period_s is None else self.period_s

    @classmethod
    def of(cls, settings: Settings, detector: Detector, tick_rate: float) -> "Timing":
        """What `settings` make of a clock of `tick_rate` hertz, as `hdl.scan` counts: strobes of 0 ticks last one.

        With frame_time 0 the period is the exposure and the reading of the array, a pixel each column_settle_time + 1
        ticks; what the link makes a frame wait is not in it.
        """
        tick = 1 / float(positive(tick_rate, "tick_rate", "Hz"))
        once = [
            settings.reset_time, settings.gap_time, settings.sample_reset_time, settings.count_time,
            settings.sample_signal_time, settings.gap_time,
        ]  # fmt: skip
        row = settings.row_settle_time + detector.columns * (settings.column_settle_time + 1)
        busy = sum(max(1, each) for each in once) + detector.rows * row
        return cls(
            integration_s=max(1, settings.count_time) * tick,
            period_s=(settings.frame_time or busy) * tick,
            row_settle_s=settings.row_settle_time * tick,
            column_settle_s=(settings.column_settle_time + 1) * tick,
        )

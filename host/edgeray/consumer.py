"""Who follows a series beside the caller that iterates over it: files, live views, statistics.

link -> Capture -> Consumer, Consumer, ...; the same for a replayed file
"""

from collections.abc import Sequence

from edgeray.decoder import Frame
from edgeray.ledger import Ledger
from edgeray.series import SeriesHeader


class Consumer:
    """Follows one series; override what is needed. All calls come from the thread that runs the capture.

    A consumer that raises an EdgerayError ends the series: its frame under way is finished, every consumer is told the
    end, and the caller gets the error.
    """

    def begin(self, header: SeriesHeader) -> None:
        """A series is about to be armed; an error here stops it before the first exposure."""

    def take_bytes(self, chunk: bytes) -> None:
        """Bytes as they came on the link, before they are decoded."""

    def take(self, frames: Sequence[Frame]) -> None:
        """The next frames, in order; none, now and then, while the link is silent.

        They are the same objects that others get, so do not write to their arrays.
        A frame's arrays may share memory with many others: copy those that are kept for long.
        """

    def end(self, ledger: Ledger) -> None:
        """The series is over, however it ended; called once after `begin`, also where `begin` or `take` raised."""

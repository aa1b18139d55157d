"""Packets -> frames -> whoever follows: what a live capture and the replay of a file share.

Splitter -> packets -> [Intake] -> frames for the caller
                          +------> consumers, the ledger
"""

from collections import deque
from collections.abc import Callable, Sequence

from edgeray.consumer import Consumer
from edgeray.decoder import Decoder, Frame, unwrap
from edgeray.errors import EdgerayError
from edgeray.ledger import Ledger
from edgeray.series import SeriesHeader
from edgeray.splitter import Packet, SkipCounts


class Intake:
    """What a series leaves at the host: frames not yet taken, and the ledger.

    Parameters
    ----------
    counts : of the splitter that makes the packets.
    consumers : who follow; each `begin` is answered by one `end`.

    Members
    -------
    frames : not yet taken by the caller.
    packets : taken so far.
    failure : the first EdgerayError that a consumer raised; it follows no longer, the others do.
    """

    def __init__(self, counts: SkipCounts, consumers: Sequence[Consumer] = ()) -> None:
        self.ledger = Ledger()
        self.decoder = Decoder(self.ledger)
        self.frames: deque[Frame] = deque()
        self.packets = 0
        self.failure: EdgerayError | None = None
        self._waiting: list[Packet] = []
        self._consumers, self._begun, self._following = tuple(consumers), list[Consumer](), list[Consumer]()
        self._counts = counts
        self._damaged, self._skipped = counts.crc_bad + counts.header_bad, counts.bytes_skipped

    @property
    def is_followed(self) -> bool:
        """Whether there are consumers."""
        return bool(self._consumers)

    @property
    def wants_bytes(self) -> bool:
        """Whether a consumer takes the bytes of the link."""
        return any(type(one).take_bytes is not Consumer.take_bytes for one in self._consumers)

    def begin(self, header: SeriesHeader) -> None:
        """Tell the consumers of the series. Raises what one of them raises."""
        for one in self._consumers:
            self._begun.append(one)
            one.begin(header)
        self._following = list(self._begun)

    def take_bytes(self, chunk: bytes) -> None:
        self._tell(lambda one: one.take_bytes(chunk))
        self.ledger.bytes += len(chunk)

    def take_packet(self, packet: Packet) -> None:
        self.packets += 1
        self._waiting.append(packet)

    def decode(self) -> None:
        """Make frames of the packets taken: of many at once, which is quicker."""
        packets, self._waiting = self._waiting, []
        self._deliver(self.decoder.accept_all(packets))

    def flush(self) -> None:
        """Make frames of all packets taken; none will follow."""
        self.decode()
        self._deliver(self.decoder.flush())

    def tick(self) -> None:
        """The link is silent: tell the consumers, of no frames."""
        self._tell(lambda one: one.take(()))

    def _deliver(self, frames: list[Frame]) -> None:
        self.frames += frames
        if frames and self._following:
            self._tell(lambda one: one.take(frames))

    def _tell(self, call: Callable[[Consumer], None]) -> None:
        for one in tuple(self._following):
            try:
                call(one)
            except EdgerayError as error:
                self._following.remove(one)
                self.failure = self.failure or error

    def settle(self) -> Ledger:
        """The ledger with what the splitter skipped since the series began."""
        self.ledger.crc_bad = self._counts.crc_bad + self._counts.header_bad - self._damaged
        self.ledger.bytes_skipped = self._counts.bytes_skipped - self._skipped
        return self.ledger

    def confirm(self, triggered: int, dropped: int) -> None:
        """Close the ledger with the board's own counts; the registers hold them modulo 2**32."""
        self.ledger.triggered = unwrap(triggered, self.ledger.triggered)
        self.ledger.dropped_on_chip, self.ledger.confirmed = dropped, True
        self.settle()

    def conclude(self, ending: BaseException | None) -> None:
        """Tell the end to every consumer that was told the begin, once; `ending` is what ended the series, if anything.

        Raises the first error that comes of it, or makes it a note of `ending` where that is an error.
        """
        ledger, failure = self.settle(), None
        begun, self._begun, self._following = self._begun, [], []
        for one in begun:
            try:
                one.end(ledger)
            except Exception as error:  # whatever it is, the files of the others are to be ended
                failure = failure or error
        if failure is not None and (ending is None or isinstance(ending, GeneratorExit)):
            raise failure
        if failure is not None and ending is not None and failure is not ending:
            ending.add_note(str(failure))

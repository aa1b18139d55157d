"""One series of frames: arm, yield what arrives, end, close the ledger."""

import contextlib
import time
from collections import deque
from collections.abc import Generator, Iterator
from enum import Enum
from typing import TYPE_CHECKING, BinaryIO

from edgeray.closing import Closing
from edgeray.decoder import Decoder, Frame, unwrap
from edgeray.errors import CaptureFileError, DeviceTimeout, EdgerayError
from edgeray.ledger import Ledger
from edgeray.protocol.registers import STATE_BITS, TriggerMode
from edgeray.splitter import Packet, SkipCounts

if TYPE_CHECKING:
    from edgeray.device import Device

POLL_INTERVAL = 0.25
"""Seconds of silence after which the board is asked whether it is still at work."""
QUIET = 0.5
"""Seconds without a byte after which a board that is no longer armed has sent all it had."""
MARGIN = 5.0
FRAMES_PATIENCE = 10
IDLE_LIMIT = 10.0

_BUSY = 1 << STATE_BITS.offset("busy")
_AT_WORK = sum(1 << STATE_BITS.offset(name) for name in ("armed", "busy", "apply_pending", "unsent"))


class DefaultTimeout(Enum):
    """Stands for the time-out that follows from the settings."""

    DEFAULT = "default"


DEFAULT = DefaultTimeout.DEFAULT


class Series:
    """What a series leaves at the host: frames not yet taken, and the ledger."""

    def __init__(self, counts: SkipCounts, record: BinaryIO | None = None) -> None:
        self.ledger = Ledger()
        self.decoder = Decoder(self.ledger)
        self.frames: deque[Frame] = deque()
        self.packets = 0
        self._waiting: list[Packet] = []
        self.failure: CaptureFileError | None = None
        self._counts, self._record = counts, record
        self._damaged, self._skipped = counts.crc_bad + counts.header_bad, counts.bytes_skipped

    def take_bytes(self, chunk: bytes) -> None:
        self.ledger.bytes += len(chunk)
        if self._record is None:
            return
        try:
            self._record.write(chunk)
        except OSError as error:
            # From here on nothing is recorded; what was is a good file. The bytes are still decoded before it is told.
            self._record = None
            before = self.ledger.bytes - len(chunk)
            self.failure = CaptureFileError(f"the recording stopped after {before} bytes: {error}")

    def take_packet(self, packet: Packet) -> None:
        self.packets += 1
        self._waiting.append(packet)

    def decode(self) -> None:
        """Make frames of the packets taken: of many at once, which is quicker."""
        packets, self._waiting = self._waiting, []
        self.frames += self.decoder.accept_all(packets)

    def flush(self) -> None:
        """Make frames of all packets taken; none will follow."""
        self.decode()
        self.frames += self.decoder.flush()

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


class Capture(Closing, Iterator[Frame]):
    """Iterator over the frames of a series, armed when it is made; a context manager.

    Ends after the series. Closing it earlier (also by `with`, an exception, or letting go of it) disarms the board
    and completes the ledger. Frames are the decoder's: incomplete ones are yielded too, with `complete` False.

    Members
    -------
    ledger : Ledger, confirmed when the iteration is over.

    Raises (while iterating)
    ------
    DeviceTimeout : no frame came in time, or the board stopped answering; says which.
    LinkError : the link broke.
    CaptureFileError : the recording could not be written.
    """

    def __init__(
        self, device: "Device", nimages: int, timeout: float | DefaultTimeout | None, record: BinaryIO | None
    ) -> None:
        series = Series(device.channel.splitter.counts, record)
        self._series = series
        device.ledger = series.ledger
        patience = _default_timeout(device) if isinstance(timeout, DefaultTimeout) else timeout
        self._frames = _run(device, series, nimages, patience)
        next(self._frames)

    @property
    def ledger(self) -> Ledger:
        return self._series.settle()

    @property
    def ready(self) -> bool:
        """Whether a frame is there that the next step of the iteration does not wait for."""
        self._series.decode()
        return bool(self._series.frames)

    def __next__(self) -> Frame:
        frame = next(self._frames)
        assert frame is not None
        return frame

    def close(self) -> None:
        """End the series now. Frames that were not taken yet are gone, but count as received."""
        self._frames.close()


def _run(device: "Device", series: Series, nimages: int, patience: float | None) -> Generator[Frame | None, None, None]:
    """Yields None once the board is armed, then frames. Refers to no Capture, so that letting go of one ends it."""
    channel, finished = device.channel, False
    try:
        _stop_stale(device)
        channel.on_packet, channel.on_bytes = series.take_packet, series.take_bytes
        # A reply that is lost does not start the series over: the board acts on it once.
        device.command("apply", "arm")
        yield None
        silence = since_poll = 0.0
        while True:
            # What came while a command was waited for is there already.
            series.decode()
            while series.frames:
                yield series.frames.popleft()
            # The clock runs while the link is waited for, not while the caller has the frame.
            begin, packets = time.monotonic(), series.packets
            channel.pump(POLL_INTERVAL)
            series.decode()
            if series.failure is not None:
                raise series.failure
            waited = time.monotonic() - begin
            silence, since_poll = (silence + waited, since_poll + waited) if packets == series.packets else (0.0, 0.0)
            last_seen = bool(nimages) and packets != series.packets and series.ledger.triggered >= nimages
            if last_seen or since_poll >= POLL_INTERVAL:
                since_poll = 0.0
                state = _state(device, series, nimages)
                if not state & _AT_WORK:
                    break
                if patience is not None and silence >= patience:
                    raise DeviceTimeout(_stalled(series, nimages, state), silence)
        finished = True
        _collect(device, series)
        _detach(device)
        while series.frames:
            yield series.frames.popleft()
    finally:
        if not finished:
            # What ended the capture is what the caller is to hear of, not what the clean-up meets.
            with contextlib.suppress(EdgerayError):
                device.command("disarm", tries=1)
                _wait_idle(device)
                _collect(device, series)
        _detach(device)
        series.decode()
        series.settle()


def _detach(device: "Device") -> None:
    device.channel.on_packet = device.channel.on_bytes = None


def _stop_stale(device: "Device") -> None:
    """End a series that an earlier program left behind, and let its frames run out."""
    if device.read("state") & _AT_WORK:
        device.disarm()
        _wait_idle(device)
        device.channel.drain(QUIET, IDLE_LIMIT)


def _wait_idle(device: "Device") -> None:
    """Wait for the end of the frame under way; DeviceTimeout where it does not come."""
    limit = IDLE_LIMIT + (_default_timeout(device) or 0.0)
    end = time.monotonic() + limit
    while device.read("state") & _AT_WORK:
        if time.monotonic() >= end:
            raise DeviceTimeout("the board was disarmed but is still busy with its frame", limit)
        device.channel.pump(0.01)


def _state(device: "Device", series: Series, nimages: int) -> int:
    try:
        return device.read("state")
    except DeviceTimeout as error:
        raise DeviceTimeout(
            f"the board stopped answering after {_progress(series, nimages)} ({error.stalled})", error.seconds
        ) from None


def _collect(device: "Device", series: Series) -> None:
    """After the series: take what is still on its way, and close the ledger with the board's counts."""
    triggered, dropped = device.read("triggered"), device.read("dropped")
    series.decode()
    if series.ledger.received < unwrap(triggered, series.ledger.triggered) - dropped:
        device.channel.drain(QUIET, IDLE_LIMIT)
        series.flush()
    series.confirm(triggered, dropped)


def _default_timeout(device: "Device") -> float | None:
    """Seconds: a margin and some frames' duration as the settings make it (an upper bound); None unless INTERNAL."""
    value = device.setting
    if value("trigger_mode") != TriggerMode.INTERNAL:
        return None
    detector = device.detector
    strobes = sum(value(name) for name in ("reset_time", "sample_reset_time", "sample_signal_time"))
    pixel = value("column_settle_time") + detector.kernel_size**2
    rows = detector.rows * (value("row_settle_time") + detector.columns * pixel)
    ticks = max(value("frame_time"), strobes + 2 * value("gap_time") + value("count_time") + rows)
    return MARGIN + FRAMES_PATIENCE * ticks / device.tick_rate


def _progress(series: Series, nimages: int) -> str:
    return f"{series.ledger.received} of {nimages or 'unlimited'} frames"


def _stalled(series: Series, nimages: int, state: int) -> str:
    doing = "busy with a frame" if state & _BUSY else "armed and waits for a trigger"
    return f"no frame came after {_progress(series, nimages)}; the board answers and is {doing}"

"""One series of frames: arm, yield what arrives, end, close the ledger."""

import contextlib
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Self

from edgeray.closing import Closing
from edgeray.consumer import Consumer
from edgeray.decoder import Frame, unwrap
from edgeray.errors import DeviceTimeout, EdgerayError, LinkError
from edgeray.intake import Intake
from edgeray.ledger import Ledger
from edgeray.protocol.registers import STATE_BITS, TriggerMode
from edgeray.replay_channel import ReplayChannel
from edgeray.series import FrameKind, SeriesHeader
from edgeray.state import State

if TYPE_CHECKING:
    from edgeray.device import Device
    from edgeray.instrument import Instrument

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


@dataclass
class _Orders:
    """What another thread, or a signal's handler, wants of a capture that is under way."""

    cancel: bool = False
    abort: bool = False


class Capture(Closing, Iterator[Frame]):
    """Iterator over the frames of a series, armed when it is made; a context manager, also an asynchronous one of both.

    Ends after the series. Closing it earlier (also by `with`, an exception, or letting go of it) disarms the board
    and completes the ledger. Frames are the decoder's: incomplete ones are yielded too, with `complete` False.

    Members
    -------
    nimages : frames asked for; 0: until ended.
    ledger : Ledger, confirmed when the iteration is over.

    Raises (while iterating)
    ------
    DeviceTimeout : no frame came in time, or the board stopped answering; says which.
    LinkError : the link broke.
    EdgerayError : a consumer failed; of a recording, CaptureFileError.
    """

    def __init__(
        self,
        device: "Device",
        nimages: int,
        timeout: float | DefaultTimeout | None,
        consumers: Sequence[Consumer],
        header: SeriesHeader | None,
    ) -> None:
        intake = Intake(device.channel.splitter.counts, consumers)
        self.nimages = nimages
        self._intake, self._orders = intake, _Orders()
        device.ledger = intake.ledger
        patience = _default_timeout(device) if isinstance(timeout, DefaultTimeout) else timeout
        self._frames = _run(device, intake, nimages, patience, header, self._orders)
        next(self._frames)

    @property
    def ledger(self) -> Ledger:
        return self._intake.settle()

    @property
    def complete(self) -> bool:
        """Every frame that was asked for, and every one triggered, was received with all its rows."""
        ledger = self.ledger
        return ledger.complete and ledger.received >= self.nimages

    @property
    def ready(self) -> bool:
        """Whether a frame is there that the next step of the iteration does not wait for."""
        self._intake.decode()
        return bool(self._intake.frames)

    def __next__(self) -> Frame:
        frame = next(self._frames)
        assert frame is not None
        return frame

    def run(self) -> Ledger:
        """Take all frames, for the consumers alone; returns the ledger. Raises what iterating raises."""
        for _ in self._frames:
            pass
        return self.ledger

    def cancel(self) -> None:
        """End the series after the frame under way; the iteration goes on to the last frame that the board sends.

        Only notes the wish, so that another thread, or a signal's handler, may call it; it is met within
        POLL_INTERVAL while the iteration waits for frames.
        """
        self._orders.cancel = True

    def abort(self) -> None:
        """End the iteration now; what the board still sends is lost, and the ledger stays unconfirmed. See `cancel`."""
        self._orders.abort = True

    def close(self) -> None:
        """End the series now. Frames that were not taken yet are gone, but count as received."""
        self._frames.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        import asyncio  # who has an event loop has it already; others are spared it

        if not self._intake.frames:
            waiting = asyncio.create_task(asyncio.to_thread(next, self._frames, None))
            try:
                frame = await asyncio.shield(waiting)
            except asyncio.CancelledError:
                # The thread cannot be stopped; it looks at the orders.
                self.abort()
                with contextlib.suppress(EdgerayError):
                    await waiting
                raise
        else:
            frame = next(self._frames, None)
        if frame is None:
            raise StopAsyncIteration
        return frame

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import asyncio

        await asyncio.to_thread(self.close)


def header_of(device: "Device", nimages: int, kind: FrameKind, instrument: "Instrument | None") -> SeriesHeader:
    """What the consumers of the next series are told: settings and clock are read from the board."""
    if isinstance(device.channel, ReplayChannel):
        return device.channel.header(nimages)
    settings = device.settings
    epoch, uncertainty = _epoch(device)
    return SeriesHeader(
        source=device.url,
        detector=device.detector,
        settings=settings,
        tick_rate=device.tick_rate,
        protocol_version=device.identity.protocol_version,
        register_map_hash=device.identity.register_map_hash,
        nimages=nimages,
        epoch=epoch,
        epoch_uncertainty=uncertainty,
        kind=kind,
        calibration=device.calibration if settings.correction_enabled else None,
        instrument=instrument,
    )


def _epoch(device: "Device") -> tuple[float, float]:
    """Host's time at tick 0 of the board, and half of the time that it took to ask; s."""
    begin = time.time()
    ticks = device.ticks()
    half = (time.time() - begin) / 2
    return begin + half - ticks / device.tick_rate, half


_Frames = Generator[Frame | None, None, None]


def _run(
    device: "Device",
    intake: Intake,
    nimages: int,
    patience: float | None,
    header: SeriesHeader | None,
    orders: _Orders,
) -> _Frames:
    """Yields None once the board is armed, then frames. Refers to no Capture, so that letting go of one ends it."""
    channel, finished = device.channel, False
    ending: BaseException | None = None
    try:
        _stop_stale(device)
        if header is not None:
            intake.begin(header)
        channel.on_packet, channel.on_bytes = intake.take_packet, intake.take_bytes
        if intake.wants_bytes:
            device.read_all()
        # A reply that is lost does not start the series over: the board acts on it once.
        device.command("apply", "arm")
        internal = device.setting("trigger_mode") == TriggerMode.INTERNAL
        device.state = State.ACQUIRE if internal else State.READY
        yield None
        yield from _frames(device, intake, nimages, patience, orders)
        finished = not orders.abort
        if finished:
            yield from _last_frames(device, intake)
    except BaseException as error:
        ending = error
        raise
    finally:
        if not finished:
            # What ended the capture is what the caller is to hear of, not what the clean-up meets.
            with contextlib.suppress(EdgerayError):
                device.command("disarm", tries=1)
                if not orders.abort:
                    _wait_idle(device)
                    _collect(device, intake)
        _detach(device)
        intake.decode()
        device.state = _state_after(ending)
        intake.conclude(ending)


def _frames(
    device: "Device", intake: Intake, nimages: int, patience: float | None, orders: _Orders
) -> Generator[Frame, None, None]:
    """Frames until the board is no longer at work."""
    channel = device.channel
    silence = since_poll = 0.0
    is_cancelled = False
    while True:
        # What came while a command was waited for is there already.
        intake.decode()
        while intake.frames:
            yield intake.frames.popleft()
        if intake.failure is not None:
            raise intake.failure
        if orders.abort:
            return
        if orders.cancel and not is_cancelled:
            device.disarm()
            is_cancelled, since_poll = True, POLL_INTERVAL
        # The clock runs while the link is waited for, not while the caller has the frame.
        begin, packets = time.monotonic(), intake.packets
        channel.pump(POLL_INTERVAL if since_poll < POLL_INTERVAL else 0.0)
        intake.decode()
        waited = time.monotonic() - begin
        if packets == intake.packets:
            silence, since_poll = silence + waited, since_poll + waited
            intake.tick()
        else:
            silence, since_poll = 0.0, since_poll if is_cancelled else 0.0
            device.state = State.ACQUIRE
        last_seen = bool(nimages) and packets != intake.packets and intake.ledger.triggered >= nimages
        if last_seen or since_poll >= POLL_INTERVAL:
            since_poll = 0.0
            state = _state(device, intake, nimages)
            if not state & _AT_WORK:
                return
            if patience is not None and silence >= patience:
                raise DeviceTimeout(_stalled(intake, nimages, state), silence)


def _last_frames(device: "Device", intake: Intake) -> Generator[Frame, None, None]:
    """Close the ledger, and yield what is left."""
    failure: EdgerayError | None = None
    try:
        _collect(device, intake)
    except EdgerayError as error:
        failure = error
    _detach(device)
    intake.decode()
    while intake.frames:
        yield intake.frames.popleft()
    failure = failure or intake.failure
    if failure is not None:
        raise failure


def _state_after(ending: BaseException | None) -> State:
    if isinstance(ending, LinkError):
        return State.NA
    return State.ERROR if isinstance(ending, EdgerayError) else State.IDLE


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


def _state(device: "Device", intake: Intake, nimages: int) -> int:
    try:
        return device.read("state")
    except DeviceTimeout as error:
        raise DeviceTimeout(
            f"the board stopped answering after {_progress(intake, nimages)} ({error.stalled})", error.seconds
        ) from None


def _collect(device: "Device", intake: Intake) -> None:
    """After the series: take what is still on its way, and close the ledger with the board's counts."""
    triggered, dropped = device.read("triggered"), device.read("dropped")
    intake.decode()
    if intake.ledger.received < unwrap(triggered, intake.ledger.triggered) - dropped:
        device.channel.drain(QUIET, IDLE_LIMIT)
        intake.flush()
    intake.confirm(triggered, dropped)


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


def _progress(intake: Intake, nimages: int) -> str:
    return f"{intake.ledger.received} of {nimages or 'unlimited'} frames"


def _stalled(intake: Intake, nimages: int, state: int) -> str:
    doing = "busy with a frame" if state & _BUSY else "armed and waits for a trigger"
    return f"no frame came after {_progress(intake, nimages)}; the board answers and is {doing}"

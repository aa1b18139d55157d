"""How many bits does a link get wrong? Random words to a register and back, and frames that are known beforehand.

    words  -> WRITE table_index -> board -> REPLY -> the same word?      both directions
    frames <- self-test pattern <- board                                 from the board, under CRC

A wrong bit does not arrive as a wrong value: the CRC of its packet fails, and the packet is missing. So exchanges are
counted that were not answered, and the rate follows from how many bits an exchange has: with `p` wrong bits a bit,
independent of each other, an exchange of `n` bits survives with a probability of (1 - p)**n.
"""

import contextlib
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from edgeray.channel import Channel, Command
from edgeray.device import Device
from edgeray.errors import DeviceTimeout, LinkError
from edgeray.ledger import Ledger
from edgeray.protocol.packets import OVERHEAD, REPLY, WRITE_SIZE, PacketType
from edgeray.protocol.registers import BY_NAME, ReadoutMode, SampleSource
from edgeray.protocol.settings import Settings
from edgeray.selftest import SelfTest

CONFIDENCE = 0.95
WINDOW = 8
"""Commands under way at once, as in `edgeray.channel`."""
REPLY_PATIENCE = 0.25
"""Seconds that the last replies are waited for: a latency timer's 16 ms many times over."""
STUBBORN_TRIES = 10
MOST_LOST = 0.05
"""Part of the exchanges above which no frames are tried: few would arrive whole, and settings might not."""
TRIAL_FRAMES = 8
"""Of the first series, which shows how many the link takes a second."""
MOST_FRAMES = 100_000
_SILENT_ROUNDS = 3
_SEED = 5
_WORD = BY_NAME["table_index"]

EXCHANGE_BITS = 8 * (OVERHEAD + WRITE_SIZE + OVERHEAD + REPLY.size)
"""Bits of a write and its reply; start and stop bits are not counted."""


@dataclass(frozen=True)
class ErrorRate:
    """Units of data (exchanges, packets) of which some were damaged.

    units : that were sent.
    damaged : of these, those that did not arrive as they were sent.
    bits : of all units together.
    """

    units: int
    damaged: int
    bits: int

    @property
    def estimate(self) -> float:
        """Wrong bits a bit, the most likely value; NaN where nothing was sent."""
        return self._rate(self.damaged / self.units) if self.units else math.nan

    @property
    def upper(self) -> float:
        """One-sided 95 % upper bound of the bit error rate; where no unit was damaged, about 3 / bits."""
        return self._rate(clopper_pearson(self.damaged, self.units, 1 - 2 * (1 - CONFIDENCE))[1])

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Two-sided interval of the bit error rate: Clopper's and Pearson's of the damaged units, made one of bits."""
        low, high = clopper_pearson(self.damaged, self.units, confidence)
        return self._rate(low), self._rate(high)

    def _rate(self, damaged: float) -> float:
        """Bit error rate at which that part of the units is damaged: 1 - (1 - damaged)**(units / bits)."""
        if damaged >= 1:
            return 1.0
        return -math.expm1(math.log1p(-damaged) * self.units / self.bits)


@dataclass(frozen=True)
class BitErrors:
    """What a link test found.

    words : exchanges, both directions.
    wrong_words : replies whose CRC was right and whose value was not the one written: no link error.
    to_board : commands that the board threw away for a wrong CRC or length during the exchanges (`command_errors`).
    rejected : packets and headers from the board with a wrong CRC during the exchanges.
    word_seconds : duration of the exchanges.
    latency, worst_latency : seconds from a single command to its reply, median and largest.
    frames : pattern frames; None where they were left out, or the link is too bad for them.
    wrong_values : pixels and kernel responses that are not the pattern's, in frames that arrived whole.
    throughput : bytes a second from the board in the last series of frames; NaN without frames.
    """

    words: ErrorRate
    wrong_words: int
    to_board: int
    rejected: int
    word_seconds: float
    latency: float
    worst_latency: float
    frames: ErrorRate | None = None
    wrong_values: int = 0
    throughput: float = math.nan

    @property
    def bits(self) -> int:
        return self.words.bits + (self.frames.bits if self.frames else 0)

    @property
    def damaged(self) -> int:
        return self.words.damaged + (self.frames.damaged if self.frames else 0)

    @property
    def upper(self) -> float:
        """95 % upper bound of the bit error rate: of all bits where none was wrong, else the larger of the two."""
        if not self.damaged:
            return ErrorRate(1, 0, self.bits).upper
        return max(one.upper for one in (self.words, self.frames) if one is not None)


def clopper_pearson(hits: int, trials: int, confidence: float) -> tuple[float, float]:
    """Exact two-sided interval of a probability of which `hits` of `trials` were seen.

    Clopper and Pearson, Biometrika 26 (1934) 404: `hits` or more come with a probability of (1 - confidence) / 2 at the
    lower end, `hits` or fewer at the upper end.
    """
    tail = (1 - confidence) / 2
    if not trials:
        return 0.0, 1.0
    low = 0.0 if not hits else _solve(lambda p: 1 - _at_most(hits - 1, trials, p) < tail)
    high = 1.0 if hits == trials else _solve(lambda p: _at_most(hits, trials, p) > tail)
    return low, high


def _solve(is_below: Callable[[float], bool]) -> float:
    """Where `is_below` turns from true to false between 0 and 1."""
    low, high = 0.0, 1.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2


def _at_most(hits: int, trials: int, p: float) -> float:
    """Probability of at most `hits` of `trials`, each with the probability `p`: the binomial distribution's sum."""
    if p <= 0 or p >= 1:
        return 1.0 if p <= 0 or hits >= trials else 0.0
    count = np.arange(1, hits + 1)
    steps = np.log(trials - count + 1) - np.log(count) + math.log(p) - math.log1p(-p)
    terms = trials * math.log1p(-p) + np.concatenate(([0.0], np.cumsum(steps)))
    return float(min(1.0, np.exp(terms).sum()))


def bit_error_test(device: Device, seconds: float = 2.0, *, frames: bool = True) -> BitErrors:
    """Test the link for about `seconds`: half of it exchanges of words, half of it pattern frames, where wanted.

    The board's settings and `table_index` are what they were afterwards. A series under way is ended, and the counts of
    the latest series become those of the test's.

    Raises LinkError where the link broke, or is none; DeviceTimeout, CommandRefused where the board cannot be set up.
    """
    channel = device.channel
    if not isinstance(channel, Channel):
        raise LinkError(f"{device.url!r} is a recording: it has no link to test")
    share = seconds / 2 if frames else seconds
    with _stubborn(channel) as ask:
        before, errors = ask("table_index"), ask("command_errors")
        rejected = _rejected(channel)
        exchanges = _Exchanges(channel)
        exchanges.run(0.1 * share, window=1)
        latencies, exchanges.latencies = sorted(exchanges.latencies), []
        exchanges.run(0.9 * share, window=WINDOW)
        # A read of the channel's comes first: its next write cannot pass for a repetition of the last one above.
        to_board = (ask("command_errors") - errors) % (BY_NAME["command_errors"].maximum + 1)
        rejected = _rejected(channel) - rejected
        ask("table_index", before)
    words = ErrorRate(exchanges.sent, exchanges.sent - exchanges.answered, exchanges.sent * EXCHANGE_BITS)
    found = BitErrors(
        words=words,
        wrong_words=exchanges.wrong,
        to_board=to_board,
        rejected=rejected,
        word_seconds=exchanges.seconds,
        latency=latencies[len(latencies) // 2] if latencies else math.nan,
        worst_latency=latencies[-1] if latencies else math.nan,
    )
    if not frames or words.damaged > MOST_LOST * words.units:
        return found
    try:
        with device.keeping_settings():
            return _with_frames(device, found, share)
    except DeviceTimeout:
        if not words.damaged:
            raise
        return found


@contextlib.contextmanager
def _stubborn(channel: Channel) -> Iterator[Callable[..., int]]:
    """Gives a call that reads or writes a register over a bad link, by many short tries."""
    usual, channel.reply_timeout = channel.reply_timeout, min(REPLY_PATIENCE, channel.reply_timeout)

    def ask(name: str, value: int | None = None) -> int:
        return channel.run([Command(name, BY_NAME[name].address, value)], tries=STUBBORN_TRIES)[0]

    try:
        yield ask
    finally:
        channel.reply_timeout = usual


def _rejected(channel: Channel) -> int:
    counts = channel.splitter.counts
    return counts.crc_bad + counts.header_bad


class _Exchanges:
    """Writes of random words, each sent once; what is not answered is lost.

    sent, answered, wrong : exchanges; those with a reply; of these, those with another value than was written.
    latencies : seconds from a command to its reply.
    """

    def __init__(self, channel: Channel) -> None:
        self.sent = self.answered = self.wrong = 0
        self.seconds = 0.0
        self.latencies: list[float] = []
        self._channel = channel
        self._random = random.Random(_SEED)
        self._sequence = 0
        self._pending: dict[int, tuple[int, float]] = {}
        # The board takes a write for a repetition that has the number of the command before it: none before has this.
        self._channel.link.write(Command("product_id", BY_NAME["product_id"].address).pack(self._next()))

    def run(self, seconds: float, *, window: int) -> None:
        """Exchange words for that long, `window` of them under way at once; less where nothing comes back."""
        begin = time.monotonic()
        silent = 0
        while time.monotonic() - begin < seconds and silent < _SILENT_ROUNDS:
            answered = self.answered
            self._send(window)
            while self._pending and self._receive():
                # With many under way new ones are sent as soon as half of them are answered.
                if len(self._pending) <= window // 2 and time.monotonic() - begin < seconds:
                    self._send(window - len(self._pending))
            self._pending.clear()
            silent = silent + 1 if self.answered == answered else 0
        self.seconds += time.monotonic() - begin

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) % 256
        return self._sequence

    def _send(self, count: int) -> None:
        data, now = b"", time.monotonic()
        for _ in range(count):
            word, number = self._random.randrange(1 << _WORD.bits), self._next()
            self._pending[number] = word, now
            data += Command(_WORD.name, _WORD.address, word).pack(number)
        self.sent += count
        self._channel.link.write(data)

    def _receive(self) -> bool:
        """Take what comes; False where nothing came in time."""
        chunk = self._channel.link.read_available(REPLY_PATIENCE)
        splitter = self._channel.splitter
        now = time.monotonic()
        for packet in splitter.feed(chunk) if chunk else splitter.rescue():
            if packet.type != PacketType.REPLY or packet.sequence not in self._pending:
                continue
            if packet.address != _WORD.address or len(packet.payload) != REPLY.size:
                continue
            # Replies come in the order of the commands: those before this one will not come any more.
            while (number := next(iter(self._pending))) != packet.sequence:
                del self._pending[number]
            word, sent = self._pending.pop(packet.sequence)
            self.answered += 1
            self.wrong += REPLY.unpack(packet.payload)["value"] != word
            self.latencies.append(now - sent)
        return bool(chunk)


def _with_frames(device: Device, found: BitErrors, seconds: float) -> BitErrors:
    """`found` with series of raw pattern frames for about that long."""
    device.configure(Settings(sample_source=SampleSource.PATTERN, readout_mode=ReadoutMode.RAW, meta_period=1))
    # Ends a series that was under way and compiles the decoder, which is not to count as time of the link.
    _series(device, 1)
    sent = damaged = bits = wrong = 0
    nimages, end = TRIAL_FRAMES, time.monotonic() + seconds
    while True:
        ledger, wrong_now, taken = _series(device, nimages)
        sent_now = ledger.triggered - ledger.dropped_on_chip
        sent, bits, wrong = sent + sent_now, bits + 8 * ledger.bytes, wrong + wrong_now
        damaged += sent_now - (ledger.received - ledger.incomplete)
        left = end - time.monotonic()
        if left <= 0:
            rate = ErrorRate(sent, damaged, bits)
            return replace(found, frames=rate, wrong_values=wrong, throughput=ledger.bytes / taken)
        nimages = min(MOST_FRAMES, max(TRIAL_FRAMES, int(nimages * left / taken)))


def _series(device: Device, nimages: int) -> tuple[Ledger, int, float]:
    """Ledger, wrong values of the whole frames, and duration of a series."""
    begin, found = time.monotonic(), SelfTest()
    with device.capture(nimages) as frames:
        for frame in frames:
            found.take(frame)
    return frames.ledger, found.wrong, time.monotonic() - begin

"""The two ends of a readout in a bench: a readout chip that answers strobes, and a host."""

import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import (
    COMMAND_HEADER,
    HEADER,
    HEADER_END,
    OVERHEAD,
    REPLY,
    SYNC,
    VERSION,
    CommandType,
    PacketType,
    crc8,
    packet,
)
from edgeray.protocol.registers import BY_NAME, COMMAND_BITS
from edgeray.protocol.settings import Settings
from hdl.params import Params
from testbench.bench import Bench
from testbench.line import Line, LineReceiver, bits_of
from testbench.streams import StreamSink, StreamSource

REPLY_PATIENCE = 20_000
"""Clocks in which a reply has to come: it waits for the packet before it."""


class Chip:
    """A readout chip and its ADC: shows the samples of image_id modulo the number of scenes.

    Parameters
    ----------
    bench : the bench; its device is a `Readout`.
    reset, signal : int[n, rows, columns], codes.
    latency : clocks from `convert` to the samples; 0 is the same clock.
    """

    def __init__(self, bench: Bench, reset: npt.NDArray[np.int64], signal: npt.NDArray[np.int64], latency: int):
        self._bench, self._dut, self.reset, self.signal = bench, bench.dut, reset, signal
        self._due: deque[tuple[int, int] | None] = deque([None] * latency)
        self.converted: list[int] = []
        """Clock of each conversion."""

    def drive(self) -> None:
        """What the chip is asked for comes from registers, so it can be answered in the same clock."""
        dut = self._dut
        if dut.adc__convert.value == 1:
            place = int(dut.image_id.value) % len(self.reset), int(dut.roic__row.value), int(dut.roic__column.value)
            self._due.append((int(self.reset[place]), int(self.signal[place])))
            self.converted.append(self._bench.clocks)
        else:
            self._due.append(None)
        # Rubbish where no sample is due, so that one taken at a wrong time is seen.
        dut.adc__reset_sample.value, dut.adc__signal_sample.value = self._due.popleft() or (0x55, 0x2A)

    def sample(self, clock: int) -> None:
        """Nothing to sample."""


@dataclass(frozen=True)
class Received:
    """One packet: its bytes, header fields and payload."""

    data: bytes
    header: dict[str, int]
    payload: bytes


def split(data: bytes) -> tuple[list[Received], bytes]:
    """Packets of a link that loses nothing, and what is left. AssertionError where bytes are no packet."""
    found: list[Received] = []
    while len(data) >= HEADER_END:
        assert data[: len(SYNC)] == SYNC, f"packet {len(found)} starts with {data[:2].hex()}, not {SYNC.hex()}"
        header = HEADER.unpack(data[len(SYNC) :])
        said, right = data[HEADER_END - 1], crc8(data[len(SYNC) : HEADER_END - 1])
        assert said == right, f"packet {len(found)}: header CRC {said:02x}, not {right:02x}"
        size = OVERHEAD + header["length"]
        if len(data) < size:
            break
        crc, computed = data[size - 4 : size], zlib.crc32(data[len(SYNC) : size - 4]).to_bytes(4, "little")
        assert crc == computed, f"packet {len(found)}: CRC {crc.hex()}, not {computed.hex()}"
        found.append(Received(data[:size], header, data[HEADER_END : size - 4]))
        data = data[size:]
    return found, data


class Host:
    """Sends commands and keeps what comes: replies to be answered for, frames to be looked at."""

    source: StreamSource
    sink: StreamSink

    def __init__(self, bench: Bench, detector: Detector):
        self._bench, self.detector = bench, detector
        self._link()
        self.frames: list[Received] = []
        """META and frame packets in their order."""
        self._replies: list[Received] = []
        self._rest = b""
        self._sequence = 0
        self.generation = 0

    def _link(self) -> None:
        """Take hold of both directions of the link, which are streams of bytes."""
        self.source, self.sink = self._bench.source("rx"), self._bench.sink("tx")

    def _send(self, data: bytes) -> None:
        self.source.send(data)

    def _is_sent(self) -> bool:
        return not self.source.items

    def _came(self) -> list[int]:
        """Bytes that came, a list that is emptied when they were looked at."""
        return self.sink.items

    def pump(self) -> None:
        """Cut what came into packets."""
        came = self._came()
        if not came:
            return
        found, self._rest = split(self._rest + bytes(came))
        came.clear()
        for one in found:
            (self._replies if one.header["type"] == PacketType.REPLY else self.frames).append(one)

    def command(self, kind: int, address: int, payload: bytes = b"", **changed: int) -> bytes:
        """Bytes of a command; `changed` header fields are for wrong ones."""
        self._sequence = (self._sequence + 1) % 256
        header = {
            "generation": 0, "last": 0, "type": kind, "version": VERSION, "sequence": self._sequence,
            "address": address, "length": len(payload), **changed,
        }  # fmt: skip
        return packet(COMMAND_HEADER.pack(header), payload)

    async def ask(self, data: bytes) -> dict[str, int]:
        """Send a command's bytes and wait for the reply; returns its fields."""
        self._send(data)
        for _ in range(REPLY_PATIENCE // 8):
            await self._bench.clock(8)
            self.pump()
            if self._replies:
                break
        self._bench.check(bool(self._replies), f"no reply to {data.hex()}")
        reply = self._replies.pop()
        sent, answer = COMMAND_HEADER.unpack(data[2:]), COMMAND_HEADER.unpack(reply.data[2:])
        for name in ("sequence", "address"):
            self._bench.check(sent[name] == answer[name], f"reply's {name} {answer[name]}, not {sent[name]}")
        return REPLY.unpack(reply.payload)

    def forget_replies(self) -> None:
        """Drop what commands were answered that nobody waited for."""
        self.pump()
        self._replies.clear()

    async def no_answer(self, data: bytes, clocks: int = 200) -> None:
        """Send bytes that the board has to throw away."""
        self._send(data)
        await self._bench.until(self._is_sent, 50 * len(data), "acceptance of all bytes")
        await self._bench.clock(clocks)
        self.pump()
        self._bench.check(not self._replies, f"a reply to {data.hex()}")

    async def read(self, name: str, place: int = 0) -> int:
        """Value of a register."""
        register = BY_NAME[name]
        reply = await self.ask(self.command(CommandType.READ, register.address + place))
        self._bench.check(reply["status"] == 0, f"reading {name}: status {reply['status']}")
        value = reply["value"]
        return value - (1 << 32) if register.signed and value >> 31 else value

    async def write(self, address: int, value: int) -> dict[str, int]:
        """Write any address; returns the reply's fields."""
        return await self.ask(self.command(CommandType.WRITE, address, (value & 0xFFFFFFFF).to_bytes(4, "little")))

    async def set(self, name: str, value: int) -> None:
        """Write a register, which has to take the value."""
        reply = await self.write(BY_NAME[name].address, value)
        self._bench.check(reply["status"] == 0, f"writing {value} to {name}: status {reply['status']}")

    async def order(self, *names: str) -> None:
        """Write the bits `names` of the command register."""
        await self.set("command", sum(1 << COMMAND_BITS.offset(name) for name in names))
        self.generation += "apply" in names

    async def configure(self, settings: Settings) -> None:
        """Write all settings; they wait for `apply`."""
        for address, value in settings.registers(self.detector):
            reply = await self.write(address, value)
            self._bench.check(reply["status"] == 0, f"register {address:#x} = {value}: status {reply['status']}")

    async def series(self, settings: Settings, limit: int) -> list[Received]:
        """Apply settings, arm, and return the packets of the whole series, which may take `limit` clocks."""
        await self.configure(settings)
        self.frames.clear()
        await self.order("apply", "arm")
        return await self.finish(settings.nimages, limit)

    async def finish(self, count: int, limit: int) -> list[Received]:
        """Wait for `count` whole frames."""
        for _ in range(limit // 16):
            await self._bench.clock(16)
            self.pump()
            if len(self.ends()) >= count:
                break
        self._bench.check(len(self.ends()) == count, f"{len(self.ends())} frames came in {limit} clocks, not {count}")
        return self.frames

    def ends(self) -> list[Received]:
        """The last packet of each frame that came."""
        return [one for one in self.frames if one.header["last"]]


class UARTHost(Host):
    """A host whose link is a UART at the pins rx and tx; it begins at the divisor of a board's reset."""

    def _link(self) -> None:
        assert isinstance(self.detector, Params)
        self.divisor = self.detector.uart_divisor
        self.line: Line = self._bench.add(Line(self._bench, "rx"))
        self.receiver: LineReceiver = self._bench.add(LineReceiver(self._bench, "tx", self.divisor))

    def _send(self, data: bytes) -> None:
        for byte in data:
            self.line.send(bits_of(byte), self.divisor)

    def _is_sent(self) -> bool:
        return self.line.is_idle

    def _came(self) -> list[int]:
        return self.receiver.items

    async def change_divisor(self, divisor: int) -> None:
        """Write the divisor; the reply comes at the new one, for the last stop bit is still under way then."""
        self.receiver.divisor = divisor
        await self.set("uart_divisor", divisor)
        self.divisor = divisor


def check_packets(bench: Bench, expected: Iterable[Received], got: Iterable[Received], what: str) -> None:
    """Compare packets byte for byte; the message names the frame's number and the first wrong byte."""
    right, there = list(expected), list(got)
    for number, (one, other) in enumerate(zip(right, there, strict=False)):
        if one.data != other.data:
            place = next(
                (n for n, (a, b) in enumerate(zip(one.data, other.data, strict=False)) if a != b),
                min(len(one.data), len(other.data)),
            )
            bench.check(
                False,
                f"{what}: packet {number}, frame {one.header['sequence']}, byte {place}: expected "
                f"{one.header} {one.data[place:][:16].hex()}, got {other.header} {other.data[place:][:16].hex()}",
            )
    bench.check(len(right) == len(there), f"{what}: expected {len(right)} packets, got {len(there)}")

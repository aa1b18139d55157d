"""The readout through the pins of its UART: commands in, a frame out, at two divisors."""

from functools import partial

import numpy as np

from edgeray.protocol.packets import META, CommandType, PacketType
from edgeray.protocol.registers import BY_NAME, COMMAND_BITS
from edgeray.protocol.settings import Settings
from hdl.params import Params
from hdl.readout import SerialReadout
from sim.golden import pipeline
from testbench.bench import Bench, simulated
from testbench.host import Chip, Host, check_packets, split
from testbench.runner import Build
from testbench.stimulus import generator, tile
from testbench.test_uart import HIGH, Line, LineReceiver, bits_of

PARAMS = Params(rows=6, columns=8)
BUILDS = (Build("", partial(SerialReadout, PARAMS)),)
FAST = 5


class PinHost(Host):
    """A host whose link is a UART."""

    def __init__(self, bench: Bench) -> None:
        self._bench, self.detector = bench, PARAMS
        self.frames, self._replies, self._rest, self._sequence, self.generation = [], [], b"", 0, 0
        self.divisor = BY_NAME["uart_divisor"].reset
        self.line = bench.add(Line(bench, "rx"))
        self.receiver = bench.add(LineReceiver(bench, "tx", self.divisor))

    async def tell(self, data: bytes, limit: int) -> None:
        """Send a command and wait for its last bit."""
        for byte in data:
            self.line.send(bits_of(byte), self.divisor)
        await self._bench.until(lambda: self.line.is_idle, limit, "the command's last bit")

    def pump(self) -> None:
        found, self._rest = split(self._rest + bytes(self.receiver.received))
        self.receiver.received.clear()
        for one in found:
            (self._replies if one.header["type"] == PacketType.REPLY else self.frames).append(one)

    def replies(self) -> int:
        self.pump()
        return len(self._replies)


@simulated(cycles=80_000)
async def one_frame(bench: Bench) -> None:
    """The divisor is changed by a command, which is answered at the new one; then a frame is taken."""
    shape, full = (PARAMS.rows, PARAMS.columns), PARAMS.full_scale
    bench.dut.rx.value = HIGH
    reset = generator(bench.seed).integers(0, full // 8, (1, *shape))
    signal = np.minimum(reset + tile(*shape, PARAMS.sample_bits, bench.random), full)
    bench.add(Chip(bench, reset, signal, PARAMS.adc_latency))
    host = PinHost(bench)
    await bench.clock(100)
    change = host.command(CommandType.WRITE, BY_NAME["uart_divisor"].address, FAST.to_bytes(4, "little"))
    # The last stop bit is still under way when the command is executed.
    host.receiver.divisor = FAST
    await host.tell(change, 10_000)
    await bench.until(lambda: host.replies() == 1, 5_000, "the reply")
    host.divisor = FAST
    bits = sum(1 << COMMAND_BITS.offset(name) for name in ("apply", "arm"))
    await host.tell(host.command(CommandType.WRITE, BY_NAME["command"].address, bits.to_bytes(4, "little")), 5_000)

    def complete() -> bool:
        host.pump()
        return len(host.ends()) == 1 and len(host._replies) == 2

    await bench.until(complete, 40_000, "the frame")
    result = pipeline.read_out(reset, signal, detector=PARAMS, settings=Settings(), generation=1)
    start = META.unpack(host.frames[0].payload)["timestamp"]
    expected, _ = split(result.stream({0: start}, tick_rate=PARAMS.clock_frequency))
    check_packets(bench, expected, host.frames, "through the UART")
    bench.figures.frames += 1
    bench.figures.pixels += reset.size

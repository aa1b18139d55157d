"""UART: the transmitter against a receiver that looks at every clock, the receiver against bits of any length."""

from typing import Any

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.uart import UARTReceiver, UARTTransmitter
from testbench.bench import Bench, simulated
from testbench.line import HIGH, LOW, Line, LineReceiver, bits_of
from testbench.runner import Build
from testbench.streams import always, never, randomly

DIVISORS = (2, 3, 4, 5, 8, 24, 25)


class Both(wiring.Component):
    """A transmitter and a receiver, not connected to each other."""

    def __init__(self) -> None:
        super().__init__({
            "i": In(stream.Signature(8)), "divisor": In(16), "tx": Out(1),
            "o": Out(stream.Signature(8)), "rx": In(1), "framing_error": Out(1), "overrun": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.transmitter = transmitter = UARTTransmitter()
        m.submodules.receiver = receiver = UARTReceiver()
        wiring.connect(m, transmitter.i, wiring.flipped(self.i))
        wiring.connect(m, wiring.flipped(self.o), receiver.o)
        m.d.comb += [
            transmitter.divisor.eq(self.divisor),
            receiver.divisor.eq(self.divisor),
            self.tx.eq(transmitter.tx),
            receiver.rx.eq(self.rx),
            self.framing_error.eq(receiver.framing_error),
            self.overrun.eq(receiver.overrun),
        ]
        return m


BUILDS = (Build("", Both),)


def _bytes(bench: Bench, count: int) -> list[int]:
    return [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, *(bench.random.randrange(256) for _ in range(count - 6))]


@simulated(cycles=80_000)
async def transmitter(bench: Bench) -> None:
    """Every divisor; back to back without a gap, then with pauses."""
    bench.set(rx=HIGH)
    source = bench.source()
    line = bench.add(LineReceiver(bench, "tx", 1))
    for divisor in DIVISORS:
        bench.set(divisor=divisor)
        line.divisor = divisor
        for pace in (always, randomly(bench.random, 0.02)):
            sent = _bytes(bench, 24)
            line.items.clear(), line.started.clear()
            source.pace = pace
            source.send(sent)
            await bench.until(lambda: len(line.items) == 24, 24 * (10 * divisor + 400), "the last byte")
            await bench.clock(12 * divisor)
            bench.compare([sent], line.items, source.packer, len(sent), what=f"divisor {divisor}")
            if pace is always:
                length = line.started[-1] - line.started[0]
                bench.check(length == 23 * 10 * divisor, f"divisor {divisor}: 23 bytes took {length} clocks")


@simulated(cycles=60_000)
async def receiver(bench: Bench) -> None:
    """Every divisor; bytes back to back, from a sender whose clock is up to 3 % off."""
    line, sink = bench.add(Line(bench, "rx")), bench.sink()
    errors = bench.pulses("framing_error"), bench.pulses("overrun")
    bench.set(divisor=DIVISORS[0])
    await bench.clock(30)
    for divisor in DIVISORS:
        bench.set(divisor=divisor)
        for error in (0, 0.03, -0.03) if divisor >= 8 else (0,):
            sent = _bytes(bench, 24)
            sink.items.clear()
            for byte in sent:
                line.send(bits_of(byte), divisor * (1 + error))
            await bench.until(lambda: line.is_idle, 24 * 11 * divisor, "the end of the line's bits")
            await bench.clock(2 * divisor + 8)
            bench.compare([sent], sink.items, sink.packer, len(sent), what=f"divisor {divisor}, clock off by {error:+}")
    bench.check(not any(error.count for error in errors), "an error was flagged on a good line")


@simulated(cycles=20_000)
async def bad_bytes(bench: Bench) -> None:
    """A missing stop bit loses that byte alone, and is flagged as overruns are; spikes and breaks are no bytes."""
    divisor = 8
    line, sink = bench.add(Line(bench, "rx")), bench.sink()
    framing, overrun = bench.pulses("framing_error"), bench.pulses("overrun")
    bench.set(divisor=divisor)
    await bench.clock(10)
    expected = []
    for _ in range(10):
        good, bad = bench.random.randrange(256), bench.random.randrange(256)
        line.send(bits_of(good), divisor)
        line.send(bits_of(bad, stop=LOW), divisor)
        line.send([HIGH] * 3, divisor)
        line.send([LOW], divisor // 4)  # a spike
        line.send([HIGH] * 2, divisor)
        expected.append(good)
    line.send([LOW] * 40, divisor)  # a break
    line.send([HIGH] * 2, divisor)
    line.send(bits_of(0x5A), divisor)
    expected.append(0x5A)
    await bench.until(lambda: line.is_idle, 8_000, "the end of the line's bits")
    await bench.clock(4 * divisor)
    bench.compare([expected], sink.items, sink.packer, len(expected))
    bench.check(framing.count == 11, f"{framing.count} framing errors, not 10 and one for the break")

    sink.pace, sink.items[:] = never, []
    for byte in (1, 2, 3):
        line.send(bits_of(byte), divisor)
    await bench.until(lambda: line.is_idle, 8_000, "the end of the line's bits")
    await bench.clock(4 * divisor)
    bench.check(overrun.count == 2, f"{overrun.count} overruns, not 2")
    sink.pace = always
    await bench.clock(4)
    bench.compare([[1]], sink.items, sink.packer, 1, what="after an overrun")


@simulated(cycles=20_000)
async def there_and_back(bench: Bench) -> None:
    """The receiver hears what the transmitter says."""
    source, sink = bench.source(pace=randomly(bench.random, 0.1)), bench.sink()
    tx, rx = bench.dut.tx, bench.dut.rx
    rx.value = HIGH

    class Wire:
        level = HIGH

        def drive(self) -> None:
            rx.value = self.level

        def sample(self, clock: int) -> None:
            self.level = int(tx.value)

    bench.add(Wire())
    bench.set(divisor=5)
    await bench.clock(10)
    sent = _bytes(bench, 100)
    source.send(sent)
    await bench.until(lambda: len(sink.items) == 100, 12_000, "the last byte")
    bench.compare([sent], sink.items, sink.packer, len(sent))

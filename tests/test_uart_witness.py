"""The line of the UART, recorded by a simulator, read by decoders that share nothing with this project's gateware.

packets -> UARTTransmitter -> waveform of tx -> sigrok's UART decoder, and one of a few lines here -> the same packets
"""

import functools
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from amaranth.sim import Simulator
from vcdvcd import VCDVCD

from edgeray.protocol.packets import COMMAND_HEADER, REPLY, VERSION, PacketType, packet
from hdl.uart import UARTTransmitter

FOLDER = Path(__file__).parent.parent / "build" / "witness"
SEED = 5
PERIOD = 40_000_000
"""Femtoseconds of a clock, the unit of the recording."""
DIVISORS = (4, 25)


def packets() -> bytes:
    """Some replies, and bytes of all kinds."""
    draw, sent = random.Random(SEED), b""
    for sequence in range(2):
        payload = REPLY.pack({"status": 0, "value": draw.getrandbits(32)})
        fields = {"generation": 0, "last": 1, "type": PacketType.REPLY, "version": VERSION, "sequence": sequence}
        header = COMMAND_HEADER.pack({**fields, "address": draw.getrandbits(16), "length": len(payload)})
        sent += packet(header, payload)
    return sent + bytes([0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80, *draw.sample(range(256), 40)])


@functools.cache
def recorded(divisor: int) -> Path:
    """The waveform of the line while `packets` are sent, now and then with a pause between two bytes."""
    transmitter, draw = UARTTransmitter(), random.Random(SEED)  # type: ignore[no-untyped-call]

    async def send(context):  # type: ignore[no-untyped-def]
        context.set(transmitter.divisor, divisor)
        await context.tick().repeat(20 * divisor)
        for byte in packets():
            if draw.random() < 0.1:
                await context.tick().repeat(draw.randrange(30 * divisor))
            context.set(transmitter.i.payload, byte)
            context.set(transmitter.i.valid, 1)
            await context.tick().until(transmitter.i.ready)
            context.set(transmitter.i.valid, 0)
        await context.tick().repeat(30 * divisor)

    simulator = Simulator(transmitter)
    simulator.add_clock(PERIOD * 1e-15)
    simulator.add_testbench(send)
    FOLDER.mkdir(parents=True, exist_ok=True)
    whole = FOLDER / f"uart-{divisor}-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}.vcd"
    with whole.open("w") as file, simulator.write_vcd(file):
        simulator.run()
    return probed(whole)


def probed(whole: Path) -> Path:
    """The recording as an analyser with one probe makes it: sigrok reads no signals of several bits."""
    head, changes = whole.read_text().split("$enddefinitions $end\n")
    declared = re.search(r"\$var wire 1 (\S+) tx \$end", head)
    assert declared, f"{whole} does not show tx"
    scale = re.search(r"\$timescale.*?\$end", head, re.DOTALL)
    assert scale, f"{whole} has no unit of time"
    lines, time = [scale[0], "$scope module top $end", declared[0], "$upscope $end", "$enddefinitions $end"], ""
    for line in changes.splitlines():
        if line.startswith("#"):
            time = line
        elif line[1:] == declared[1]:
            lines += [time, line]
    path = whole.with_name(f"tx-{whole.name}")
    path.write_text("\n".join([*lines, time, ""]))
    return path


def sampled(path: Path, divisor: int) -> bytes:
    """The bytes on the line, each bit sampled in its middle; AssertionError where a start or stop bit is wrong."""
    recording = VCDVCD(str(path), store_tvs=True)
    (name,) = recording.signals
    line, bit, found = recording[name], divisor * PERIOD, bytearray()
    falls = [time for time, level in line.tv if level == "0"]
    end = 0
    for fall in falls:
        if fall < end:
            continue
        bits = [int(line[fall + bit * place + bit // 2]) for place in range(10)]
        assert (bits[0], bits[9]) == (0, 1), f"byte {len(found)}: start and stop bit are {bits[0]} and {bits[9]}"
        found.append(sum(level << place for place, level in enumerate(bits[1:9])))
        end = fall + 9 * bit + bit // 2
    return bytes(found)


def sigrok(path: Path, divisor: int, *output: str) -> bytes:
    """What sigrok-cli's UART decoder says with options for its output."""
    rate = round(1e15 / (divisor * PERIOD))
    decoder = f"uart:rx=tx:baudrate={rate}"
    command = ["sigrok-cli", "-I", "vcd:downsample=1000000", "-i", str(path), "-P", decoder, *output]
    return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("divisor", DIVISORS)
def test_the_recorded_line_sampled_bit_by_bit(divisor: int) -> None:
    assert sampled(recorded(divisor), divisor) == packets()


@pytest.mark.skipif(
    shutil.which("sigrok-cli") is None,
    reason="sigrok-cli is not installed; `make witness` installs it where apt-get can",
)
@pytest.mark.parametrize("divisor", DIVISORS)
def test_the_recorded_line_decoded_by_sigrok(divisor: int) -> None:
    path = recorded(divisor)
    assert sigrok(path, divisor, "-B", "uart=rx") == packets()
    assert sigrok(path, divisor, "-A", "uart=rx-warnings") == b""

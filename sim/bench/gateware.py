"""Encoder and packetiser as gateware: area, clock and critical path on two FPGAs; clocks a pixel and latency.

hdl.encode -> hdl.frame -> sim.bench.fpga, Amaranth's simulator -> [gateware] -> tables, out/bench/gateware.json

The packet buffer is that of the default build: an audit frame of 32 x 32 whatever its pixels.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped
from amaranth.sim import Simulator
from rich.console import Console
from rich.table import Table

from edgeray.protocol.registers import ThresholdMode
from hdl.encode import Encode
from hdl.frame import Frame
from hdl.params import Params
from sim.bench.figures import Figure, installed, save, show
from sim.bench.fpga import TARGETS, YOSYS, build
from sim.bench.scenes import Scene, radiographs, tiles
from sim.golden.encode import payloads
from sim.golden.fixed_point import Mask
from sim.golden.frame import frame_packets

SAMPLE_BITS = (8, 12)
_CLOCK_LIMIT = 20_000


class Wire(wiring.Component):  # type: ignore[misc]
    """The encoder and the packetiser behind it; members are theirs."""

    def __init__(self, params: Params) -> None:
        self._encode, self._frame = Encode(params), Frame(params)
        members = {name: member for name, member in self._encode.signature.members.items() if name != "o"}
        members |= {name: member for name, member in self._frame.signature.members.items() if name != "i"}
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.encode, m.submodules.frame = self._encode, self._frame
        connect(m, self._encode.o, self._frame.i)
        for name, member in self.signature.members.items():
            inner: Any = getattr(
                self._encode if name in self._encode.signature.members and name != "o" else self._frame, name
            )
            outer: Any = getattr(self, name)
            if member.is_signature:
                connect(m, flipped(outer), inner)
            elif member.flow == wiring.In:
                m.d.comb += inner.eq(outer)
            else:
                m.d.comb += outer.eq(inner)
        return m


@dataclass(frozen=True)
class Timing:
    """Clocks of two frames of one packet each, without a pause at either end.

    Parameters
    ----------
    stalls : clocks in which a pixel of the first frame waited, its first one not counted.
    between : clocks in which the first pixel of the second frame waited.
    latency : clocks from the last pixel of the first frame to the last byte of its packet.
    packet : bytes of it.
    """

    series: str
    stalls: int
    between: int
    latency: int
    packet: int


def simulate(name: str, values: npt.NDArray[np.int16], kept: Mask, params: Params, threshold: int) -> Timing:
    """Two frames, int16[2, rows, columns], through the gateware; the bytes are checked against the golden model."""
    core: Any = Wire(params)
    pixels = list(zip(values.ravel().tolist(), kept.ravel().tolist(), strict=True))
    frame_pixels = values[0].size
    accepted: list[int] = []
    sent: list[tuple[int, int]] = []
    settings = Scene(name, np.zeros(values.shape, np.uint16), params).settings(threshold)
    expected = [
        frame_packets(payloads(*frame, detector=params, settings=settings), 0, 0, params)
        for frame in zip(values, kept, strict=True)
    ]

    async def feed(context: Any) -> None:
        context.set(core.threshold_mode, ThresholdMode.ABSOLUTE)
        context.set(core.edge_threshold, threshold)
        context.set(core.i.valid, 1)
        for number, (value, flag) in enumerate(pixels):
            context.set(core.i.payload.value, value)
            context.set(core.i.payload.kept, flag)
            context.set(core.i.payload.row_last, number % params.columns == params.columns - 1)
            context.set(core.i.payload.last, number % frame_pixels == frame_pixels - 1)
            await context.tick().until(core.i.ready)
        context.set(core.i.valid, 0)

    async def watch(context: Any) -> None:
        context.set(core.o.ready, 1)
        clock = 0
        async for _, _, enters, ready, leaves, octet in context.tick().sample(
            core.i.valid, core.i.ready, core.o.valid, core.o.payload
        ):
            clock += 1
            if enters and ready:
                accepted.append(clock)
            if leaves:
                sent.append((clock, octet))
            if clock == _CLOCK_LIMIT or len(sent) == sum(map(len, expected)):
                break

    simulator = Simulator(core)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed, background=True)
    simulator.add_testbench(watch)
    simulator.run()
    if bytes(octet for _, octet in sent) != b"".join(expected):
        raise RuntimeError(f"{name}: the gateware sends other bytes than the golden model")
    packet = len(expected[0])
    first, last = accepted[0], accepted[frame_pixels - 1]
    stalls, between = last - first + 1 - frame_pixels, accepted[frame_pixels] - last - 1
    return Timing(name, stalls, between, sent[packet - 1][0] - last, packet)


def timings() -> list[Timing]:
    """A tile of a radiograph with as many kept pixels as the median one, and noise that goes out at fixed width."""
    found = []
    name, image = next(radiographs())
    for bits in SAMPLE_BITS:
        params, scene = Params(sample_bits=bits), tiles(name, image, bits)
        threshold = scene.thresholds[0]
        values, kept = scene.edges(threshold)
        middle = np.argsort(kept.sum(axis=(1, 2)), kind="stable")[len(kept) // 2]
        pair = [middle, middle]
        found.append(simulate(f"{bits} bit, median tile of {name}", values[pair], kept[pair], params, threshold))
        noise = np.random.default_rng(1).integers(-params.full_scale, params.full_scale + 1, values[pair].shape)
        found.append(simulate(f"{bits} bit, noise", noise.astype(np.int16), noise != 0, params, 1))
    return found


def main(console: Console, folder: Path | None) -> list[Figure]:
    """Build, simulate, print, save. `folder` plays no part."""
    packages = installed((YOSYS, *(target.package for target in TARGETS)), console)
    targets = [target for target in TARGETS if target.package in packages and YOSYS in packages]
    console.print("placing and routing ...")
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(build, target, partial(Wire, Params(sample_bits=bits)), f"{bits}")
            for target in targets
            for bits in SAMPLE_BITS
        ]
        builds = [job.result() for job in jobs]
    table = Table(title="Encoder and packetiser (3 seeds: median, best)")
    for column in ("FPGA", "sample bits", "LUTs", "flip-flops", "cells", "block RAMs", "MHz", "best"):
        table.add_column(column, justify="left" if column == "FPGA" else "right")
    for each in builds:
        middle, best = f"{median(each.megahertz):.1f}", f"{max(each.megahertz):.1f}"
        numbers = (each.variant, each.luts, each.flip_flops, each.cells, each.block_rams, middle, best)
        table.add_row(each.target, *map(str, numbers))
    console.print(table)
    for each in builds:
        steps = " -> ".join(f"{net} ({time:g})" for net, time in each.path)
        console.print(f"critical path, {each.target}, {each.variant} bit, ns: {steps}")

    clocks = timings()
    table = Table(title="Clocks: two frames of 32x32 without a pause, a link that takes a byte a clock")
    for column in ("frames", "stalls in a frame", "between frames", "last pixel to last byte", "bytes of the packet"):
        table.add_column(column, justify="left" if column == "frames" else "right")
    for one in clocks:
        table.add_row(one.series, str(one.stalls), str(one.between), str(one.latency), str(one.packet))
    console.print(table)
    figures = [Figure(f"gateware: clocks without a pixel in a frame, {one.series}", one.stalls, 0) for one in clocks]
    show(console, figures)
    console.print(
        save(
            "gateware",
            {"builds": [asdict(each) for each in builds], "clocks": [asdict(each) for each in clocks]},
            figures,
        )
    )
    return figures

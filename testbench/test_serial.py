"""The readout through the pins of its UART: commands in, a frame out, at two divisors."""

from functools import partial

import numpy as np

from edgeray.protocol.packets import META
from edgeray.protocol.settings import Settings
from hdl.params import Params
from hdl.readout import SerialReadout
from sim.golden import pipeline
from testbench.bench import Bench, simulated
from testbench.host import Chip, UARTHost, check_packets, split
from testbench.line import HIGH
from testbench.runner import Build
from testbench.stimulus import generator, tile

PARAMS = Params(rows=6, columns=8)
BUILDS = (Build("", partial(SerialReadout, PARAMS)),)
FAST = 5


@simulated(cycles=80_000)
async def one_frame(bench: Bench) -> None:
    """The divisor is changed by a command, which is answered at the new one; then a frame is taken."""
    shape, full = (PARAMS.rows, PARAMS.columns), PARAMS.full_scale
    bench.dut.rx.value = HIGH
    reset = generator(bench.seed).integers(0, full // 8, (1, *shape))
    signal = np.minimum(reset + tile(*shape, PARAMS.sample_bits, bench.random), full)
    bench.add(Chip(bench, reset, signal, PARAMS.adc_latency))
    host = UARTHost(bench, PARAMS)
    await bench.clock(100)
    await host.change_divisor(FAST)
    await host.order("apply", "arm")
    await host.finish(1, 40_000)
    result = pipeline.read_out(reset, signal, detector=PARAMS, settings=Settings(), generation=1)
    start = META.unpack(host.frames[0].payload)["timestamp"]
    expected, _ = split(result.stream({0: start}, tick_rate=PARAMS.clock_frequency))
    check_packets(bench, expected, host.frames, "through the UART")
    bench.figures.frames += 1
    bench.figures.pixels += reset.size

"""A board's design through its pins alone: the RTL, the netlist after synthesis, the netlist that is in the bitstream.

One bench for all stages: nothing here knows which one it runs on.
"""

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from boards.board import Board
from boards.clocks import RESET_CLOCKS
from boards.known import BOARDS
from edgeray.correction import CorrectionTable
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.packets import BLOCK_WORDS, CommandType
from edgeray.protocol.registers import BY_NAME, STATE_BITS, ReadoutMode, SampleSource, ThresholdMode, TriggerMode
from edgeray.protocol.settings import Settings
from hdl.bias import ENTRIES
from sim.golden.bias import bias
from sim.golden.pattern import pattern
from testbench.bench import Bench, simulated
from testbench.board import BiasDAC, BoardPins, Detector
from testbench.host import UARTHost
from testbench.netlist import Stage, stages, verilog
from testbench.runner import Build
from testbench.series import run_series
from testbench.stimulus import generator, tile

IN_MAKE_SIM = "icebreaker", Stage.RTL


def _build(board: Board, stage: Stage, changed: bool = False) -> Build:
    label = f"{board.name} {stage.value}"
    return Build(
        f"changed {label}" if changed else label,
        partial(BoardPins, board),
        verilog=partial(verilog, board, stage, changed),
        only=("modes",) if changed else (),
        wanted=(board.name, stage) == IN_MAKE_SIM and not changed,
    )


BUILDS = (
    *(_build(board, stage) for board in BOARDS.values() for stage in stages(board)),
    # For the test of this bench: it has to fail.
    *(_build(BOARDS["icebreaker"], stage, changed=True) for stage in (Stage.SYNTHESISED, Stage.ROUTED)),
)
DIVISOR = 2
"""Of the UART: the fastest line that the receiver can take."""
GAP = 600e-9
"""Seconds that the readout chip's outputs get to settle after its strobes; the converters want them still."""


class Samples(NamedTuple):
    """Of frames: reset and signal int[n, rows, columns], codes."""

    reset: npt.NDArray[np.int64]
    signal: npt.NDArray[np.int64]


def _board(bench: Bench) -> Board:
    board: Board = bench.component.board
    return board


async def _switch_on(bench: Bench) -> None:
    """The board has lost its clock's lock, so it is in reset: now chips can be wired to it."""
    bench.set(rx=1)
    await bench.clock(10)


async def _start(bench: Bench) -> UARTHost:
    """Wait for the end of the board's reset; a host on its line at the fastest rate."""
    await _switch_on(bench)
    await bench.clock(RESET_CLOCKS + 100)
    host = UARTHost(bench, _board(bench).params)
    await host.change_divisor(DIVISOR)
    return host


def _scenes(bench: Bench, count: int) -> Samples:
    """Parts of the radiograph over a noisy reset level."""
    params = _board(bench).params
    shape, full = (params.rows, params.columns), params.full_scale
    reset = generator(bench.seed).integers(0, full // 8, (count, *shape))
    parts = np.stack([tile(*shape, params.sample_bits, bench.random) for _ in range(count)])
    return Samples(reset, np.minimum(reset + parts, full))


def _patterns(bench: Bench, count: int) -> Samples:
    frames = [pattern(_board(bench).params, image_id) for image_id in range(count)]
    return Samples(*(np.stack(samples) for samples in zip(*frames, strict=True)))


def _limit(board: Board, settings: Settings) -> int:
    """Clocks that a series may take: a pixel's conversion, all of its bytes on the line."""
    pixels = board.params.rows * board.params.columns
    a_pixel = board.adc(board.params).latency + board.params.clock_frequency // 500_000 + board.params.steps
    audits = bool(settings.audit_period)
    return 20_000 + settings.nimages * pixels * (a_pixel + 2 * 10 * DIVISOR * (1 + audits))


def _audits(board: Board, period: int) -> int:
    """`audit_period` of a series; 0 on a board without audit frames."""
    return period if board.params.audit else 0


async def _run(
    bench: Bench, host: UARTHost, samples: Samples | Detector, settings: Settings, table: CorrectionTable | None = None
) -> None:
    board = _board(bench)
    await run_series(bench, samples, host, board.params, settings, _limit(board, settings), table)


async def _write_table(bench: Bench, host: UARTHost, name: str, values: list[int]) -> None:
    """Write `values` one after the other to a register that counts table_index up."""
    await host.set("table_index", 0)
    for start in range(0, len(values), BLOCK_WORDS):
        words = values[start : start + BLOCK_WORDS]
        data = b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in words)
        reply = await host.ask(host.command(CommandType.WRITE_BLOCK, BY_NAME[name].address, data))
        bench.check(reply == {"status": 0, "value": len(words)}, f"{len(words)} words to {name}: {reply}")
    index = await host.read("table_index")
    bench.check(index == len(values), f"table_index is {index} after {len(values)} words to {name}")


@simulated(cycles=1_000_000)
async def converter(bench: Bench) -> None:
    """Frames that the converter's chip model showed: edges, and every pixel of an audit frame."""
    board = _board(bench)
    settings = Settings(
        nimages=2, audit_period=_audits(board, 2), edge_threshold=60, sample_source=SampleSource.ADC,
        gap_time=round(GAP * board.params.clock_frequency),
    )  # fmt: skip
    await _switch_on(bench)
    detector = bench.add(Detector(bench, board, *_scenes(bench, settings.nimages)))
    host = await _start(bench)
    await _run(bench, host, detector, settings)


@simulated(cycles=1_000_000, seed=1)
async def modes(bench: Bench) -> None:
    """Edge and raw, sliding and macro, kernels and thresholds, on the self-test pattern."""
    host = await _start(bench)
    base, audits = Settings(sample_source=SampleSource.PATTERN, nimages=2), _audits(_board(bench), 2)
    for settings in (
        replace(base, readout_mode=ReadoutMode.RAW, meta_period=1),
        replace(base, stride=3, threshold_mode=ThresholdMode.OFF, kernel=KERNELS["mean"], pga_offset=-77),
        replace(base, kernel=KERNELS["sobel-x"], threshold_mode=ThresholdMode.POSITIVE, edge_threshold=100),
        replace(base, nimages=3, audit_period=audits, cds_enabled=False, column_settle_time=2, count_time=300),
    ):
        await _run(bench, host, _patterns(bench, settings.nimages), settings)


@simulated(cycles=1_000_000, seed=2)
async def tables(bench: Bench) -> None:
    """Uploaded samples and a correction table, over the line in blocks; then other samples in the same memory."""
    host, params = await _start(bench), _board(bench).params
    shape, noise = (params.rows, params.columns), generator(bench.seed)
    table = CorrectionTable(noise.integers(-300, 300, shape), noise.integers(0, 4096, shape), noise.random(shape) < 0.2)
    await _write_table(bench, host, "correction_data", table.entries().ravel().tolist())
    settings = Settings(correction_enabled=True, audit_period=_audits(_board(bench), 1), edge_threshold=40)
    if not params.upload:
        await _run(bench, host, _patterns(bench, 1), replace(settings, sample_source=SampleSource.PATTERN), table)
        return
    for enabled in (True, False):
        samples = _scenes(bench, 1)
        words = (samples.reset | samples.signal << 16).ravel().tolist()
        await _write_table(bench, host, "upload_data", words)
        uploaded = replace(settings, sample_source=SampleSource.UPLOADED, correction_enabled=enabled)
        await _run(bench, host, samples, uploaded, table)


@simulated(cycles=400_000, seed=3)
async def triggers(bench: Bench) -> None:
    """A frame for each edge at the trigger's pin, with busy high; one that comes while it is high is counted."""
    host = await _start(bench)
    settings = Settings(
        sample_source=SampleSource.PATTERN, trigger_mode=TriggerMode.EXTERNAL, nimages=3, edge_threshold=200
    )
    await host.configure(settings)
    host.frames.clear()
    await host.order("apply", "arm")
    armed = 1 << STATE_BITS.offset("armed")

    async def rest() -> None:
        """Until nothing is under way or unsent: a small buffer has room for no other frame before."""
        for _ in range(1000):
            if await host.read("state") == armed:
                return
        bench.check(False, "the board does not come to rest")

    async def pulse() -> None:
        for level in (1, 0):
            bench.set(roic_trigger=level)
            await bench.clock(5)

    busy = bench.dut.roic_busy
    for number in range(2):
        await rest()
        await pulse()
        await bench.clock(10)
        bench.check(busy.value == 1, f"trigger {number} started nothing")
        if number == 0:
            await pulse()
    await host.finish(2, _limit(_board(bench), settings))
    counted = await host.read("triggered"), await host.read("dropped")
    bench.check(counted == (3, 1), f"triggered, dropped {counted}, not (3, 1)")
    numbers = [one.header["sequence"] for one in host.ends()]
    bench.check(numbers == [0, 2], f"frames {numbers} came, not 0 and 2")
    bench.figures.frames += 2


@simulated(cycles=400_000, seed=4)
async def bias_voltages(bench: Bench) -> None:
    """The converter of the bias voltages shows the kernel's codes through the calibration that was written."""
    board = _board(bench)
    if not board.params.bias_dac:
        return
    await _switch_on(bench)
    converter = bench.add(BiasDAC(bench, board))
    host, noise = await _start(bench), generator(bench.seed)
    count = board.params.kernel_size**2
    zero = noise.integers(0, 1 << 16, count)
    spans = noise.integers(-(1 << 15), 1 << 15, (2, count))
    entries = np.zeros((count, ENTRIES), np.int64)
    entries[:, 0], entries[:, 1:3] = zero, spans.T
    await _write_table(bench, host, "bias_data", (entries & 0xFFFF).ravel().tolist())
    for name in ("laplacian", "sobel-x"):
        settings = Settings(
            sample_source=SampleSource.PATTERN, kernel=KERNELS[name], edge_threshold=200, bias_settle_time=500
        )
        await _run(bench, host, _patterns(bench, 1), settings)
        weights = KERNELS[name].padded(board.params.kernel_size).flat
        expected = bias(weights, zero=zero, span_positive=spans[0], span_negative=spans[1]).tolist()
        there = converter.codes(count)
        bench.check(there == expected, f"{name}: the bias codes are {there}, not {expected}")

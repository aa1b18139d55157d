"""The whole readout against the golden model: commands in, packets out, byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import cocotb
import numpy as np
import numpy.typing as npt

from edgeray.correction import CorrectionTable
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.packets import META, OVERHEAD, CommandType, PacketType, ReplyStatus
from edgeray.protocol.registers import (
    BY_NAME,
    COMMAND_BITS,
    Polarity,
    ReadoutMode,
    SampleSource,
    ThresholdMode,
    TriggerMode,
)
from edgeray.protocol.settings import Settings
from hdl.params import Params
from hdl.readout import Readout
from sim.golden import pipeline
from sim.golden.pattern import pattern
from testbench.bench import Bench, params, simulated
from testbench.host import Chip, Host, check_packets, split
from testbench.runner import Build
from testbench.series import run_series
from testbench.stimulus import generator, images
from testbench.streams import always, never, randomly

FRAMES = 3


def _build(label: str, params: Params, *only: str) -> Build:
    return Build(label, partial(Readout, params), only)


_SHARED = Params(rows=12, columns=14, kernel_size=5, multipliers=1, adc_latency=3, sample_bits=10, upload=True)
_LARGE = Params(rows=17, columns=1040, sample_bits=14)
_SMALL = (
    "every_mode", "correction_table", "stalled_link_drops_frames", "settings_between_frames", "triggers", "injection"
)  # fmt: skip
BUILDS = (
    _build("parallel", Params(rows=8, columns=9, adc_latency=0), *_SMALL),
    _build("shared 5x5", _SHARED, *_SMALL),
    _build("1x4", Params(rows=1, columns=4, guard_ring=0, sample_bits=8), "smallest"),
    # Words for more frames than there are headers.
    _build(
        "1x4 buffered",
        Params(rows=1, columns=4, guard_ring=0, sample_bits=8, buffer_bytes=512),
        "room_for_an_audit_frame",
    ),
    _build("32x32", Params(audit=False), "one_pixel_a_clock", "no_audit_memory"),
    # Packets of 16 rows, and of the one that is left.
    _build("17x1040", _LARGE, "several_packets"),
)


def scenes(bench: Bench, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(reset, signal) samples int64[count, rows, columns]: the kinds of image in turn over a noisy reset level."""
    shape, full = (params().rows, params().columns), params().full_scale
    kinds = list(images(*shape, params().sample_bits, bench.random))
    reset = generator(bench.seed).integers(0, full // 8, (count, *shape))
    signal = np.stack([np.minimum(reset[n] + kinds[(7 - n) % len(kinds)], full) for n in range(count)])
    return reset, signal


@dataclass(frozen=True)
class Samples:
    """What frames are made of, in the place of a chip's: reset and signal int[n, rows, columns], codes."""

    reset: npt.NDArray[np.int64]
    signal: npt.NDArray[np.int64]


def start(bench: Bench, count: int = FRAMES) -> tuple[Chip, Host]:
    """A chip that shows `count` scenes, and a host."""
    chip = bench.add(Chip(bench, *scenes(bench, count), params().adc_latency))
    return chip, Host(bench, params())


def _worst_case(count: int) -> int:
    """Clocks that a series may take on a link that takes a byte every third clock."""
    return count * (40 * params().rows * params().columns + 10 * _frame_bytes()) + 4_000


def _frame_bytes() -> int:
    """Bytes that a frame and its META may have on the link, an audit frame with its pixels."""
    packets = 1 + 2 * params().packets
    return packets * OVERHEAD + 4 * params().meta_words + 2 * params().payload_bytes(params().rows)


async def _series(
    bench: Bench, chip: Chip | Samples, host: Host, settings: Settings, table: CorrectionTable | None = None
) -> None:
    """Run a series and compare all of its packets."""
    await run_series(bench, chip, host, params(), settings, _worst_case(settings.nimages), table)


def _check_series(bench: Bench, chip: Chip, host: Host, frames: Sequence[tuple[int, Settings, int]]) -> None:
    """Compare all packets of a series with its frames (number, settings, generation); those between were dropped.

    META is due before the first frame, the first one of a generation, and when meta_period frames were sent since. The
    first frame is an audit frame, and one is when audit_period frames were sent since.
    """
    metas = [META.unpack(one.payload) for one in host.frames if one.header["type"] == PacketType.META]
    starts = {number: 0 for number, _, _ in frames} | {meta["image_id"]: meta["timestamp"] for meta in metas}
    expected, counters, described, since, audited = [], None, None, 0, 0
    for sent, (number, settings, generation) in enumerate(frames):
        scene, audits = number % len(chip.reset), settings.audit_period > 0 and audited == 0
        # The frame's number is what a period puts an audit frame at; numbers are skipped where frames were dropped.
        mine = replace(settings, meta_period=0, audit_period=max(1, number) if audits else 0)
        result = pipeline.read_out(
            chip.reset[[scene]], chip.signal[[scene]], detector=params(), settings=mine, generation=generation,
            first_image_id=number, counters=counters,
        )  # fmt: skip
        is_due = generation != described or since == settings.meta_period > 0
        data = result.stream(starts, tick_rate=params().clock_frequency, dropped=number - sent, applied=is_due)
        expected += split(data)[0]
        counters, described, since = result.counters, generation, 1 if is_due else since + 1
        audited = 0 if audited + 1 >= settings.audit_period else audited + 1
    check_packets(bench, expected, host.frames, "the series")
    bench.figures.frames += len(frames)
    bench.figures.pixels += len(frames) * params().rows * params().columns


def _settings() -> list[Settings]:
    modes = [
        Settings(nimages=FRAMES, stride=stride, threshold_mode=mode)
        for stride in params().strides for mode in ThresholdMode
    ]  # fmt: skip
    return [
        *modes,
        Settings(nimages=FRAMES, edge_threshold=1),
        Settings(nimages=FRAMES, edge_threshold=params().full_scale),
        Settings(nimages=FRAMES, readout_mode=ReadoutMode.RAW, meta_period=2),
        Settings(nimages=FRAMES, readout_mode=ReadoutMode.RAW, stride=3, threshold_mode=ThresholdMode.OFF),
        Settings(nimages=FRAMES, cds_enabled=False, meta_period=0),
        Settings(nimages=FRAMES, cds_enabled=False, cds_polarity=Polarity.RESET_MINUS_SIGNAL, row_settle_time=2),
        Settings(nimages=FRAMES, cds_polarity=Polarity.RESET_MINUS_SIGNAL, pga_offset=params().full_scale),
        Settings(nimages=FRAMES, pga_gain=3, pga_offset=-77, column_settle_time=1, count_time=9, reset_time=4),
        Settings(nimages=FRAMES, kernel=KERNELS["sobel-x"], threshold_mode=ThresholdMode.POSITIVE, edge_threshold=100),
        Settings(nimages=5, kernel=KERNELS["mean"], threshold_mode=ThresholdMode.OFF, meta_period=2),
        Settings(nimages=5, audit_period=1, stride=params().strides[-1], meta_period=2),
        Settings(nimages=5, audit_period=3, edge_threshold=1, column_settle_time=1),
        Settings(nimages=2, audit_period=1, readout_mode=ReadoutMode.RAW),
    ]


@simulated(cycles=1_500_000)
async def every_mode(bench: Bench) -> None:
    """Edge and raw, sliding and macro, every stage's settings, on a link that is ready at random."""
    chip, host = start(bench)
    # Half of them where a pixel takes many clocks.
    for number, settings in enumerate(_settings()[:: 1 if params().steps == 1 else 2]):
        host.sink.pace = randomly(bench.random, 0.5) if number % 2 else always
        await _series(bench, chip, host, settings)


@simulated(cycles=400_000)
async def correction_table(bench: Bench) -> None:
    """A table that is loaded over the link."""
    chip, host = start(bench)
    shape, noise = (params().rows, params().columns), generator(bench.seed)
    table = CorrectionTable(noise.integers(-300, 300, shape), noise.integers(0, 4096, shape), noise.random(shape) < 0.2)
    await host.set("table_index", 0)
    for entry in table.entries().ravel().tolist():
        await host.set("correction_data", entry)
    index = await host.read("table_index")
    bench.check(index == params().rows * params().columns, f"table_index is {index} after the whole table")
    for mode in ReadoutMode:
        await _series(bench, chip, host, Settings(nimages=2, correction_enabled=True, readout_mode=mode), table)


@simulated(cycles=400_000)
async def injection(bench: Bench) -> None:
    """Frames of the pattern and of uploaded samples; the ADC is not asked, and goes on afterwards."""
    chip, host = start(bench)
    settings = Settings(nimages=2, audit_period=2, edge_threshold=30)
    shapes = [pattern(params(), image_id) for image_id in range(2)]
    shown = {SampleSource.PATTERN: Samples(np.stack([one for one, _ in shapes]), np.stack([one for _, one in shapes]))}
    if params().upload:
        one = scenes(bench, 1)
        shown[SampleSource.UPLOADED] = Samples(*one)
        await host.set("table_index", 0)
        for reset, signal in zip(one[0].ravel().tolist(), one[1].ravel().tolist(), strict=True):
            await host.set("upload_data", reset | signal << 16)
        bench.check(await host.read("table_index") == one[0].size, "table_index is not behind the last pixel")
    for source, samples in shown.items():
        await _series(bench, samples, host, replace(settings, sample_source=source))
    bench.check(not chip.converted, f"{len(chip.converted)} pixels were converted")
    await _series(bench, chip, host, settings)


@simulated(cycles=400_000)
async def stalled_link_drops_frames(bench: Bench) -> None:
    """Frames at a fixed cadence over a link that stops for a while: whole frames are dropped, all are counted."""
    chip, host = start(bench)
    pixels = params().rows * params().columns
    period = pixels * (params().steps + 3) + 600
    settings = Settings(
        nimages=20, frame_time=period, trigger_mode=TriggerMode.INTERNAL, threshold_mode=ThresholdMode.OFF,
        meta_period=2, audit_period=3,
    )  # fmt: skip
    await host.configure(settings)
    host.frames.clear()
    await host.order("apply", "arm")
    await bench.clock(2 * period)
    host.sink.pace = never
    await bench.clock(12 * period)
    host.sink.pace = always
    await bench.clock(8 * period + 4 * _frame_bytes())
    host.pump()
    triggered, dropped = await host.read("triggered"), await host.read("dropped")
    numbers = [one.header["sequence"] for one in host.ends()]
    bench.check(triggered == 20, f"triggered {triggered}, not 20")
    bench.check(0 < dropped < 20, f"dropped {dropped} of 20")
    bench.check(len(numbers) + dropped == 20, f"20 triggered, {len(numbers)} received, {dropped} dropped")
    bench.check(numbers == sorted(set(numbers)), f"frame numbers {numbers} are not in order")
    _check_series(bench, chip, host, [(number, settings, host.generation) for number in numbers])


@simulated(cycles=400_000)
async def settings_between_frames(bench: Bench) -> None:
    """Written settings change nothing before apply; then all frames have the old or the new ones, never both."""
    chip, host = start(bench)
    old = Settings(nimages=0, readout_mode=ReadoutMode.RAW, meta_period=3, count_time=50)
    new = replace(
        old, readout_mode=ReadoutMode.EDGE, threshold_mode=ThresholdMode.OFF, kernel=KERNELS["identity"], meta_period=2,
        audit_period=2,
    )  # fmt: skip
    await host.configure(old)
    host.frames.clear()
    await host.order("apply", "arm")
    await host.configure(new)
    await bench.clock(100)
    first = host.generation % 4
    bench.check(all(one.header["generation"] == first for one in host.frames), "the generation changed before apply")
    await host.order("apply")
    await bench.clock(6 * _worst_case(1) // 5)
    await host.order("disarm")
    for _ in range(1_000):
        await bench.clock(16)
        if await host.read("state") == 0:
            break
    await bench.clock(4 * _frame_bytes())
    host.pump()
    generations = [one.header["generation"] for one in host.ends()]
    switched = generations.index(first + 1)
    bench.check(0 < switched < len(generations), f"settings changed at frame {switched} of {len(generations)}")
    frames = [(number, old if number < switched else new, first + (number >= switched))
              for number in range(len(generations))]  # fmt: skip
    _check_series(bench, chip, host, frames)


@simulated(cycles=100_000)
async def room_for_an_audit_frame(bench: Bench) -> None:
    """Settings that ask for an audit frame come into force while there is room for a plain one alone: it waits."""
    chip, host = start(bench, 1)
    chip.reset[:] = 0
    chip.signal = generator(bench.seed).integers(0, params().full_scale + 1, chip.signal.shape)
    # Noise at fixed width: frames as large as they can be.
    old = Settings(
        trigger_mode=TriggerMode.EXTERNAL, nimages=0, threshold_mode=ThresholdMode.OFF, kernel=KERNELS["identity"],
        cds_enabled=False,
    )  # fmt: skip
    # Of the headers, META and a plain frame take one each, an audit frame two; it begins where as many are left.
    most = params().buffer_packets - 2
    for frames in (most - 2, most - 1):
        await host.configure(old)
        host.frames.clear()
        await host.order("apply", "arm")
        new = replace(old, trigger_mode=TriggerMode.INTERNAL, nimages=frames + 1, audit_period=1)
        await host.configure(new)
        host.sink.pace = never
        for _ in range(frames):
            for level in (1, 0):
                bench.set(trigger=level)
                await bench.clock(200)
        # The one command that is still carried out; its reply waits for the link.
        apply = 1 << COMMAND_BITS.offset("apply")
        host.source.send(host.command(CommandType.WRITE, BY_NAME["command"].address, apply.to_bytes(4, "little")))
        first, host.generation = host.generation, host.generation + 1
        await bench.clock(1_000)
        host.sink.pace = always
        await host.finish(frames + 1, _worst_case(2))
        host.forget_replies()
        series = [(number, old, first) for number in range(frames)] + [(frames, new, host.generation)]
        _check_series(bench, chip, host, series)


@simulated(cycles=200_000)
async def triggers(bench: Bench) -> None:
    """A frame a trigger; one that comes while the board is busy is counted as dropped, and its number is skipped."""
    chip, host = start(bench)

    async def pulse() -> None:
        for level in (1, 0):
            bench.set(trigger=level)
            await bench.clock(5)

    async def order() -> None:
        await host.order("trigger")

    for mode, trigger in ((TriggerMode.EXTERNAL, pulse), (TriggerMode.SOFTWARE, order)):
        settings = Settings(trigger_mode=mode, nimages=9, count_time=1_000, meta_period=2)
        await host.configure(settings)
        host.frames.clear()
        await host.order("apply", "arm")
        await bench.clock(200)
        bench.check(bench.dut.armed.value == 1 and bench.dut.busy.value == 0, f"{mode.name}: not waiting for a trigger")
        # Every third trigger comes right behind another one, while META is written: numbers 1, 4 and 7 are dropped.
        for number in range(9):
            if number % 3 != 1:
                await bench.until(lambda: bench.dut.busy.value == 0, _worst_case(1), "the end of a frame")
                await bench.clock(50)
            await trigger()
            if number % 3 != 0:
                await bench.clock(10)
                bench.check(bench.dut.busy.value == 1, f"{mode.name}: trigger {number} started nothing")
        await host.finish(6, 4 * _worst_case(1))
        counted = await host.read("triggered"), await host.read("dropped")
        bench.check(counted == (9, 3), f"{mode.name}: triggered, dropped {counted}, not (9, 3)")
        sent = [number for number in range(9) if number % 3 != 1]
        _check_series(bench, chip, host, [(number, settings, host.generation % 4) for number in sent])


@simulated(cycles=400_000)
async def several_packets(bench: Bench) -> None:
    """Frames of several packets: kernel responses of every pixel, and an audit frame."""
    chip, host = start(bench, 1)
    for settings in (Settings(threshold_mode=ThresholdMode.OFF), Settings(audit_period=1, edge_threshold=100)):
        await _series(bench, chip, host, settings)


@simulated(cycles=100_000)
async def smallest(bench: Bench) -> None:
    """The smallest array, whose META is longer than all else, in every mode and with audit frames."""
    chip, host = start(bench)
    for mode in ThresholdMode:
        await _series(bench, chip, host, Settings(nimages=4, threshold_mode=mode, audit_period=2, meta_period=1))
    await _series(bench, chip, host, Settings(nimages=4, readout_mode=ReadoutMode.RAW, meta_period=3))


@simulated(cycles=20_000)
async def no_audit_memory(bench: Bench) -> None:
    """A build without the memory says so, and refuses audit frames."""
    _, host = start(bench)
    bench.check(await host.read("audit_memory") == 0, "audit_memory is not 0")
    period = BY_NAME["audit_period"].address
    for value, status in ((1, ReplyStatus.VALUE_REFUSED), (0xFFFF, ReplyStatus.VALUE_REFUSED), (0, ReplyStatus.OK)):
        reply = await host.write(period, value)
        bench.check(reply == {"status": status, "value": 0}, f"audit_period = {value}: {reply}")


@simulated(cycles=100_000)
async def one_pixel_a_clock(bench: Bench) -> None:
    """The parallel build converts a pixel every clock, from the first of a frame to the last, while no stage stalls."""
    chip, host = start(bench)
    # Nothing is kept, so that the buffer is never full.
    await _series(bench, chip, host, Settings(nimages=FRAMES, edge_threshold=params().full_scale + 1, meta_period=0))
    pixels = params().rows * params().columns
    for frame in range(FRAMES):
        clocks = chip.converted[frame * pixels : (frame + 1) * pixels]
        took = clocks[-1] - clocks[0] + 1
        bench.check(took == pixels, f"frame {frame}: {pixels} pixels took {took} clocks")
    first, second = chip.converted[pixels], chip.converted[2 * pixels]
    cocotb.log.info("%d clocks a frame of %d pixels", second - first, pixels)

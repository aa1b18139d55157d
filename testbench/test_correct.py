"""Per-pixel correction against its golden model: the whole range of the table, masks, and loading."""

from functools import partial
from typing import Any

import numpy as np

from edgeray.correction import CorrectionTable
from edgeray.protocol.registers import CORRECTION_ENTRY
from hdl.correct import Correct
from hdl.params import Params
from sim.golden import correct
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.stages import Stage, packed
from testbench.stimulus import Image, generator, images


def _build(label: str, **sizes: Any) -> Build:
    return Build(label, partial(Correct, Params(**sizes)))


BUILDS = (
    _build("6x8 12 bit", rows=6, columns=8),
    _build("6x8 12 bit shared", rows=6, columns=8, multipliers=1),
    _build("5x7 14 bit shared", rows=5, columns=7, sample_bits=14, guard_ring=0, multipliers=1),
)
_LIMITS = {field.name: (field.minimum, field.maximum) for field in CORRECTION_ENTRY}


def _shape() -> tuple[int, int]:
    return params().rows, params().columns


def _images(bench: Bench) -> list[Image]:
    return list(images(*_shape(), params().sample_bits, bench.random))


def _tables(bench: Bench) -> list[CorrectionTable]:
    """Neutral, random over the whole range, mild with a mask, extreme, and everything masked."""
    noise, shape = generator(bench.seed), _shape()
    low, high = _LIMITS["offset"]
    most = _LIMITS["gain"][1]
    some, corners = noise.random(shape) < 0.3, np.zeros(shape, bool)
    corners[0, 0] = corners[1, 1] = corners[-1, -1] = True
    return [
        CorrectionTable.neutral(params()),
        CorrectionTable(noise.integers(low, high + 1, shape), noise.integers(0, most + 1, shape), some),
        CorrectionTable(noise.integers(-100, 101, shape), noise.integers(900, 1150, shape), corners),
        CorrectionTable(noise.choice([low, 0, high], shape), noise.choice([0, 1, 1024, most], shape), ~some),
        CorrectionTable(np.zeros(shape, int), np.full(shape, 1024), np.ones(shape, bool)),
    ]


async def _ready(bench: Bench) -> None:
    await bench.until(lambda: bench.dut.table_ready.value == 1, params().rows * params().columns + 1, "a neutral table")


async def _load(bench: Bench, table: CorrectionTable) -> None:
    await _ready(bench)
    for index, entry in enumerate(table.entries().ravel().tolist()):
        bench.set(table_index=index, table_entry=entry, table_write=1)
        await bench.clock()
    # A place that the table does not have changes nothing.
    for beyond in (params().rows * params().columns, 1 << 16):
        bench.set(table_index=beyond, table_entry=(1 << 32) - 1)
        await bench.clock()
    bench.set(table_write=0)


@simulated(cycles=100_000)
async def every_table_at_every_pace(bench: Bench) -> None:
    """All tables; the one before any is loaded is neutral; off, pixels pass as they are; saturations counted."""
    stage, saturated = Stage(bench, params().columns), bench.pulses("saturated")
    frames = _images(bench)
    inputs = [packed(stage.source.packer.pack, value=frame) for frame in frames]
    for number, table in enumerate(_tables(bench)):
        if number:
            await _load(bench, table)
        for enabled in (True, False):
            bench.set(correction_enabled=enabled)
            results = [correct.correct(frame, detector=params(), enabled=enabled, table=table) for frame in frames]
            saturated.count = 0
            what = f"table {number}, enabled {enabled}"
            expected = [packed(stage.sink.packer.pack, value=value) for value, _ in results]
            await stage.all_paces(inputs, expected, what=what)
            count = 5 * sum(int(clipped.sum()) for _, clipped in results)
            bench.check(saturated.count == count, f"{what}: saturated {saturated.count}, not {count}")


class _Writer:
    """Writes random entries of a table, as they are, at random clocks; `early` ones are wrong, before it is ready."""

    def __init__(self, bench: Bench, table: CorrectionTable):
        self._bench, self._entries = bench, table.entries().ravel().tolist()
        self.early = 0

    def drive(self) -> None:
        dut, chances = self._bench.dut, self._bench.random
        write, index = chances.random() < 0.4, chances.randrange(len(self._entries))
        ready = dut.table_ready.value == 1
        self.early += write and not ready
        dut.table_write.value, dut.table_index.value = int(write), index
        dut.table_entry.value = self._entries[index] if ready else chances.getrandbits(32)

    def sample(self, clock: int) -> None:
        """Nothing to look at."""


@simulated(cycles=20_000)
async def writes_amid_pixels(bench: Bench) -> None:
    """A write while pixels pass holds them and changes none; one before the table is ready does nothing."""
    stage, table = Stage(bench, params().columns), CorrectionTable.neutral(params())
    bench.set(correction_enabled=1)
    writer = bench.add(_Writer(bench, table))
    frames = [packed(stage.source.packer.pack, value=frame) for frame in _images(bench)]
    await stage.all_paces(frames, frames)
    bench.check(writer.early > 5, "nothing was written before the table was ready")


@simulated(cycles=2_000)
async def latency_and_rate(bench: Bench) -> None:
    """One pixel a clock, each after `latency` clocks; the first one waits a clock for its entry."""
    stage = Stage(bench, params().columns)
    frame = [packed(stage.source.packer.pack, value=image) for image in _images(bench)][:1]
    await _ready(bench)
    await stage.transfer(frame, frame)
    stage.source.offered[0] += 1
    stage.check_latency(bench.component.latency)
    stage.check_rate(1)

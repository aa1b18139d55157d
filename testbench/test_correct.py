"""Per-pixel correction against its golden model: the whole range of the table, masks, and loading."""

from functools import partial

import numpy as np

from edgeray.correction import CorrectionTable
from edgeray.protocol.registers import CORRECTION_ENTRY
from hdl.correct import Correct
from hdl.params import Params
from sim.golden import correct
from testbench.bench import Bench, simulated
from testbench.runner import Build
from testbench.stages import Stage, packed
from testbench.stimulus import generator, images

PARAMS = Params(rows=6, columns=8, sample_bits=12)
SHAPE = PARAMS.rows, PARAMS.columns
BUILDS = (Build("", partial(Correct, PARAMS)),)
_LIMITS = {field.name: (field.minimum, field.maximum) for field in CORRECTION_ENTRY}


def _tables(bench: Bench) -> list[CorrectionTable]:
    """Neutral, random over the whole range, mild with a mask, extreme, and everything masked."""
    noise = generator(bench.seed)
    low, high = _LIMITS["offset"]
    most = _LIMITS["gain"][1]
    some, corners = noise.random(SHAPE) < 0.3, np.zeros(SHAPE, bool)
    corners[0, 0] = corners[1, 1] = corners[-1, -1] = True
    return [
        CorrectionTable.neutral(PARAMS),
        CorrectionTable(noise.integers(low, high + 1, SHAPE), noise.integers(0, most + 1, SHAPE), some),
        CorrectionTable(noise.integers(-100, 101, SHAPE), noise.integers(900, 1150, SHAPE), corners),
        CorrectionTable(noise.choice([low, 0, high], SHAPE), noise.choice([0, 1, 1024, most], SHAPE), ~some),
        CorrectionTable(np.zeros(SHAPE, int), np.full(SHAPE, 1024), np.ones(SHAPE, bool)),
    ]


async def _load(bench: Bench, table: CorrectionTable) -> None:
    for index, entry in enumerate(table.entries().ravel().tolist()):
        bench.set(table_index=index, table_entry=entry, table_write=1)
        await bench.clock()
    # A place that the table does not have changes nothing.
    bench.set(table_index=PARAMS.rows * PARAMS.columns, table_entry=(1 << 32) - 1)
    await bench.clock()
    bench.set(table_write=0)


@simulated(cycles=100_000)
async def every_table_at_every_pace(bench: Bench) -> None:
    """All tables; the one before any is loaded is neutral; off, pixels pass as they are; saturations counted."""
    stage, saturated = Stage(bench, SHAPE[1]), bench.pulses("saturated")
    frames = list(images(*SHAPE, PARAMS.sample_bits, bench.random))
    inputs = [packed(stage.source.packer.pack, value=frame) for frame in frames]
    for number, table in enumerate(_tables(bench)):
        if number:
            await _load(bench, table)
        for enabled in (True, False):
            bench.set(correction_enabled=enabled)
            results = [correct.correct(frame, detector=PARAMS, enabled=enabled, table=table) for frame in frames]
            saturated.count = 0
            what = f"table {number}, enabled {enabled}"
            expected = [packed(stage.sink.packer.pack, value=value) for value, _ in results]
            await stage.all_paces(inputs, expected, what=what)
            count = 5 * sum(int(clipped.sum()) for _, clipped in results)
            bench.check(saturated.count == count, f"{what}: saturated {saturated.count}, not {count}")


@simulated(cycles=2_000)
async def latency_and_rate(bench: Bench) -> None:
    """One pixel a clock, each after `latency` clocks."""
    stage = Stage(bench, SHAPE[1])
    frame = [packed(stage.source.packer.pack, value=image) for image in images(*SHAPE, 12, bench.random)][:1]
    await stage.transfer(frame, frame)
    stage.check_latency(bench.component.latency)
    stage.check_rate(1)

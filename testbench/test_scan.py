"""The pixel sequencer: its recorded waveform shows strobes and settling times as the registers ask."""

import random
from functools import partial
from pathlib import Path

from vcdvcd import VCDVCD

from edgeray.protocol.registers import BY_NAME, TriggerMode
from hdl.params import Params
from hdl.registers import DURATIONS, IN_FORCE
from hdl.scan import Scan
from testbench.bench import HALF_PERIOD, Bench, simulated
from testbench.lookup import Lookup
from testbench.runner import Build
from testbench.streams import always

PARAMS = Params(rows=3, columns=5, guard_ring=0)
BUILDS = (Build("", partial(Scan, PARAMS), waveform=True),)
STROBES = ("reset", "sample_reset", "sample_signal")
PERIOD = 2 * HALF_PERIOD
_TIMES = (
    "reset_time", "gap_time", "sample_reset_time", "count_time", "sample_signal_time", "row_settle_time",
    "column_settle_time",
)  # fmt: skip


def _timings(chances: random.Random) -> list[dict[str, int]]:
    """All 0, all 1, and some others."""
    some = [{name: chances.randrange(1, 20) for name in _TIMES} for _ in range(4)]
    return [dict.fromkeys(_TIMES, 0), dict.fromkeys(_TIMES, 1), *some]


async def _arm(bench: Bench, durations: Lookup, **settings: int) -> None:
    """Start a series with these settings."""
    looked_up = {name: settings.pop(name) for name in DURATIONS if name in settings}
    durations.values = {BY_NAME[name].address + IN_FORCE: ticks for name, ticks in looked_up.items()}
    bench.set(drained=1, room=1, **settings)
    await bench.clock(2)
    bench.set(arm=1)
    await bench.clock()
    bench.set(arm=0)


def _durations(bench: Bench) -> Lookup:
    return bench.add(Lookup(bench.dut.duration_address, bench.dut.duration))


class Wave:
    """The recorded waveform; times are clocks from the start of the simulation."""

    def __init__(self, path: Path):
        self._vcd = VCDVCD(str(path), store_tvs=True)

    def intervals(self, name: str, start: int, end: int) -> list[tuple[int, int]]:
        """(first clock, clock after the last) of each time in [start, end) that the one-bit signal was high."""
        found, began = [], None
        for time, value in self._changes(name):
            if value == 1:
                began = time
            elif began is not None:
                if start <= began < end:
                    found.append((began, time))
                began = None
        return found

    def _changes(self, name: str) -> list[tuple[int, int]]:
        reference = next(one for one in self._vcd.references_to_ids if one.split("[")[0].split(".")[-1] == name)
        # Outputs change at rising edges, in the middle of a period of the bench.
        return [(time // PERIOD + (time % PERIOD >= HALF_PERIOD), int(value, 2))
                for time, value in self._vcd[reference].tv if set(value) <= {"0", "1"}]  # fmt: skip


@simulated(cycles=40_000)
async def waveform(bench: Bench) -> None:
    """Order, width, gaps and overlap of the strobes, and the settling times, of frames with several timings."""
    requests, durations = bench.sink("o", always), _durations(bench)
    ends = []
    timings = _timings(bench.random)
    start = bench.clocks
    for timing in timings:
        requests.items.clear()
        await _arm(bench, durations, trigger_mode=TriggerMode.INTERNAL, nimages=1, frame_time=0, **timing)
        await bench.until(lambda: len(requests.items) == PARAMS.rows * PARAMS.columns, 4_000, "the last pixel")
        await bench.clock(5)
        flags = [(item["row_last"], item["last"]) for item in requests.fields()]
        right = [
            (int(c == PARAMS.columns - 1), int(c == PARAMS.columns - 1 and r == PARAMS.rows - 1))
            for r in range(PARAMS.rows) for c in range(PARAMS.columns)
        ]  # fmt: skip
        bench.check(flags == right, f"{timing}: flags {flags}, not {right}")
        bench.figures.frames += 1
        bench.figures.pixels += len(flags)
        ends.append(bench.clocks)
    # The rest of the waveform is written when the simulator ends; this much of it is out after many more clocks.
    await bench.clock(20_000)
    wave = Wave(_recorded())
    for timing, end in zip(timings, ends, strict=True):
        _check_frame(bench, wave, timing, start, end)
        start = end


def _recorded() -> Path:
    """The waveform up to the last time step that is written; the simulator runs in its build's folder."""
    written, whole = Path("dump.vcd").read_text(), Path("strobes.vcd")
    whole.write_text(written[: written.rindex("\n#") + 1])
    return whole


def _check_frame(bench: Bench, wave: Wave, timing: dict[str, int], start: int, end: int) -> None:
    """Compare the strobes of one frame with its timing."""
    at_least_one = {name: max(1, ticks) for name, ticks in timing.items()}
    spans = {}
    for strobe in STROBES:
        found = wave.intervals(strobe, start, end)
        bench.check(len(found) == 1, f"{timing}: {strobe} came {len(found)} times in one frame: {found}")
        spans[strobe] = found[0]
        width = found[0][1] - found[0][0]
        wanted = at_least_one[f"{strobe}_time"]
        bench.check(width == wanted, f"{timing}: {strobe} was high for {width} clocks, not {wanted}")
    # Exact gaps say at once that strobes neither overlap nor change places.
    first_gap = spans["sample_reset"][0] - spans["reset"][1]
    bench.check(first_gap == at_least_one["gap_time"], f"{timing}: {first_gap} clocks from reset to sample_reset")
    integration = spans["sample_signal"][0] - spans["sample_reset"][1]
    bench.check(integration == at_least_one["count_time"], f"{timing}: integrated for {integration} clocks")

    asked = [clock for begin, stop in wave.intervals("o__valid", start, end) for clock in range(begin, stop)]
    bench.check(len(asked) == PARAMS.rows * PARAMS.columns, f"{timing}: {len(asked)} conversions")
    settle = timing["row_settle_time"] + timing["column_settle_time"]
    reading = spans["sample_signal"][1] + at_least_one["gap_time"]
    bench.check(asked[0] - reading >= settle, f"{timing}: first conversion {asked[0] - reading} clocks after the row")
    for number, clock in enumerate(asked[1:], 1):
        wanted = 1 + (settle if number % PARAMS.columns == 0 else timing["column_settle_time"])
        took = clock - asked[number - 1]
        bench.check(took == wanted, f"{timing}: conversion {number} came {took} clocks after the last, not {wanted}")


@simulated(cycles=20_000)
async def triggers(bench: Bench) -> None:
    """Cadence, external edges and software triggers; a trigger that finds no room is dropped and counted."""
    requests, durations = bench.sink("o", always), _durations(bench)
    starts = []

    class Starts:
        def drive(self) -> None:
            """Nothing to drive."""

        def sample(self, clock: int) -> None:
            if bench.dut.frame_start.value == 1:
                starts.append(clock)

    bench.add(Starts())
    frame = 40
    await _arm(bench, durations, trigger_mode=TriggerMode.INTERNAL, nimages=5, frame_time=frame)
    await bench.until(lambda: bench.dut.armed.value == 1, 10, "a series")
    await bench.until(lambda: bench.dut.armed.value == 0, 6 * frame, "the end of the series")
    bench.check(
        [later - starts[0] for later in starts] == [frame * number for number in range(5)],
        f"frames started at {starts}, not every {frame} clocks",
    )
    await bench.clock(frame)

    bench.set(room=0)
    for mode, port in ((TriggerMode.EXTERNAL, "trigger"), (TriggerMode.SOFTWARE, "software_trigger")):
        starts.clear()
        requests.items.clear()
        await _arm(bench, durations, trigger_mode=mode, nimages=0)
        await bench.clock(3)
        for number in range(6):
            bench.set(room=number % 2, **{port: 1})
            await bench.clock(1 if mode == TriggerMode.SOFTWARE else 7)
            bench.set(**{port: 0})
            await bench.clock(frame)
        got = int(bench.dut.triggered.value), int(bench.dut.dropped.value), int(bench.dut.image_id.value)
        bench.check(got == (6, 3, 5), f"{mode.name}: triggered, dropped, image_id {got}, not (6, 3, 5)")
        bench.check(len(starts) == 3, f"{mode.name}: {len(starts)} frames started, not 3")
        bench.set(disarm=1)
        await bench.clock()
        bench.set(disarm=0)
        await bench.clock(2)
        bench.check(bench.dut.armed.value == 0, f"{mode.name}: still armed after disarm")


@simulated(cycles=2_000)
async def held_count(bench: Bench) -> None:
    """While `hold` is high, dropped frames are counted later, and none is forgotten."""
    durations = _durations(bench)
    bench.sink("o", always)
    await _arm(bench, durations, trigger_mode=TriggerMode.SOFTWARE, nimages=0)
    await bench.clock(3)
    bench.set(room=0, software_trigger=1)
    await bench.clock(5)
    bench.set(hold=1)
    await bench.clock()
    # One clock to the counter; the trigger of the clock before is still on its way.
    before = int(bench.dut.dropped.value)
    await bench.clock(40)
    bench.check(bench.dut.dropped.value == before, f"dropped went from {before} to {int(bench.dut.dropped.value)}")
    bench.set(hold=0, software_trigger=0)
    await bench.clock(3)
    got = int(bench.dut.triggered.value), int(bench.dut.dropped.value)
    bench.check(got == (46, 46), f"triggered, dropped {got}, not (46, 46)")

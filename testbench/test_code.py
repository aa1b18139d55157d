"""Entropy coder against its golden model: the codes, one behind the other, are the payload of each packet."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from edgeray.protocol.code import ESCAPE_ZEROS, RUN_BITS
from edgeray.protocol.packets import WORD_BITS
from edgeray.protocol.registers import ThresholdMode
from hdl.code import Code
from hdl.params import Params
from sim.golden.code import code
from sim.golden.predict import residuals
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.stages import Stage
from testbench.stimulus import Image, generator, images
from testbench.streams import always, randomly

SHAPES = ((1, 4), (8, 9), (3, 40), (32, 32), (1, 1))
"""Rows and columns of packets: the stage learns them from its flags."""
# The stage knows of the array's bits alone.
BUILDS = tuple(Build(f"{bits} bit", partial(Code, Params(sample_bits=bits))) for bits in (8, 10, 12, 14))


@dataclass(frozen=True)
class Mode:
    """What the symbols are: the inputs of the stage, and T and the sign as the model wants them."""

    raw: int
    threshold_mode: ThresholdMode
    edge_threshold: int

    @property
    def threshold(self) -> int:
        return 1 if self.raw or self.threshold_mode == ThresholdMode.OFF else self.edge_threshold

    @property
    def positive(self) -> bool:
        return not self.raw and self.threshold_mode == ThresholdMode.POSITIVE


def _modes(full: int) -> Iterator[Mode]:
    for mode in ThresholdMode:
        yield Mode(1, mode, full)
        for level in (1, 16, full, 0xFFFF):
            if mode != ThresholdMode.OFF or level == 16:
                yield Mode(0, mode, level)


def _packets(bench: Bench, mode: Mode) -> list[Image]:
    """Symbols of some packets: random ones, few and many, small and large; extreme ones; those of real tiles."""
    noise, bits, full = generator(bench.random.getrandbits(32)), params().sample_bits, params().full_scale
    found: list[Image] = []
    for shape in SHAPES:
        pixels = [*images(*shape, bits, bench.random), noise.integers(0, full + 1, shape) >> noise.integers(0, bits)]
        signs = np.ones(shape, np.int64) if mode.positive else noise.choice((-1, 1), shape)
        # Of the large packets one, in every mode another, and often a real one.
        choice = pixels if pixels[0].size < 100 else [bench.random.choice([*pixels, pixels[-2], pixels[-2]])]
        for image in choice:
            if mode.raw:
                found.append(residuals(image, bits).astype(np.int64))
                continue
            # As they are: those over the threshold; and all over it, some of them kept.
            sizes = bench.random.choice((image, np.minimum(image + mode.threshold, full)))
            kept = noise.random(shape) < noise.choice([0.01, 0.3, 1])
            found.append(np.where(kept & (sizes >= mode.threshold), sizes, 0) * signs)
    bench.random.shuffle(found)
    return found


def _send(bench: Bench, packets: list[Image]) -> Iterator[dict[str, int] | None]:
    """Symbols with their flags, and the rest behind each packet."""
    for symbols in packets:
        rows, columns = symbols.shape
        for place, symbol in enumerate(symbols.ravel().tolist()):
            row_last, end = int(place % columns == columns - 1), int(place == rows * columns - 1)
            yield {"symbol": symbol, "row_last": row_last, "end": end}
        yield from [None] * bench.component.rest


def _check(bench: Bench, stage: Stage, packets: list[Image], mode: Mode, what: str) -> None:
    """Compare all codes that came with the payloads, bit by bit; each packet ends when it should."""
    got = stage.sink.fields()
    ends = [number for number, one in enumerate(got) if one["end"]]
    bench.check(len(ends) == len(packets), f"{what}: {len(ends)} ends of {len(packets)} packets")
    bench.check(len(got) == ends[-1] + 1, f"{what}: {len(got) - ends[-1] - 1} codes behind the last packet")
    accepted, first = iter(stage.source.accepted), 0
    for number, (symbols, end) in enumerate(zip(packets, ends, strict=True)):
        clocks = [next(accepted) for _ in range(symbols.size)]
        took, wanted = stage.sink.offered[end] - clocks[-1], bench.component.latency
        bench.check(took == wanted, f"{what}: packet {number}: its end came {took} clocks after its last symbol")
        payload = code(symbols, sample_bits=params().sample_bits, threshold=mode.threshold, positive=mode.positive)
        right, place = int.from_bytes(payload, "little"), 0
        for which in range(first, end + 1):
            one = got[which]
            length = one["zeros"] + one["length"]
            wanted = right >> place & ((1 << length) - 1)
            bench.check(
                one["bits"] << one["zeros"] == wanted,
                f"{what}: packet {number} of {symbols.shape}, code {which - first} (clock "
                f"{stage.sink.offered[which]}, its first symbol in {clocks[0]}): {one}, not {wanted:#x} in these bits",
            )
            bench.check(length <= WORD_BITS, f"{what}: a code of {length} bits")
            place += length
        first = end + 1
        bench.check(-(-place // 8) == len(payload), f"{what}: packet {number}: {place} bits, not {len(payload)} bytes")
        bench.check(not right >> place, f"{what}: packet {number}: a code is missing at its end")
        bench.figures.frames += 1
        bench.figures.pixels += symbols.size


async def _run(bench: Bench, stage: Stage, packets: list[Image], mode: Mode, what: str) -> None:
    """Code packets back to back at the pace that the source has."""
    bench.set(raw=mode.raw, threshold_mode=mode.threshold_mode, edge_threshold=mode.edge_threshold)
    await bench.clock(bench.component.rest)
    for log in (stage.source.accepted, stage.source.offered, stage.sink.items, stage.sink.offered):
        log.clear()
    stage.source.send(_send(bench, packets))
    total = sum(symbols.size for symbols in packets)
    await bench.until(lambda: not stage.source.items, 20 * total + 1000, "acceptance of all symbols")
    await bench.clock(20)
    _check(bench, stage, packets, mode, f"{mode} {what}")


@simulated(cycles=200_000)
async def every_mode(bench: Bench) -> None:
    """All modes and thresholds from 1 to more than any symbol, at once and with pauses, in turn."""
    stage = Stage(bench, 1)
    for number, mode in enumerate(_modes(params().full_scale)):
        packets = _packets(bench, mode)
        if number % 3 == 2:
            stage.source.pace = randomly(bench.random, 0.6)
            await _run(bench, stage, packets, mode, "with pauses")
        else:
            stage.source.pace = always
            await _run(bench, stage, packets, mode, "at once")


@simulated(cycles=20_000)
async def long_runs(bench: Bench) -> None:
    """Runs that take the run index to its end, broken by the longest code that there is."""
    stage, full = Stage(bench, 1), params().full_scale
    mode = Mode(0, ThresholdMode.ABSOLUTE, 1)
    # After so many zeros the index is at its end, and the next run is all but whole.
    runs = sum(1 << bits for bits in RUN_BITS) + (1 << RUN_BITS[-1]) - 1
    row = np.zeros((2, runs + 500), np.int64)
    row[0, runs] = -full
    row[0, runs + 1 + 40] = row[0, -1] = full
    row[1, 300] = 1
    await _run(bench, stage, [row, row[:1, : runs + 1], -row], mode, "long runs")
    longest = max(one["zeros"] + one["length"] for one in stage.sink.fields())
    # The number of an escape, and the flag or the one of the symbol behind it.
    wanted = ESCAPE_ZEROS + params().response_bits + 1
    bench.check(longest == wanted, f"the longest code has {longest} bits, not {wanted}")

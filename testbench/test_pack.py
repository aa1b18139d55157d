"""Bit packer against plain numbers: the bits of all codes of a packet, one behind the other."""

from functools import partial
from itertools import pairwise

from edgeray.protocol.packets import WORD_BITS
from hdl.pack import Pack
from testbench.bench import Bench, simulated
from testbench.runner import Build
from testbench.streams import StreamSink, StreamSource, randomly

BUILDS = tuple(Build(f"{width} bit", partial(Pack, width)) for width in (WORD_BITS, 15))
Codes = list[tuple[int, int]]
"""(bits, length) of each code of a packet."""


def _width(source: StreamSource) -> int:
    """Bits of the longest code of this build."""
    return (source.packer.mask(["bits"])).bit_length()


def _packets(bench: Bench, width: int, count: int) -> list[Codes]:
    """Codes of every length, none, all of the longest, many empty ones; packets of every number of codes and bits."""
    chances, found = bench.random, []
    for number in range(count):
        longest = chances.choice((0, 1, 3, width // 2, width, width))
        shortest = chances.choice((0, 0, longest))
        lengths = [chances.randint(shortest, longest) for _ in range(1 + number % 50)]
        if not any(lengths):
            lengths[-1] = 1  # a payload is never empty
        found.append([(chances.getrandbits(length) if length else 0, length) for length in lengths])
    return found


def _send(bench: Bench, source: StreamSource, packets: list[Codes]) -> None:
    """Codes of packets one behind the other, with the rest that the stage wants between two."""
    for number, codes in enumerate(packets):
        ends = [0] * (len(codes) - 1) + [1]
        source.send(
            {"bits": bits, "length": length, "end": end, "last": end & (number % 2)}
            for (bits, length), end in zip(codes, ends, strict=True)
        )
        source.items.extend([None] * bench.component.rest)


def _check(bench: Bench, sink: StreamSink, packets: list[Codes], what: str) -> None:
    """Compare words, lengths and flags of all packets."""
    got = sink.fields()
    for number, codes in enumerate(packets):
        content = place = 0
        for bits, length in codes:
            content, place = content | bits << place, place + length
        words = [content >> at & ((1 << WORD_BITS) - 1) for at in range(0, place, WORD_BITS)]
        part, got = got[: len(words) + 1], got[len(words) + 1 :]
        ends = [one["end"] for one in part]
        bench.check(ends == [0] * len(words) + [1], f"{what}: packet {number} of {place} bits: ends {ends}")
        there = [one["data"] for one in part[:-1]]
        bench.check(there == words, f"{what}: packet {number} {codes}: words {there}, not {words}")
        said = part[-1]["length"], part[-1]["last"]
        right = -(-place // 8), number % 2
        bench.check(said == right, f"{what}: packet {number} of {place} bits: length, last {said}, not {right}")
        bench.figures.frames += 1
        bench.figures.pixels += len(codes)
    bench.check(not got, f"{what}: {len(got)} words too many")


async def _run(bench: Bench, source: StreamSource, sink: StreamSink, packets: list[Codes], what: str) -> None:
    for log in (source.accepted, source.offered, sink.items, sink.offered):
        log.clear()
    _send(bench, source, packets)
    await bench.until(lambda: not source.items, 12 * len(source.items) + 100, "acceptance of all codes")
    await bench.clock(20)
    _check(bench, sink, packets, what)


@simulated(cycles=100_000)
async def every_pace(bench: Bench) -> None:
    """Packets as close to each other as they may be, and codes with pauses between them."""
    source, sink = bench.source(), bench.sink()
    for likely in (1.0, 0.6, 0.2):
        source.pace = randomly(bench.random, likely)
        await _run(bench, source, sink, _packets(bench, _width(source), 100), f"a code in {likely} of the clocks")


@simulated(cycles=100_000)
async def latency(bench: Bench) -> None:
    """Words and the end come when the stage says; words of short codes leave a clock between them."""
    source, sink = bench.source(), bench.sink()
    packets = _packets(bench, _width(source), 200)
    await _run(bench, source, sink, packets, "at once")
    offered, accepted = iter(sink.offered), source.accepted
    for number, codes in enumerate(packets):
        clocks, accepted = accepted[: len(codes)], accepted[len(codes) :]
        place, came = 0, [-2]  # a word of long ago
        for (_, length), clock in zip(codes, clocks, strict=True):
            filled, place = place // WORD_BITS, place + length
            if place // WORD_BITS > filled:
                came.append(next(offered))
                took, wanted = came[-1] - clock, bench.component.latency
                bench.check(took == wanted, f"packet {number}: a word came {took} clocks after its code")
        if place % WORD_BITS:
            came.append(next(offered))
        took = next(offered) - clocks[-1]
        bench.check(took == 6, f"packet {number}: its end came {took} clocks after its last code, not 6")
        if 2 * _width(source) <= WORD_BITS:
            apart = min(later - one for one, later in pairwise(came))
            bench.check(apart >= 2, f"packet {number}: words in clocks {came[1:]}, not 2 apart")

"""Bit packers against plain numbers: the bits of all codes, or values, of a packet, one behind the other."""

from functools import partial
from itertools import pairwise

from edgeray.protocol.packets import WORD_BITS
from hdl.layouts import code_layout
from hdl.pack import Pack, PackFixed
from hdl.params import Params
from testbench.bench import Bench, simulated
from testbench.runner import Build
from testbench.streams import StreamSink, StreamSource, randomly

_ZEROS, _BITS, _LENGTH, _WORDS = 10, 16, 22, 40
"""Of the longest codes that there are, at 14 bits a sample; words that are shown of a payload."""
_VALUES = 64
BUILDS = (
    Build("codes", partial(Pack, code_layout(_ZEROS, _BITS, _LENGTH), _WORDS, _VALUES * WORD_BITS // 8), ("codes",)),
    *(Build(f"values {bits + 1} bit", partial(PackFixed, Params(rows=8, columns=_VALUES // 8, sample_bits=bits)),
            ("values",)) for bits in (8, 12, 14)),
)  # fmt: skip
Codes = list[tuple[int, int]]
"""(bits, length) of each code of a packet."""


def _packets(bench: Bench, longest: int, count: int) -> list[list[dict[str, int]]]:
    """Codes of every length, none, all of the longest, many empty ones; packets of every number of codes and bits."""
    chances, found = bench.random, []
    for number in range(count):
        most_zeros, most = chances.choice(((0, 0), (0, 1), (2, 2), (_ZEROS, 4), (_ZEROS, longest), (_ZEROS, longest)))
        packet = []
        for place in range(1 + number % _VALUES):
            length = chances.choice((chances.randint(0, most), most))
            bits = chances.getrandbits(min(length, _BITS)) if length else 0
            zeros = chances.choice((chances.randint(0, most_zeros), most_zeros)) if length else 0
            packet.append({"zeros": zeros, "bits": bits, "length": length, "end": int(place == number % _VALUES)})
        if not any(one["length"] for one in packet):
            packet[-1]["length"] = 1  # a payload is never empty
        found.append(packet)
    return found


def _check(bench: Bench, sink: StreamSink, codes: Codes, shown: int, what: str) -> None:
    """Compare the words of one packet, of which at most `shown` come, and its length."""
    content = place = 0
    for bits, length in codes:
        content, place = content | bits << place, place + length
    words = [content >> at & ((1 << WORD_BITS) - 1) for at in range(0, place, WORD_BITS)]
    got = list(sink.items)
    # Behind the last byte the last word means nothing.
    meant = (1 << (8 * -(-place // 8) - WORD_BITS * (len(words) - 1))) - 1
    if len(got) == len(words):
        got[-1] &= meant
    bench.check(got == words[:shown], f"{what} of {place} bits: words {got}, not {words[:shown]}")
    length, right = int(bench.dut.length.value), -(-place // 8)
    bench.check(length == right, f"{what} of {place} bits: length {length}, not {right}")
    bench.figures.frames += 1
    bench.figures.pixels += len(codes)


async def _clear(bench: Bench, source: StreamSource, sink: StreamSink) -> None:
    bench.set(clear=1)
    await bench.clock()
    bench.set(clear=0)
    for log in (source.accepted, source.offered, sink.items, sink.offered):
        log.clear()


@simulated(cycles=100_000)
async def codes(bench: Bench) -> None:
    """Packets as close as they may be, and codes with pauses between them; words come when they should."""
    source, sink, over = bench.source(), bench.sink(), bench.pulses("over")
    for likely in (1.0, 0.6, 0.2):
        source.pace = randomly(bench.random, likely)
        for number, packet in enumerate(_packets(bench, _LENGTH, 200)):
            what, over.count = f"packet {number} at pace {likely}", 0
            source.send(packet)
            await bench.until(lambda: over.count == 1, 1_000, "the payload's end")
            took = bench.clocks - 1 - source.accepted[-1]
            bench.check(took == 5, f"{what}: it was over {took} clocks after its last code, not 5")
            coded = [(one["bits"] << one["zeros"], one["zeros"] + one["length"]) for one in packet]
            _check(bench, sink, coded, _WORDS, what)
            place, came = 0, iter(sink.offered)
            for (_, length), clock in zip(coded, source.accepted, strict=True):
                filled, place = place // WORD_BITS, place + length
                if filled < place // WORD_BITS <= _WORDS:
                    took, wanted = next(came) - clock, bench.component.latency
                    bench.check(took == wanted, f"{what}: a word came {took} clocks after its code")
            await _clear(bench, source, sink)


@simulated(cycles=100_000)
async def values(bench: Bench) -> None:
    """The same of values of one width, either width; the words leave a clock between them."""
    source, sink = bench.source(), bench.sink()
    width = source.packer.mask(["value"]).bit_length()
    for likely in (1.0, 0.6, 0.2):
        source.pace = randomly(bench.random, likely)
        for number in range(2 * _VALUES):
            what, narrow = f"packet {number} at pace {likely}", number % 2
            bits = width - narrow
            packet = [bench.random.getrandbits(bits) for _ in range(1 + number // 2)]
            bench.set(narrow=narrow)
            source.send({"value": value, "end": int(place == number // 2)} for place, value in enumerate(packet))
            await bench.until(lambda: not source.items, 2_000, "acceptance of all values")
            last = source.accepted[-1]
            await bench.clock(last + 5 - bench.clocks)
            _check(bench, sink, [(value, bits) for value in packet], len(packet), what)
            apart = [later - one for one, later in pairwise(sink.offered)]
            bench.check(min(apart, default=2) >= 2, f"{what}: words in clocks {sink.offered}, not 2 apart")
            filled = [(place + 1) * bits // WORD_BITS for place in range(len(packet))]
            for place, clock in enumerate(source.accepted):
                if place and filled[place] > filled[place - 1]:
                    took, wanted = sink.offered[filled[place] - 1] - clock, bench.component.latency
                    bench.check(took == wanted, f"{what}: a word came {took} clocks after its value")
            await bench.clock(2)
            await _clear(bench, source, sink)

"""Damage on the line: what was not touched arrives, what was is never believed, and the ledger knows all of it.

Streams with several packet types, readouts, generations, audit frames and replies get faults of every kind, and are
split and decoded in chunks of any size. Every packet, frame and count is compared with what the injector says.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import pytest

from edgeray.decoder import Decoder, Frame
from edgeray.intake import Intake
from edgeray.protocol.packets import MAX_PAYLOAD, OVERHEAD, PacketType
from edgeray.replay import Replay
from edgeray.splitter import Packet, Splitter
from tests.golden_lines import BUILDS, DROPPED, TRIGGERED, lines
from tests.injector import KINDS, Injector
from tests.receiver import Arrived, Outcome, expected, heights, is_audit, lossy

SEED = 20240607
MIXED = "all kinds together"
MOST_FAULTS = 40
"""In one stream of fifty to a hundred packets."""
ALL_MIXED = 25_000
ALL_OF_ONE_KIND = 75_000 // len(KINDS)


class Receiver:
    """Splitter and decoder as a capture and a replay use them; notes the most bytes that were held."""

    def __init__(self, *, plain: bool, max_payload: int) -> None:
        self.splitter = Splitter(max_payload, plain=plain)
        self.series = Intake(self.splitter.counts)
        self.series.decoder = Decoder(self.series.ledger, plain=plain, threads=1)
        self.packets: list[Packet] = []
        self.held = 0

    def take(self, chunk: bytes) -> None:
        self.series.take_bytes(chunk)
        self.pass_on(self.splitter.feed(chunk))
        self.held = max(self.held, len(self.splitter._held))

    def pass_on(self, packets: list[Packet]) -> int:
        self.packets += packets
        for one in packets:
            if one.type != PacketType.REPLY:
                self.series.take_packet(one)
        self.series.decode()
        return len(packets)

    def end(self, out: Outcome) -> None:
        self.pass_on(self.splitter.finish())
        self.series.flush()
        self.series.settle()
        if out.confirmed:
            self.series.confirm(out.told[TRIGGERED], out.told[DROPPED])


def chunks(random: Random, stream: bytes, *, byte_by_byte: bool) -> Iterator[bytes]:
    most = 1 if byte_by_byte else random.choice((200, 1000, 100_000, 100_000))
    start = 0
    while start < len(stream):
        size = random.randint(1, most) if most < len(stream) else len(stream)
        yield stream[start : start + size]
        start += size


def run(seed: int, kind: str, *, plain: bool, byte_by_byte: bool = False) -> "Row":
    """One stream; its row of the table. AssertionError where a receiver made anything else of it than it must."""
    random = Random(seed)
    given = lines(random.randrange(BUILDS))
    injector = Injector(given, random)
    faults = random.randint(1, MOST_FAULTS)
    for _ in range(faults):
        injector.apply(kind if kind in KINDS else random.choice(list(KINDS)))
    stream = injector.stream
    longest = max(len(one.packet.payload) for one in (*given.line.sent, *given.alike.sent, *given.other.sent))
    # A forged packet may be a few bytes longer.
    max_payload = random.choice((longest + 4, MAX_PAYLOAD))

    truth = injector.truth(stream, max_payload)
    out = expected(truth.whole)
    if injector.in_order:
        agree(out, lossy(given.line.sent, truth.whole))

    receiver = Receiver(plain=plain, max_payload=max_payload)
    for chunk in chunks(random, stream, byte_by_byte=byte_by_byte):
        receiver.take(chunk)
    assert receiver.held <= max_payload + OVERHEAD
    wanted = [one.packet for one in truth.whole]
    assert receiver.packets == wanted[: len(wanted) - truth.hidden], "packets before the stream's end"
    rescued = truth.hidden and random.random() < 0.5
    if rescued:
        while receiver.pass_on(receiver.splitter.rescue()):
            pass
        assert receiver.packets == wanted, "packets after a silence"
    receiver.end(out)
    assert receiver.packets == wanted, "packets"

    counts, ledger = receiver.splitter.counts, receiver.series.ledger
    if rescued:  # it skips a stretch without a look at each SYNC in it
        assert counts.header_bad + counts.crc_bad <= truth.counts.header_bad + truth.counts.crc_bad
        assert counts.bytes_skipped == truth.counts.bytes_skipped
    else:
        assert counts == truth.counts
    assert (ledger.bytes, ledger.bytes_skipped) == (len(stream), truth.counts.bytes_skipped)
    assert ledger.crc_bad == counts.crc_bad + counts.header_bad
    frames = list(receiver.series.frames)
    assert (ledger.received, ledger.incomplete) == (len(out.frames), sum(not one.complete for one in out.frames))
    assert (ledger.undecodable, ledger.malformed, ledger.late) == (out.undecodable, out.malformed, out.late)
    assert ledger.confirmed == out.confirmed
    triggered, dropped = (out.told[TRIGGERED], out.told[DROPPED]) if out.confirmed else (out.triggered, out.dropped)
    assert (ledger.triggered, ledger.dropped_on_chip) == (triggered, dropped)
    assert ledger.lost_on_link == triggered - dropped - len(out.frames)
    assert len(frames) == len(out.frames)
    compared: set[tuple[int, int]] = set()
    for frame, one in zip(frames, out.frames, strict=True):
        compare(frame, one)
        if (id(frame.meta), id(one.meta)) not in compared:
            compared.add((id(frame.meta), id(one.meta)))
            told = frame.meta.as_dict()
            assert {**told, "kernel_weights": list(told["kernel_weights"])} == one.meta.meta
    misnumbered = sum(one.image_id != one.sent[0].image_id for one in out.frames)
    numbers = {one.image_id for one in given.line.sent if one.rows}
    if injector.in_order:
        assert not misnumbered
        assert not out.confirmed or ledger.lost_on_link == len(numbers) - len(frames)
    if max_payload == MAX_PAYLOAD and wanted and not rescued and not seed % 10:
        again = Replay(BytesIO(stream), Path("damaged"), ())
        assert [one.image_id for one in again] == [one.image_id for one in out.frames]
        assert again.ledger == ledger
    arrived = set(map(id, truth.whole))
    return Row(
        faults=faults,
        streams=1,
        packets_sent=len(given.line.sent),
        packets_hit=sum(id(one) not in arrived for one in given.line.sent),
        falsely_accepted=len(receiver.packets) - len(wanted),
        frames_sent=len(numbers),
        frames_complete=sum(one.complete for one in frames),
        incomplete=ledger.incomplete,
        frames_lost=len(numbers - {one.image_id for each in out.frames for one in each.sent}),
        undecodable=ledger.undecodable,
        late_packets=ledger.late,
        hidden=truth.hidden,
        misnumbered=misnumbered,
    )


def agree(one: Outcome, other: Outcome) -> None:
    """Two ways to tell what a receiver must make of a stream that packets are missing from."""
    assert (one.triggered, one.dropped, one.undecodable) == (other.triggered, other.dropped, other.undecodable)
    assert (one.malformed, one.late) == (0, 0)
    for mine, its in zip(one.frames, other.frames, strict=True):
        assert (mine.image_id, mine.complete) == (its.image_id, its.complete)
        assert mine.meta is its.meta
        assert mine.sent == its.sent


def compare(frame: Frame, one: Arrived) -> None:
    """A frame with what must have arrived of it."""
    assert (frame.image_id, frame.complete) == (one.image_id, one.complete)
    assert frame.generation == one.meta.packet.generation
    assert frame.wire_bytes == sum(len(each.data) for each in one.sent)
    rows, pixel_rows = heights(one.meta)
    missing, pixels_missing = np.ones(rows, np.bool_), np.ones(pixel_rows, np.bool_)
    audit = False
    for each in one.sent:
        some = slice(each.rows.start, each.rows.stop)
        if is_audit(each, one.meta):
            audit = True
            assert frame.pixels is not None
            pixels_missing[some] = False
            assert frame.pixels[some].tobytes() == each.values
        else:
            missing[some] = False
            assert frame.values[some].tobytes() == each.values
            assert frame.kept[some].tobytes() == each.kept
    assert np.array_equal(frame.rows_received, ~missing)
    assert not frame.values[missing].any()
    assert not frame.kept[missing].any()
    assert (frame.pixels is not None) == audit
    if audit:
        assert frame.pixels is not None
        assert frame.pixel_rows_received is not None
        assert np.array_equal(frame.pixel_rows_received, ~pixels_missing)
        assert not frame.pixels[pixels_missing].any()


class Row(NamedTuple):
    """What a number of runs with faults of one kind add up to: a row of the table."""

    faults: int = 0
    streams: int = 0
    packets_sent: int = 0
    packets_hit: int = 0
    """Sent, and not whole any more."""
    falsely_accepted: int = 0
    frames_sent: int = 0
    frames_complete: int = 0
    incomplete: int = 0
    frames_lost: int = 0
    """Sent, and nothing of them received, be it that nothing could be read."""
    undecodable: int = 0
    late_packets: int = 0
    hidden: int = 0
    """Packets behind a false header, to be had only when the stream had ended."""
    misnumbered: int = 0


def inject(kind: str, faults: int, *, seed: int, plain: bool = False, byte_by_byte: bool = False) -> Row:
    """Run until there were so many faults, and print the row."""
    row = Row()
    while row.faults < faults:
        try:
            found = run(seed + row.streams, kind, plain=plain, byte_by_byte=byte_by_byte)
        except BaseException as error:
            error.add_note(f"{kind}, seed {seed + row.streams}")
            raise
        row = Row(*map(sum, zip(row, found, strict=True)))
    for first, *cells in (("fault", *Row._fields), (kind, *row)):
        line = (f"{one!s:>{max(6, len(name))}}" for one, name in zip(cells, Row._fields, strict=True))
        print(f"| {first:25} | {' | '.join(line)} |")
    return row


@pytest.mark.parametrize("kind", [*KINDS, MIXED])
def test_damage_costs_what_it_hits_and_nothing_else(kind: str) -> None:
    """100 000 faults in all."""
    inject(kind, ALL_MIXED if kind == MIXED else ALL_OF_ONE_KIND, seed=SEED)


@pytest.mark.parametrize("kind", [*KINDS, MIXED])
def test_the_reference_agrees(kind: str) -> None:
    inject(kind, 600, seed=SEED + 100_000, plain=True)
    inject(kind, 100, seed=SEED + 200_000, plain=True, byte_by_byte=True)
    inject(kind, 100, seed=SEED + 300_000, byte_by_byte=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, MIXED])
def test_a_million_faults(kind: str) -> None:
    inject(kind, 10 * (ALL_MIXED if kind == MIXED else ALL_OF_ONE_KIND), seed=SEED + 1_000_000)
    inject(kind, 5000, seed=SEED + 2_000_000, plain=True)

"""What must hold of the golden model of the command parser for any bytes at all: for coverage-guided fuzzing."""

import zlib
from random import Random

from edgeray.protocol.packets import (
    COMMAND_HEADER,
    HEADER_END,
    OVERHEAD,
    SYNC,
    VERSION,
    WRITE_SIZE,
    CommandType,
    crc8,
    packet,
)
from sim.golden.command import Command, CommandParser

LONGEST = 512
"""Bytes of an input."""

_Whole = tuple[int, int, int, int | None]
_WRITE = {"generation": 0, "last": 1, "type": CommandType.WRITE, "version": VERSION, "sequence": 7, "address": 0x41,
          "length": WRITE_SIZE}  # fmt: skip
_PROBE = packet(COMMAND_HEADER.pack(_WRITE), bytes(WRITE_SIZE))


def _identity(one: Command) -> _Whole:
    return one.type, one.sequence, one.address, one.value


def _whole(data: bytes) -> list[_Whole]:
    """Everything in `data` that is a command with both CRCs right, wherever it begins."""
    found: list[_Whole] = []
    at = data.find(SYNC)
    while at >= 0:
        for size in (0, WRITE_SIZE):
            one = data[at : at + OVERHEAD + size]
            if len(one) < OVERHEAD + size:
                continue
            fields = COMMAND_HEADER.unpack(one[len(SYNC) :])
            if packet(one[len(SYNC) : HEADER_END - 1], one[HEADER_END:-4]) == one and fields["length"] == size:
                value = int.from_bytes(one[HEADER_END:-4], "little") if size else None
                found.append((fields["type"], fields["sequence"], fields["address"], value))
        at = data.find(SYNC, at + 1)
    return found


def check(data: bytes) -> None:
    """AssertionError, or whatever else comes, where the model does not take these bytes as it must."""
    data = data[:LONGEST]
    random = Random(zlib.crc32(data))
    once = CommandParser()
    commands = once.feed(data)
    bitwise = CommandParser()
    assert [one for byte in data for one in bitwise.feed(bytes([byte]))] == commands
    assert bitwise.errors == once.errors
    assert len(commands) + once.errors <= data.count(SYNC)
    _explain(commands, data)

    paused = CommandParser()
    found: list[Command] = []
    start = 0
    while start < len(data):
        size = random.randint(1, random.choice((1, 8, 40, LONGEST)))
        found += paused.feed(data[start : start + size])
        assert len(paused._held) < OVERHEAD + WRITE_SIZE
        start += size
        if random.random() < 0.3:
            before = paused.errors
            paused.pause()
            assert before <= paused.errors <= before + 1
            assert len(paused._held) <= 1
    _explain(found, data)
    # After a pause the next command is answered, whatever came before.
    for parser in (once, paused):
        parser.pause()
        errors = parser.errors
        (probe,) = parser.feed(_PROBE)
        assert _identity(probe) == (CommandType.WRITE, 7, 0x41, 0)
        assert parser.errors == errors
        assert not parser.feed(_PROBE)[0].executed


def _explain(commands: list[Command], data: bytes) -> None:
    """Every command stands whole in the data, in this order; none of another type, and no WRITE twice, is executed."""
    there = iter(_whole(data))
    assert all(_identity(one) in there for one in commands)
    last: int | None = None
    for one in commands:
        known = one.type == (CommandType.READ if one.value is None else CommandType.WRITE)
        repeated = one.value is not None and one.sequence == last
        assert one.executed == (known and not repeated)
        last = one.sequence if known else last


def mend(data: bytes, random: Random) -> bytes:
    """`data` with the CRCs of some of its commands put right."""
    out = bytearray(data)
    at = out.find(SYNC)
    while at >= 0:
        size = OVERHEAD + random.choice((0, WRITE_SIZE))
        if len(out) - at >= size and random.random() < 0.8:
            fields = COMMAND_HEADER.unpack(bytes(out[at + len(SYNC) :]))
            if random.random() < 0.9:
                fields |= {"version": VERSION, "length": size - OVERHEAD}
            header = COMMAND_HEADER.pack(fields)
            out[at + len(SYNC) : at + HEADER_END] = header + bytes([crc8(header)])
            out[at + size - 4 : at + size] = zlib.crc32(out[at + len(SYNC) : at + size - 4]).to_bytes(4, "little")
        at = out.find(SYNC, at + len(SYNC) + random.randrange(size))
    return bytes(out)

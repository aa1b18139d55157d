"""What must hold of the golden model of the command parser for any bytes at all: for coverage-guided fuzzing."""

import struct
import zlib
from random import Random

from edgeray.protocol.packets import (
    BLOCK_WORDS,
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

_Whole = tuple[int, int, int, tuple[int, ...]]
_SIZES = range(0, WRITE_SIZE * BLOCK_WORDS + 1, WRITE_SIZE)
_WRITE = {"generation": 0, "last": 1, "type": CommandType.WRITE, "version": VERSION, "sequence": 7, "address": 0x41,
          "length": WRITE_SIZE}  # fmt: skip
_PROBE = packet(COMMAND_HEADER.pack(_WRITE), bytes(WRITE_SIZE))


def _identity(one: Command) -> _Whole:
    return one.type, one.sequence, one.address, one.words


def _whole(data: bytes) -> list[_Whole]:
    """Everything in `data` that is a command with both CRCs right, wherever it begins."""
    found: list[_Whole] = []
    at = data.find(SYNC)
    while at >= 0:
        if len(data) - at >= OVERHEAD:
            fields = COMMAND_HEADER.unpack(data[at + len(SYNC) :])
            one = data[at : at + OVERHEAD + fields["length"]]
            header, payload = one[len(SYNC) : HEADER_END - 1], one[HEADER_END:-4]
            if fields["length"] == len(payload) and len(payload) in _SIZES and packet(header, payload) == one:
                words = tuple(word for (word,) in struct.iter_unpack("<I", payload))
                found.append((fields["type"], fields["sequence"], fields["address"], words))
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
        assert len(paused._held) < OVERHEAD + max(_SIZES)
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
        assert _identity(probe) == (CommandType.WRITE, 7, 0x41, (0,))
        assert parser.errors == errors
        assert not parser.feed(_PROBE)[0].executed


def _explain(commands: list[Command], data: bytes) -> None:
    """Every command stands whole in the data, in this order; each that is known is executed, no write twice."""
    there = iter(_whole(data))
    assert all(_identity(one) in there for one in commands)
    last: int | None = None
    for one in commands:
        words: dict[int, range] = {
            CommandType.READ: range(1), CommandType.WRITE: range(1, 2), CommandType.WRITE_BLOCK: range(1, 1 << 16),
        }  # fmt: skip
        known = len(one.words) in words.get(one.type, ())
        repeated = len(one.words) > 0 and one.sequence == last
        assert one.executed == (known and not repeated)
        last = one.sequence if known else last


def mend(data: bytes, random: Random) -> bytes:
    """`data` with the CRCs of some of its commands put right."""
    out = bytearray(data)
    at = out.find(SYNC)
    while at >= 0:
        size = OVERHEAD + random.choice((0, WRITE_SIZE, random.choice(_SIZES)))
        if len(out) - at >= size and random.random() < 0.8:
            fields = COMMAND_HEADER.unpack(bytes(out[at + len(SYNC) :]))
            if random.random() < 0.9:
                fields |= {"version": VERSION, "length": size - OVERHEAD}
            header = COMMAND_HEADER.pack(fields)
            out[at + len(SYNC) : at + HEADER_END] = header + bytes([crc8(header)])
            out[at + size - 4 : at + size] = zlib.crc32(out[at + len(SYNC) : at + size - 4]).to_bytes(4, "little")
        at = out.find(SYNC, at + len(SYNC) + random.randrange(size))
    return bytes(out)

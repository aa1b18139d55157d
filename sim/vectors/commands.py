"""Streams to the board: commands, good ones and damaged ones, with the replies that a board gives.

The board is a few lines here that follow `edgeray.protocol.registers`: its shadow of settings, nothing behind it.
"""

from dataclasses import dataclass, field

from edgeray.protocol.packets import (
    BLOCK_WORDS,
    COMMAND_HEADER,
    REPLY,
    VERSION,
    WRITE_SIZE,
    CommandType,
    PacketType,
    ReplyStatus,
    is_command,
    packet,
)
from edgeray.protocol.registers import (
    BY_NAME,
    PRODUCT_ID,
    PROTOCOL_VERSION,
    REGISTERS,
    Access,
    Register,
    register_map_hash,
)
from sim.vectors.vector import Vector, opening

_CONSTANTS = {
    "product_id": PRODUCT_ID,
    "protocol_version": PROTOCOL_VERSION,
    "register_map_hash": register_map_hash(),
}
_NOWHERE = 0x7FF0
_INDEX = BY_NAME["table_index"].address
_WORD = 0xFFFF_FFFF


def reply(sequence: int, address: int, status: int, value: int, *, generation: int) -> bytes:
    """A REPLY packet."""
    payload = REPLY.pack({"status": status, "value": value})
    return _packet(PacketType.REPLY, sequence, address, payload, generation=generation % 4)


def command(kind: int, sequence: int, address: int, payload: bytes = b"", *, version: int = VERSION) -> bytes:
    """A command packet."""
    return _packet(kind, sequence, address, payload, version=version)


def _packet(
    kind: int, sequence: int, address: int, payload: bytes, *, generation: int = 0, version: int = VERSION
) -> bytes:
    fields = {"sequence": sequence, "address": address, "generation": generation, "last": 1}
    return packet(COMMAND_HEADER.pack({**fields, "type": kind, "version": version, "length": len(payload)}), payload)


def _register(address: int) -> Register | None:
    return next((one for one in REGISTERS if one.address <= address < one.address + one.count), None)


@dataclass
class Exchange:
    """A stream to the board, and what the board does with it."""

    name: str
    description: str
    chunks: list[bytes] = field(default_factory=list)
    commands: list[dict[str, int | list[int]]] = field(default_factory=list)
    replies: list[dict[str, int]] = field(default_factory=list)
    errors: int = 0
    _shadow: dict[int, int] = field(default_factory=dict)
    _sequence: int = -1
    _executed: int = -1
    _outcome: tuple[ReplyStatus, int] = (ReplyStatus.OK, 0)

    def read(self, register: str | int) -> "Exchange":
        """READ of a register, or of an address."""
        return self._send(CommandType.READ, register)

    def write(self, register: str | int, value: int, *, again: bool = False) -> "Exchange":
        """WRITE to a register, or to an address; `again` under the sequence of the command before."""
        return self._send(CommandType.WRITE, register, value, again=again)

    def block(self, register: str, *values: int, again: bool = False) -> "Exchange":
        """WRITE_BLOCK to a register; `again` under the sequence of the command before."""
        return self._send(CommandType.WRITE_BLOCK, register, *values, again=again)

    def other(self, kind: int, register: str, *values: int) -> "Exchange":
        """A command of another type, or of another payload than its type's."""
        return self._send(kind, register, *values)

    def lost(self, data: bytes, errors: int = 1) -> "Exchange":
        """Bytes of which no command comes."""
        self.chunks.append(data)
        self.errors += errors
        return self

    def _send(self, kind: int, register: str | int, *values: int, again: bool = False) -> "Exchange":
        address = register if isinstance(register, int) else BY_NAME[register].address
        sequence = self._sequence if again else (250 + len(self.commands)) % 256
        self._sequence, words = sequence, [value & _WORD for value in values]
        payload = b"".join(word.to_bytes(WRITE_SIZE, "little") for word in words)
        self.chunks.append(command(kind, sequence, address, payload))
        self.commands.append({"type": int(kind), "sequence": sequence, "address": address, "words": words})
        status, held = self._answer(kind, sequence, address, words)
        self.replies.append({"sequence": sequence, "address": address, "status": int(status), "value": held & _WORD})
        return self

    def _answer(self, kind: int, sequence: int, address: int, words: list[int]) -> tuple[ReplyStatus, int]:
        if not is_command(kind, WRITE_SIZE * len(words)):
            return ReplyStatus.UNKNOWN_COMMAND, 0
        if not words or sequence != self._executed:
            self._executed = sequence
            if kind == CommandType.WRITE_BLOCK:
                self._outcome = self._execute_block(address, words)
            else:
                self._outcome = self._execute(address, words[0] if words else None)
        return self._outcome

    def _execute_block(self, address: int, words: list[int]) -> tuple[ReplyStatus, int]:
        for number, word in enumerate(words):
            status, _ = self._execute(address, word)
            if status != ReplyStatus.OK:
                return status, number
        return ReplyStatus.OK, len(words)

    def _execute(self, address: int, value: int | None) -> tuple[ReplyStatus, int]:
        register = _register(address)
        if register is None:
            return ReplyStatus.UNKNOWN_ADDRESS, 0
        held = self._shadow.get(address, _CONSTANTS.get(register.name, register.reset))
        if value is None:
            return ReplyStatus.OK, held
        if register.access in (Access.CONSTANT, Access.STATUS):
            return ReplyStatus.READ_ONLY, held
        wanted = value - (1 << 32) if register.signed and value >> 31 else value
        if not register.accepts(wanted):
            return ReplyStatus.VALUE_REFUSED, held
        if register.access is Access.PULSE:
            if register.name == "correction_data":
                self._shadow[_INDEX] = self._shadow.get(_INDEX, BY_NAME["table_index"].reset) + 1
            return ReplyStatus.OK, 0
        self._shadow[address] = wanted
        return ReplyStatus.OK, wanted

    @property
    def stream(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def expected(self) -> dict[str, object]:
        """What the JSON file holds."""
        found = opening(self.name, self.description, "to board", len(self.stream))
        return {**found, "commands": self.commands, "replies": self.replies, "errors": self.errors}


def exchanges() -> list[Exchange]:
    """All streams to the board."""
    good = Exchange("commands", "READ and WRITE, and every way in which a board refuses")
    good.read("product_id").read("protocol_version").read("register_map_hash").read("edge_threshold")
    good.write("edge_threshold", 20).read("edge_threshold").write("edge_threshold", 0).write("edge_threshold", 1 << 16)
    good.write("pga_offset", -5).read("pga_offset").write("pga_offset", 1 << 15).write("stride", 2)
    good.write("product_id", 1).write("triggered", 0).read(_NOWHERE).write(_NOWHERE, 1).read("correction_data")
    good.other(CommandType.READ, "nimages", 0).other(CommandType.WRITE, "nimages").other(5, "nimages").read("nimages")
    good.other(CommandType.WRITE, "nimages", 1, 2).other(CommandType.WRITE_BLOCK, "nimages").read("nimages")

    write = command(CommandType.WRITE, 9, BY_NAME["nimages"].address, b"\x07\0\0\0")
    damaged = Exchange("commands-damaged", "damaged commands, each before one that is whole: they change nothing")
    for place in (3, 7, 8):
        damaged.lost(_flipped(write, place)).read("nimages")
    for place in (9, 12, 13, 16):
        damaged.lost(_flipped(write, place)).read("nimages")
    damaged.lost(command(CommandType.WRITE, 9, 0x41, b"\x07\0\0\0", version=(VERSION + 1) % 4)).read("nimages")
    for length in (3, 6, 4 * BLOCK_WORDS + 4):
        damaged.lost(command(CommandType.WRITE_BLOCK, 9, 0x41, bytes(length))).read("nimages")
    damaged.lost(b"noise on the line \xe6\xe6\x00\x9a", errors=0).read("nimages").write("nimages", 3).read("nimages")
    damaged.lost(write[:11] + write[12:]).read("nimages")

    repeated = Exchange("commands-repeated", "commands that come again under the same sequence number act once")
    repeated.read("product_id").write("table_index", 5).read("table_index")
    repeated.write("correction_data", 1024).write("correction_data", 1024, again=True).read("table_index")
    repeated.write("nimages", 9, again=True).read("nimages").write("edge_threshold", 0)
    repeated.write("edge_threshold", 0, again=True).write("edge_threshold", 7).read("edge_threshold")
    repeated.write("product_id", 1).write("edge_threshold", 8, again=True).read("edge_threshold")
    blocks = Exchange(
        "commands-block", "WRITE_BLOCK: whole ones, some that a register refuses, repeated and damaged ones"
    )
    blocks.read("product_id").write("table_index", 5).block("correction_data", *range(1000, 1000 + BLOCK_WORDS))
    blocks.read("table_index").block("correction_data", 7).block("correction_data", 7, again=True).read("table_index")
    blocks.block("nimages", 4, 5, 6).read("nimages").block("edge_threshold", 8, 9, 1 << 16, 10).read("edge_threshold")
    blocks.block("edge_threshold", 0, 10).write("edge_threshold", 11, again=True).read("edge_threshold")
    blocks.block("product_id", 1, 2).write("nimages", 2).block("nimages", 3, 4, again=True).read("nimages")
    block = command(CommandType.WRITE_BLOCK, 9, _INDEX, b"".join(bytes([one, 0, 0, 0]) for one in range(8)))
    for place in (2, 9, 23, len(block) - 1):
        blocks.lost(_flipped(block, place)).read("table_index")
    # It takes the first byte of the command behind it for its own last.
    blocks.lost(block[:17] + block[18:]).read("table_index")
    return [good, damaged, repeated, blocks]


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def replies() -> Vector:
    """What a board sends in answer to the first of the exchanges."""
    vector = Vector("replies", "what a board sends in answer to `commands`")
    for one in exchanges()[0].replies:
        vector.reply(reply(one["sequence"], one["address"], one["status"], one["value"], generation=1), **one)
    return vector

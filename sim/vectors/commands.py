"""Streams to the board: commands, good ones and damaged ones, with the replies that a board gives.

The board is a few lines here that follow `edgeray.protocol.registers`: its shadow of settings, nothing behind it.
"""

from dataclasses import dataclass, field

from edgeray.protocol.packets import (
    COMMAND_HEADER,
    REPLY,
    VERSION,
    WRITE_SIZE,
    CommandType,
    PacketType,
    ReplyStatus,
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
    commands: list[dict[str, int | None]] = field(default_factory=list)
    replies: list[dict[str, int]] = field(default_factory=list)
    errors: int = 0
    _shadow: dict[int, int] = field(default_factory=dict)
    _executed: int = -1
    _outcome: tuple[ReplyStatus, int] = (ReplyStatus.OK, 0)

    def read(self, register: str | int) -> "Exchange":
        """READ of a register, or of an address."""
        return self._send(CommandType.READ, register, b"")

    def write(self, register: str | int, value: int, *, again: bool = False) -> "Exchange":
        """WRITE to a register, or to an address; `again` under the sequence of the command before."""
        return self._send(CommandType.WRITE, register, (value & _WORD).to_bytes(WRITE_SIZE, "little"), again)

    def other(self, kind: int, register: str, payload: bytes) -> "Exchange":
        """A command of another type, or of another payload than its type's."""
        return self._send(kind, register, payload)

    def lost(self, data: bytes, errors: int = 1) -> "Exchange":
        """Bytes of which no command comes."""
        self.chunks.append(data)
        self.errors += errors
        return self

    def _send(self, kind: int, register: str | int, payload: bytes, again: bool = False) -> "Exchange":
        address = register if isinstance(register, int) else BY_NAME[register].address
        sequence = self.commands[-1]["sequence"] if again else (250 + len(self.commands)) % 256
        assert sequence is not None
        value = int.from_bytes(payload, "little") if payload else None
        self.chunks.append(command(kind, sequence, address, payload))
        self.commands.append({"type": kind, "sequence": sequence, "address": address, "value": value})
        status, held = self._answer(kind, sequence, address, value)
        self.replies.append({"sequence": sequence, "address": address, "status": int(status), "value": held & _WORD})
        return self

    def _answer(self, kind: int, sequence: int, address: int, value: int | None) -> tuple[ReplyStatus, int]:
        if kind not in list(CommandType) or (kind == CommandType.WRITE) != (value is not None):
            return ReplyStatus.UNKNOWN_COMMAND, 0
        if value is None or sequence != self._executed:
            self._executed, self._outcome = sequence, self._execute(address, value)
        return self._outcome

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
    good.other(CommandType.READ, "nimages", bytes(4)).other(CommandType.WRITE, "nimages", b"")
    good.other(5, "nimages", b"").read("nimages")

    write = command(CommandType.WRITE, 9, BY_NAME["nimages"].address, b"\x07\0\0\0")
    damaged = Exchange("commands-damaged", "damaged commands, each before one that is whole: they change nothing")
    for place in (3, 7, 8):
        damaged.lost(_flipped(write, place)).read("nimages")
    for place in (9, 12, 13, 16):
        damaged.lost(_flipped(write, place)).read("nimages")
    damaged.lost(command(CommandType.WRITE, 9, 0x41, b"\x07\0\0\0", version=(VERSION + 1) % 4)).read("nimages")
    damaged.lost(command(CommandType.WRITE, 9, 0x41, bytes(8))).read("nimages")
    damaged.lost(b"noise on the line \xe6\xe6\x00\x9a", errors=0).read("nimages").write("nimages", 3).read("nimages")
    damaged.lost(write[:11] + write[12:]).read("nimages")

    repeated = Exchange("commands-repeated", "commands that come again under the same sequence number act once")
    repeated.read("product_id").write("table_index", 5).read("table_index")
    repeated.write("correction_data", 1024).write("correction_data", 1024, again=True).read("table_index")
    repeated.write("nimages", 9, again=True).read("nimages").write("edge_threshold", 0)
    repeated.write("edge_threshold", 0, again=True).write("edge_threshold", 7).read("edge_threshold")
    repeated.write("product_id", 1).write("edge_threshold", 8, again=True).read("edge_threshold")
    return [good, damaged, repeated]


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def replies() -> Vector:
    """What a board sends in answer to the first of the exchanges."""
    vector = Vector("replies", "what a board sends in answer to `commands`")
    for one in exchanges()[0].replies:
        vector.reply(reply(one["sequence"], one["address"], one["status"], one["value"], generation=1), **one)
    return vector

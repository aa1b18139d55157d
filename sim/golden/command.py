"""Golden model of the command parser: bytes from the host -> commands that came whole, and which of them are executed.

link -> [CommandParser] -> register bank, replies
"""

import zlib
from dataclasses import dataclass, replace

from edgeray.protocol.packets import (
    COMMAND_HEADER,
    HEADER_END,
    OVERHEAD,
    SYNC,
    VERSION,
    WRITE_SIZE,
    crc8,
    is_command,
    is_command_length,
)
from edgeray.protocol.registers import BY_NAME


@dataclass(frozen=True)
class Command:
    """A command that came whole; it is answered, whatever it is.

    type, sequence, address : of its header.
    words : behind the header, to be written in turn; none of a READ.
    executed : whether it accesses a register: it is known, and does not write what was executed before.
    """

    type: int
    sequence: int
    address: int
    words: tuple[int, ...]
    executed: bool

    @property
    def known(self) -> bool:
        """A READ, WRITE or WRITE_BLOCK; any other command is answered with UNKNOWN_COMMAND."""
        return is_command(self.type, WRITE_SIZE * len(self.words))


class CommandParser:
    """Takes bytes in any chunks.

    Members
    -------
    errors : commands thrown away so far; stays at the maximum of its register.
    """

    def __init__(self) -> None:
        self.errors = 0
        self._held = b""
        self._executed: int | None = None

    def feed(self, data: bytes) -> list[Command]:
        """The commands that are whole with `data`, the next bytes."""
        self._held += data
        found: list[Command] = []
        while True:
            sync = self._held.find(SYNC)
            if sync < 0:
                # The last byte may be the first half of one.
                self._held = self._held[-1:] if self._held.endswith(SYNC[:1]) else b""
                return found
            self._held = self._held[sync:]
            size = self._size()
            if len(self._held) < (size or HEADER_END):
                return found
            if size is None:
                self._throw_away(HEADER_END)
            elif zlib.crc32(self._held[len(SYNC) : size - 4]) != int.from_bytes(self._held[size - 4 : size], "little"):
                self._throw_away(size)
            else:
                found.append(self._command(size))
                self._held = self._held[size:]

    def pause(self) -> None:
        """No byte came for as long as a command may take to go on: one that was begun is thrown away."""
        if self._held.startswith(SYNC):
            self._throw_away(len(self._held))

    def _size(self) -> int | None:
        """Bytes of the command at the start of those held, or 0 where its header has not all come; None: none."""
        if len(self._held) < HEADER_END:
            return 0
        header = self._held[len(SYNC) : HEADER_END - 1]
        fields = COMMAND_HEADER.unpack(header)
        if crc8(header) != self._held[HEADER_END - 1] or fields["version"] != VERSION:
            return None
        return OVERHEAD + fields["length"] if is_command_length(fields["length"]) else None

    def _throw_away(self, size: int) -> None:
        """Count the command, which took `size` bytes; where it lost one, the last is the first of the next command."""
        self.errors = min(self.errors + 1, BY_NAME["command_errors"].maximum)
        kept = size - 1 if self._held[size - 1] == SYNC[0] else size
        self._held = self._held[kept:]

    def _command(self, size: int) -> Command:
        fields = COMMAND_HEADER.unpack(self._held[len(SYNC) :])
        payload = self._held[HEADER_END : size - 4]
        words = (payload[at : at + WRITE_SIZE] for at in range(0, len(payload), WRITE_SIZE))
        values = tuple(int.from_bytes(word, "little") for word in words)
        one = Command(fields["type"], fields["sequence"], fields["address"], values, executed=False)
        if not one.known:
            return one
        repeated = bool(values) and self._executed == one.sequence
        self._executed = one.sequence
        return replace(one, executed=not repeated)

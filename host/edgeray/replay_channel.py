"""A capture file in the place of a board, `replay://file`: `Device` and `Capture` work on it as on a board.

file -> Splitter -> packets -> a capture, as quickly as it takes them
  +--> Notes -> registers -> answers to commands
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from edgeray.channel import Command
from edgeray.closing import Closing
from edgeray.errors import CaptureFileError, CommandRefused, NoDeviceError, VersionMismatch
from edgeray.meta import Meta
from edgeray.protocol.packets import HEADER, LATE_FRAMES, VERSION, CommandType, PacketType
from edgeray.protocol.registers import BY_ADDRESS, BY_NAME, COMMAND_BITS, STATE_BITS, Access
from edgeray.recording import Notes
from edgeray.series import SeriesHeader
from edgeray.splitter import Packet, Splitter

SCHEME = "replay://"
_CHUNK = 1 << 16
_SEQUENCES = HEADER["sequence"].maximum + 1
_PIXELS = frozenset((PacketType.EDGE, PacketType.EDGE_STORED, PacketType.RAW, PacketType.RAW_STORED))
_FREE = frozenset(BY_NAME[name].address for name in ("nimages", "table_index", "uart_divisor"))
"""Registers that a replay lets be written: they change nothing of what was recorded."""
_ARM, _DISARM = (1 << COMMAND_BITS.offset(name) for name in ("arm", "disarm"))
_ARMED = 1 << STATE_BITS.offset("armed")
_TRIGGERED, _DROPPED, _NIMAGES, _STATE, _COMMAND = (
    BY_NAME[name].address for name in ("triggered", "dropped", "nimages", "state", "command")
)


class ReplayChannel(Closing):
    """Answers as the recorded board did, and sends what it sent when it is armed; members as a `Channel` has them.

    Settings are those of the recording and refuse another value; nimages may be less than was recorded.

    Raises
    ------
    NoDeviceError : no such file, or nothing in it that a board sent.
    VersionMismatch : it was recorded from a board with other packets.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.splitter = Splitter()
        self.on_packet: Callable[[Packet], object] | None = None
        self.on_bytes: Callable[[bytes], object] | None = None
        self._notes = Notes()
        self._armed, self._ended, self._number, self._dropped, self._most = False, False, -1, 0, 0
        try:
            self._file = self.path.open("rb")
        except OSError as error:
            raise NoDeviceError(f"cannot open {SCHEME}{path}: {error.strerror}") from None
        try:
            self._meta = self._first_meta()
            self._registers = self._notes.fill(self._meta)
            self._head = self._notes
        except BaseException:
            self._file.close()
            raise

    def _first_meta(self) -> Meta:
        splitter = Splitter()
        while chunk := self._file.read(_CHUNK):
            for packet in splitter.feed(chunk):
                self._notes.note(packet)
            if self._notes.first is not None:
                return self._notes.first
        if splitter.counts.unknown_version:
            raise VersionMismatch(f"packet version in {str(self.path)!r}", "another", str(VERSION))
        raise NoDeviceError(f"{str(self.path)!r} holds no series of an edgeray board: there is no META packet in it")

    def header(self, nimages: int) -> SeriesHeader:
        """Header of the series, of which `nimages` frames are asked for."""
        return replace(self._head.header(self.path, self._meta), nimages=nimages)

    def _start(self) -> None:
        self._file.seek(0)
        self.splitter.clear()
        self._notes = Notes()
        self._armed, self._ended, self._number, self._dropped = True, False, -1, 0
        self._most = self._registers[_NIMAGES]

    def pump(self, timeout: float) -> bool:
        """Send the next part of the recording, where armed; False where there is none."""
        chunk = self._file.read(_CHUNK) if self._armed else b""
        if chunk and self.on_bytes is not None:
            self.on_bytes(chunk)
        packets = self.splitter.feed(chunk) if chunk else self.splitter.finish() if self._armed else []
        for packet in packets:
            self._notes.note(packet)
            if packet.type == PacketType.REPLY or not self._armed:
                continue
            self._count(packet)
            if self._armed and self.on_packet is not None:
                self.on_packet(packet)
        if not chunk and self._armed:
            self._armed, self._ended = False, True
        return bool(chunk)

    def _count(self, packet: Packet) -> None:
        """Follow the frames' numbers; ends the series at the first one that was not asked for."""
        number = self._number
        if packet.type == PacketType.META:
            with contextlib.suppress(ValueError):
                meta = Meta.unpack(packet.payload)
                self._dropped, number = meta.dropped, meta.image_id
        elif packet.type in _PIXELS:
            ahead = (packet.sequence - number) % _SEQUENCES
            if ahead < _SEQUENCES - LATE_FRAMES:
                self._number = number = number + ahead
        if self._most and number >= self._most:
            self._armed, self._number = False, self._most - 1

    def drain(self, quiet: float, limit: float) -> None:
        """Send all that is left."""
        while self.pump(quiet):
            pass

    def run(self, commands: Sequence[Command], *, tries: int = 1) -> list[int]:
        """Values as the board answered. Raises CommandRefused for a setting that was another one."""
        return [self._answer(command) for command in commands]

    def write_block(self, address: int, words: Sequence[int], *, name: str = "", tries: int = 1) -> None:
        """Raises CommandRefused: nothing can be loaded into a recording."""
        self.run([Command(name, address, words=tuple(words))])

    def _answer(self, command: Command) -> int:
        address, register = command.address, BY_ADDRESS.get(command.address)
        if register is None:
            raise CommandRefused(f"the {command}: a recording has no register at {address:#x}")
        if command.type is CommandType.READ:
            return self._read(address)
        word = command.value or 0
        if address == _COMMAND:
            if word & _DISARM:
                self._armed = False
            if word & _ARM:
                self._start()
        elif command.words or register.access is Access.PULSE:
            raise CommandRefused(f"the {command}: nothing can be loaded into a recording")
        elif address in _FREE:
            self._registers[address] = word
        elif self._registers[address] != register.from_word(word & 0xFFFF_FFFF):
            raise CommandRefused(
                f"{register.name} was {self._registers[address]} in the recording; a replay cannot change it to {word}"
            )
        return self._registers[address] & 0xFFFF_FFFF

    def _read(self, address: int) -> int:
        if address == _STATE:
            return _ARMED if self._armed else 0
        if address in (_TRIGGERED, _DROPPED) and self._ended:
            count = self._notes.registers.get(address)
            if count is None:
                raise CaptureFileError(
                    f"{str(self.path)!r} ends before the board told its counts: the capture did not end in an "
                    "orderly way, and what is missing after its last frame is not known"
                )
            return count
        if address == _TRIGGERED:
            return self._number + 1
        return self._dropped if address == _DROPPED else self._registers[address] & 0xFFFF_FFFF

    def close(self) -> None:
        """Close the file."""
        self._file.close()

"""Recordings: the bytes of a link in a file, and what they tell beside the frames.

A recording begins with the board's answers to reads of all its registers, and ends with those of its counts.

link -> Capture -> [Recording] -> file.edgeray -> Splitter -> packets -> Replay, ReplayChannel
                                                                 +-----> [Notes] -> registers, SeriesHeader
"""

import contextlib
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import BinaryIO

from edgeray.consumer import Consumer
from edgeray.errors import CaptureFileError
from edgeray.meta import Meta
from edgeray.protocol.kernels import Kernel
from edgeray.protocol.packets import REPLY, PacketType, ReplyStatus
from edgeray.protocol.registers import BY_ADDRESS, BY_NAME, PRODUCT_ID, PROTOCOL_VERSION, REGISTERS
from edgeray.protocol.settings import SettingError, Settings
from edgeray.series import SeriesHeader
from edgeray.splitter import Packet, Splitter

_COUNTS = (BY_NAME["triggered"].address, BY_NAME["dropped"].address)
_TAIL = 1 << 18
"""Bytes at a file's end that hold a META in any recording of a small detector."""


class Recording(Consumer):
    """Writes the bytes of the link to an open binary file, whose owner closes it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._bytes = file, 0

    def take_bytes(self, chunk: bytes) -> None:
        try:
            self._file.write(chunk)
        except OSError as error:
            # What was written until now is a good file.
            raise CaptureFileError(f"the recording stopped after {self._bytes} bytes: {error}") from None
        self._bytes += len(chunk)


class Notes:
    """What a recording says of its board.

    registers : address -> the latest value that the board answered, an unsigned word.
    first : the first META that makes sense; None until it came.
    """

    def __init__(self) -> None:
        self.registers: dict[int, int] = {}
        self.first: Meta | None = None

    def note(self, packet: Packet) -> None:
        """Remember what a REPLY says, and the first META; counts of the board before that are of no series here."""
        if packet.type == PacketType.META and self.first is None:
            with contextlib.suppress(ValueError):
                self.first = Meta.unpack(packet.payload)
                for address in _COUNTS:
                    self.registers.pop(address, None)
        if packet.type == PacketType.REPLY and len(packet.payload) == REPLY.size:
            fields_ = REPLY.unpack(packet.payload)
            if fields_["status"] == ReplyStatus.OK:
                self.registers[packet.address] = fields_["value"]

    def get(self, name: str) -> int | None:
        """Value of a register, None where the recording does not say it."""
        return self.registers.get(BY_NAME[name].address)

    def settings(self, meta: Meta) -> Settings:
        """Settings of the series: as the registers have them, else as far as META tells them, others by default."""
        try:
            return Settings.from_registers(self._values(), meta.detector)
        except SettingError:
            told = {one.name for one in fields(meta)} & {one.name for one in fields(Settings)}
            size, flat = meta.kernel_size, meta.kernel_weights
            rows = tuple(flat[row * size : row * size + size] for row in range(size))
            kernel = Kernel("board", rows, meta.kernel_shift, "read from the recording")
            return replace(Settings(), **{name: getattr(meta, name) for name in told}, kernel=kernel)

    def fill(self, meta: Meta) -> dict[int, int]:
        """Registers as they were, those that the recording does not say from META: address -> value, signed."""
        detector, settings = meta.detector, self.settings(meta)
        values = {one.address + place: one.reset for one in REGISTERS for place in range(one.count)}
        geometry = {f"detector_{name}": getattr(detector, name) for name in ("rows", "columns")}
        geometry |= {name: int(getattr(detector, name)) for name in ("guard_ring", "sample_bits", "kernel_size")}
        identity = {"product_id": PRODUCT_ID, "protocol_version": PROTOCOL_VERSION, "tick_rate": meta.tick_rate}
        identity["register_map_hash"] = meta.register_map_hash
        values |= {BY_NAME[name].address: value for name, value in (geometry | identity).items()}
        values |= dict(settings.registers(detector))
        return values | self._values()

    def _values(self) -> dict[int, int]:
        """The registers that the recording says: address -> value, signed."""
        return {at: BY_ADDRESS[at].from_word(word) for at, word in self.registers.items() if at in BY_ADDRESS}

    def header(self, path: Path, meta: Meta) -> SeriesHeader:
        """Header of the series in the file at `path`, whose first META is `meta`."""
        settings = self.settings(meta)
        version = self.get("protocol_version")
        return SeriesHeader(
            source=str(path),
            detector=meta.detector,
            settings=settings,
            tick_rate=meta.tick_rate,
            protocol_version=PROTOCOL_VERSION if version is None else version,
            register_map_hash=meta.register_map_hash,
            nimages=settings.nimages,
            epoch=_epoch(path, meta),
            epoch_uncertainty=math.nan,
        )


def _epoch(path: Path, meta: Meta) -> float:
    """Guess when the board's tick 0 was: the file was last written when its last META came."""
    splitter, ticks = Splitter(plain=True), meta.timestamp
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        for packet in splitter.feed(file.read()):
            if packet.type == PacketType.META:
                try:
                    ticks = Meta.unpack(packet.payload).timestamp
                except ValueError:
                    continue
    return path.stat().st_mtime - ticks / meta.tick_rate

"""A recorded capture file (.edgeray: the bytes of the link as they came) -> the frames and the ledger it holds."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

from edgeray.capture import Series
from edgeray.closing import Closing
from edgeray.decoder import Frame
from edgeray.errors import CaptureFileError, VersionMismatch
from edgeray.ledger import Ledger
from edgeray.protocol.packets import REPLY, VERSION, PacketType, ReplyStatus
from edgeray.protocol.registers import BY_NAME, register_map_hash
from edgeray.splitter import Packet, Splitter

_CHUNK = 1 << 18
_TRIGGERED, _DROPPED = BY_NAME["triggered"].address, BY_NAME["dropped"].address


class Replay(Closing, Iterator[Frame]):
    """Iterator over the frames of a capture file, a context manager; `replay` makes one.

    Members
    -------
    ledger : Ledger as of the frames taken so far; after the last it is confirmed where the file holds the board's
        counts, that is, where the capture was ended in an orderly way.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        splitter = Splitter()
        self._series = Series(splitter.counts)
        self._frames = _frames(file, name, splitter, self._series)

    @property
    def ledger(self) -> Ledger:
        return self._series.settle()

    def __next__(self) -> Frame:
        return next(self._frames)

    def close(self) -> None:
        """Close the file before its end."""
        self._frames.close()


def replay(path: str | Path) -> Replay:
    """The frames of the capture file at `path`, read as they are asked for.

    Raises CaptureFileError where the file cannot be read; while iterating also where it holds no packet, and
    VersionMismatch where its packets are of another version or it was recorded from another register map.
    """
    try:
        return Replay(Path(path).open("rb"), str(path))
    except OSError as error:
        raise CaptureFileError(f"cannot read the capture file {str(path)!r}: {error.strerror}") from None


def _frames(file: BinaryIO, name: str, splitter: Splitter, series: Series) -> Generator[Frame, None, None]:
    counts: dict[int, int] = {}
    intact = 0
    with file:
        while True:
            chunk = file.read(_CHUNK)
            series.take_bytes(chunk)
            packets = splitter.feed(chunk) if chunk else splitter.finish()
            intact += len(packets)
            for packet in packets:
                if packet.type == PacketType.REPLY:
                    _note(packet, counts)
                else:
                    series.take_packet(packet)
            series.decode()
            meta = series.decoder.meta
            if meta is not None and meta.register_map_hash != register_map_hash():
                theirs, ours = meta.register_map_hash, register_map_hash()
                raise VersionMismatch(f"register map in {name!r}", f"{theirs:#010x}", f"{ours:#010x}")
            if not chunk:
                series.flush()
            while series.frames:
                yield series.frames.popleft()
            if not chunk:
                break
    if not intact and splitter.counts.unknown_version:
        raise VersionMismatch(f"packet version in {name!r}", "another", str(VERSION))
    if not intact:
        raise CaptureFileError(f"{name!r} holds no edgeray packet in its {series.ledger.bytes} bytes")
    if _TRIGGERED in counts and _DROPPED in counts:
        series.confirm(counts[_TRIGGERED], counts[_DROPPED])


def _note(packet: Packet, counts: dict[int, int]) -> None:
    """Remember the board's latest answer to a read of `triggered` or `dropped`."""
    if len(packet.payload) == REPLY.size:
        fields = REPLY.unpack(packet.payload)
        if fields["status"] == ReplyStatus.OK:
            counts[packet.address] = fields["value"]

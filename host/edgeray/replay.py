"""A recorded capture file (.edgeray: the bytes of the link as they came) -> the frames and the ledger it holds."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from edgeray.closing import Closing
from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.errors import CaptureFileError, VersionMismatch
from edgeray.intake import Intake
from edgeray.ledger import Ledger
from edgeray.meta import Meta
from edgeray.protocol.packets import VERSION, PacketType
from edgeray.protocol.registers import register_map_hash
from edgeray.recording import Notes
from edgeray.series import SeriesHeader
from edgeray.splitter import Splitter

_CHUNK = 1 << 18


class Replay(Closing, Iterator[Frame]):
    """Iterator over the frames of a capture file, a context manager; `replay` makes one.

    Members
    -------
    ledger : Ledger as of the frames taken so far; after the last it is confirmed where the file holds the board's
        counts, that is, where the capture was ended in an orderly way.
    """

    def __init__(self, file: BinaryIO, path: Path, consumers: Sequence[Consumer]) -> None:
        splitter = Splitter()
        self._path, self._notes = path, Notes()
        self._intake = Intake(splitter.counts, consumers)
        self._frames = _frames(file, path, splitter, self._intake, self._notes)
        self._first: Frame | None = None

    @property
    def ledger(self) -> Ledger:
        return self._intake.settle()

    @property
    def header(self) -> SeriesHeader:
        """What the series began with, read up to its first frame. Raises what iterating raises.

        CaptureFileError : the file holds no frame.
        """
        if self._notes.first is None:
            self._first = next(self._frames, None)
        if self._notes.first is None:
            raise CaptureFileError(f"{str(self._path)!r} holds no frame")
        return self._notes.header(self._path, self._notes.first)

    def __next__(self) -> Frame:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return next(self._frames)

    def run(self) -> Ledger:
        """Take all frames, for the consumers alone; returns the ledger. Raises what iterating raises."""
        for _ in self:
            pass
        return self.ledger

    def close(self) -> None:
        """Close the file before its end."""
        self._frames.close()


def replay(path: str | Path, consumers: Sequence[Consumer] = ()) -> Replay:
    """The frames of the capture file at `path`, read as they are asked for; `consumers` get them too.

    Raises CaptureFileError where the file cannot be read; while iterating also where it holds no packet, and
    VersionMismatch where its packets are of another version or it was recorded from another register map; what a
    consumer raises.
    """
    try:
        return Replay(Path(path).open("rb"), Path(path), consumers)
    except OSError as error:
        raise CaptureFileError(f"cannot read the capture file {str(path)!r}: {error.strerror}") from None


def _frames(
    file: BinaryIO, path: Path, splitter: Splitter, intake: Intake, notes: Notes
) -> Generator[Frame, None, None]:
    intact, has_begun, name = 0, False, str(path)
    ending: BaseException | None = None
    try:
        while True:
            chunk = file.read(_CHUNK)
            intake.take_bytes(chunk)
            packets = splitter.feed(chunk) if chunk else splitter.finish()
            intact += len(packets)
            for packet in packets:
                notes.note(packet)
                if notes.first is not None and not has_begun:
                    has_begun = True
                    _begin(path, notes.first, intake, notes)
                if packet.type != PacketType.REPLY:
                    intake.take_packet(packet)
            intake.decode()
            if not chunk:
                intake.flush()
            while intake.frames:
                yield intake.frames.popleft()
            if intake.failure is not None:
                raise intake.failure
            if not chunk:
                break
        if not intact and splitter.counts.unknown_version:
            raise VersionMismatch(f"packet version in {name!r}", "another", str(VERSION))
        if not intact:
            raise CaptureFileError(f"{name!r} holds no edgeray packet in its {intake.ledger.bytes} bytes")
        triggered, dropped = notes.get("triggered"), notes.get("dropped")
        if triggered is not None and dropped is not None:
            intake.confirm(triggered, dropped)
    except BaseException as error:
        ending = error
        raise
    finally:
        file.close()
        intake.conclude(ending)


def _begin(path: Path, meta: Meta, intake: Intake, notes: Notes) -> None:
    """Tell the consumers of the series whose first META this is."""
    if meta.register_map_hash != register_map_hash():
        theirs, ours = meta.register_map_hash, register_map_hash()
        raise VersionMismatch(f"register map in {str(path)!r}", f"{theirs:#010x}", f"{ours:#010x}")
    if intake.is_followed:
        intake.begin(notes.header(path, meta))

"""The bytes of the link as they came: what `edgeray.replay` and `edgeray audit` read.

Capture -> [StreamWriter] -> NAME.edgeray
"""

from pathlib import Path

from edgeray.consumer import Consumer
from edgeray.files.errors import FileWriteError, reason
from edgeray.files.part import Part
from edgeray.ledger import Ledger
from edgeray.series import SeriesHeader

_BALLAST = 1 << 20


class StreamWriter(Consumer):
    """Records one series; `NAME.part` until it is over. Every byte is the system's at once: nothing is flushed.

    Parameters and errors are those of `edgeray.files.frame_writer.FrameWriter`.
    """

    def __init__(self, path: str | Path, *, overwrite: bool = False) -> None:
        self.path, self.overwrite = Path(path), overwrite
        self.bytes = 0
        self._rest = b""
        self._begun = False

    def begin(self, header: SeriesHeader) -> None:
        self._part = Part(self.path, overwrite=self.overwrite, ballast=_BALLAST)
        try:
            self._file = self._part.path.open("wb", buffering=0)
        except OSError as error:
            self._part.discard()
            raise FileWriteError(f"{str(self.path)!r} cannot be written: {reason(error)}") from None
        self._begun = True

    def take_bytes(self, chunk: bytes) -> None:
        if not self._begun or self._rest:
            return
        self._rest = chunk
        try:
            self._write()
        except OSError as error:
            raise FileWriteError(
                f"{str(self.path)!r} could not be written on: {reason(error)}; it holds the first {self.bytes} bytes"
            ) from None

    def _write(self) -> None:
        while self._rest:
            written = self._file.write(self._rest)
            self.bytes += written
            self._rest = self._rest[written:]

    def end(self, ledger: Ledger) -> None:
        if not self._begun:
            return
        self._begun = False
        self._part.release()
        try:
            try:
                self._write()
            finally:
                self._file.close()
            self._part.finish()
        except OSError as error:
            raise FileWriteError(f"{str(self._part.path)!r} could not be ended: {reason(error)}") from None

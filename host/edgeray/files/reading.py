"""Files of frames, read again: NeXus and recordings, also those that a run left unfinished.

NAME.nxs, NAME.edgeray -> [read] -> Run -> header, frames, ledger; play -> any Consumer
"""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from edgeray import settings_file
from edgeray.closing import Closing
from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.files.errors import FileReadError, reason
from edgeray.files.part import SUFFIX
from edgeray.ledger import Ledger
from edgeray.protocol.detector import Detector
from edgeray.protocol.settings import Settings
from edgeray.replay import replay
from edgeray.series import SeriesHeader

_HDF5 = b"\x89HDF\r\n\x1a\n"
NEXUS_SUFFIXES = (".nxs", ".h5", ".hdf5")
_FOREIGN = {
    b"II*\0": "a TIFF", b"MM\0*": "a TIFF", b"II+\0": "a TIFF", b"\x89PNG": "a PNG", b"PK\3\4": "an NPZ",
    b"\x93NUM": "an .npy file",
}  # fmt: skip
"""What else `edgeray` writes: without what the wire told of every frame."""


class Run(Closing):
    """One series in a file, a context manager.

    Members
    -------
    path : of the file.
    kind : "NeXus" or "recording".
    header : what the series began with.
    """

    path: Path
    kind: str
    header: SeriesHeader

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Its frames, read as they are asked for, from the first on. Raises FileReadError where it is damaged."""

    @abstractmethod
    def play(self, *consumers: Consumer) -> Ledger:
        """Have `consumers` follow the series as if it came now; returns its ledger.

        Raises FileReadError where the file is damaged, and what a consumer raises; what came before it was taken.
        """


def read(path: str | Path) -> Run:
    """The series in the NeXus file or recording at `path`; `NAME.part` too, then what was saved of it.

    Raises FileReadError where there is no such file, or it holds no series; CaptureFileError and VersionMismatch as
    `edgeray.replay`.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(len(_HDF5))
    except OSError as error:
        raise FileReadError(f"{str(path)!r} cannot be read: {reason(error)}") from None
    if head == _HDF5:
        from edgeray.files.nexus_run import NexusRun

        return NexusRun(path)
    if Path(path.name.removesuffix(SUFFIX)).suffix.lower() in NEXUS_SUFFIXES:
        raise FileReadError(f"{str(path)!r} is no HDF5 file: it is empty, damaged, or was named wrongly")
    if head[:4] in _FOREIGN:
        raise FileReadError(
            f"{str(path)!r} is {_FOREIGN[head[:4]]}, which does not hold all of a series: take the .nxs or .edgeray"
        )
    return RecordedRun(path)


class RecordedRun(Run):
    """A recording: the bytes of a link."""

    kind = "recording"

    def __init__(self, path: Path) -> None:
        self.path = path
        with replay(path) as begun:
            self.header = begun.header

    def __iter__(self) -> Iterator[Frame]:
        with replay(self.path) as played:
            yield from played

    def play(self, *consumers: Consumer) -> Ledger:
        with replay(self.path, consumers) as played:
            return played.run()

    def close(self) -> None:
        """Nothing is open between two calls."""


def settings_of(path: str | Path, detector: Detector, tick_rate: int) -> Settings:
    """The settings that the series in the file at `path` was taken with, for a board with `detector` and `tick_rate`.

    Raises what `read` raises, and as `edgeray.settings_file.read` where the settings are not for such a board.
    """
    with read(path) as run:
        header = run.header
    written = settings_file.text(header.settings, header.detector, header.tick_rate)
    return settings_file.parse(written, detector, str(path)).settings(Settings(), detector, tick_rate)

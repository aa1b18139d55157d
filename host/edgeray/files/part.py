"""`NAME.part`: the file that is being written, the room to end it in, and its renaming to NAME."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

from edgeray.files.errors import FileWriteError, reason

SUFFIX = ".part"


def part_of(path: Path) -> Path:
    """Where `path` is written until it is complete."""
    return path.with_name(path.name + SUFFIX)


class Part:
    """An empty `NAME.part`, made at once so that what can fail fails before anything is exposed.

    Parameters
    ----------
    path : the final name.
    overwrite : replace a file of that name, at the end, and one that an earlier run left unfinished, now.
    ballast : bytes that are kept back on the disk until `release`, to end the file in where the disk is full.

    Raises
    ------
    FileWriteError : no such folder, a folder that cannot be written to, files that are there already, a full disk.
    """

    def __init__(self, path: Path, *, overwrite: bool, ballast: int) -> None:
        self.final, self.path, self._overwrite = path, part_of(path), overwrite
        self._ballast: BinaryIO | None = None
        if not path.parent.is_dir():
            raise FileWriteError(f"{str(path)!r} cannot be written: there is no folder {str(path.parent)!r}")
        if path.is_dir():
            raise FileWriteError(f"{str(path)!r} cannot be written: it is a folder")
        if path.exists() and not overwrite:
            raise FileWriteError(f"{str(path)!r} exists: take another name, or overwrite it")
        try:
            self.path.open("wb" if overwrite else "xb").close()
        except FileExistsError:
            raise FileWriteError(
                f"{str(self.path)!r} exists: it is being written, or a run that broke off left it; save what it holds "
                "with `edgeray convert`, or overwrite it"
            ) from None
        except OSError as error:
            raise FileWriteError(f"{str(path)!r} cannot be written: {reason(error)}") from None
        try:
            # Anonymous: where this process is killed, it is gone.
            self._ballast = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
            self._fill(self._ballast, ballast)
        except OSError as error:
            self.discard()
            raise FileWriteError(f"{str(path)!r} cannot be written: {reason(error)}") from None

    @staticmethod
    def _fill(file: BinaryIO, size: int) -> None:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.write(bytes(size))
            file.flush()

    def require(self, size: int) -> None:
        """FileWriteError unless the disk has room for `size` bytes."""
        if shutil.disk_usage(self.path.parent).free < size:
            raise FileWriteError(f"{str(self.path)!r} cannot be written on: there is no space left on the disk")

    def release(self) -> None:
        """Give the ballast back to the disk."""
        if self._ballast is not None:
            self._ballast.close()
            self._ballast = None

    def finish(self) -> None:
        """The file is closed: make sure that it is on the disk, and give it its name.

        Raises FileWriteError where a file of that name was made since; OSError.
        """
        self.release()
        if self.final.exists() and not self._overwrite:
            raise FileWriteError(f"{str(self.final)!r} was made meanwhile: what came is in {str(self.path)!r}")
        _sync(self.path)
        self.path.replace(self.final)
        with contextlib.suppress(OSError):  # not every system opens folders
            _sync(self.final.parent)

    def discard(self) -> None:
        """Nothing came of it."""
        self.release()
        self.path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

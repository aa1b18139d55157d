"""Files of frames: written while a series runs, read again, converted, shown.

Consumer <- writer(path): .nxs .h5 .hdf5, .tif .tiff, .png or a folder, .npz, .edgeray
"""

from pathlib import Path

from edgeray.consumer import Consumer
from edgeray.files.errors import FileReadError, FileWriteError

__all__ = ["FileReadError", "FileWriteError", "writer"]


def writer(path: str | Path, *, overwrite: bool = False) -> Consumer:
    from edgeray.files.nexus import NexusWriter

    return NexusWriter(path, overwrite=overwrite)

"""Files of frames: written while a series runs, read again, converted, shown.

Capture -> writer(path) -> NAME.nxs ... -> read(path) -> Run -> any Consumer
"""

from importlib import import_module
from pathlib import Path

from edgeray.consumer import Consumer
from edgeray.files.errors import FileReadError, FileWriteError
from edgeray.files.part import part_of
from edgeray.files.reading import Run, read, settings_of
from edgeray.ledger import Ledger

__all__ = ["SUFFIXES", "FileReadError", "FileWriteError", "Run", "convert", "read", "settings_of", "writer"]

_NEXUS, _TIFF, _PNG = ("nexus", "NexusWriter"), ("tiff", "TiffWriter"), ("png", "PngWriter")
SUFFIXES = {
    ".nxs": _NEXUS, ".h5": _NEXUS, ".hdf5": _NEXUS, ".tif": _TIFF, ".tiff": _TIFF, ".png": _PNG, "": _PNG,
    ".npz": ("npz", "NpzWriter"), ".edgeray": ("stream", "StreamWriter"),
}  # fmt: skip
"""Suffix -> module and class of its writer; a name without one is a folder of PNGs."""


def writer(path: str | Path, *, overwrite: bool = False) -> Consumer:
    """Writes the series that it follows to `path`; the format is chosen by the suffix.

    .nxs .h5 .hdf5 NeXus; .tif .tiff multi-page TIFF; .png, a folder, or no suffix a sequence of PNGs; .npz; .edgeray
    the bytes of the link. It is `NAME.part` until the series is over. docs/files.md tells what is in each.

    Raises FileWriteError for another suffix, or where a library for the format is not installed; later what
    `edgeray.files.frame_writer.FrameWriter` raises.
    """
    path = Path(path)
    found = SUFFIXES.get("" if path.is_dir() else path.suffix.lower())
    if found is None:
        known = ", ".join(suffix for suffix in SUFFIXES if suffix)
        raise FileWriteError(
            f"{str(path)!r}: no format has the suffix {path.suffix!r}; take one of {known}, or a folder"
        )
    module, name = found
    try:
        made: Consumer = getattr(import_module(f"edgeray.files.{module}"), name)(path, overwrite=overwrite)
    except ModuleNotFoundError as error:
        raise FileWriteError(f"{str(path)!r} needs the library {error.name!r}: pip install 'edgeray[images]'") from None
    return made


def convert(source: str | Path, target: str | Path, *, overwrite: bool = False) -> Ledger:
    """Write the series in the file `source` to `target`, in the format of its suffix; returns its ledger.

    A `NAME.part` that a killed writer left becomes a file of what was saved; it stays where it is.

    Raises what `read` and `writer` raise.
    """
    source, target = Path(source), Path(target)
    with read(source) as run:
        if target.suffix.lower() == ".edgeray":
            raise FileWriteError(f"{str(target)!r}: a recording is made of a board's bytes; copy it, or capture one")
        if part_of(target).resolve() != source.resolve():
            return run.play(writer(target, overwrite=overwrite))
        # What is to be saved has the name that the new file would have until it is complete.
        if target.exists() and not overwrite:
            raise FileWriteError(f"{str(target)!r} exists: take another name, or overwrite it")
        saved = target.with_name(f"{target.stem}.saved{target.suffix}")
        ledger = run.play(writer(saved, overwrite=overwrite))
        saved.replace(target)
        return ledger

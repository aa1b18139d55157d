"""Calibrations as HDF5 files in the manner of NeXus, one group a step.

    /  NXroot @default=entry @creator
    /entry NXentry: title, format
    /entry/instrument/detector NXdetector: rows, columns, ..., pixel_mask, flatfield
    /entry/dark, flat, mask, threshold/<name>, bias  NXcollection @checksum: a dataset for every member of the step
    /entry/picture NXdata: what a viewer shows, the flat's response or the dark

Every step has its checksum and, in `provenance/parents`, those of the steps it builds on: a file that does not hold
together is refused.
"""

import contextlib
import io
from dataclasses import fields, is_dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import numpy as np

from edgeray.calibration.bias import BiasCalibration
from edgeray.calibration.calibration import Calibration
from edgeray.calibration.dark import Dark
from edgeray.calibration.errors import CalibrationFileError
from edgeray.calibration.flat import Flat
from edgeray.calibration.mask import UserMask
from edgeray.calibration.provenance import checksum
from edgeray.calibration.threshold import Threshold
from edgeray.files.part import part_of
from edgeray.protocol.detector import Detector
from edgeray.protocol.registers import Convolution

if TYPE_CHECKING:
    import h5py

FORMAT = "edgeray calibration 1"
"""Counts up whenever a step gets other members, so that a checksum is only ever compared with one of the same kind."""
STEPS: dict[str, type[Any]] = {"dark": Dark, "flat": Flat, "mask": UserMask, "bias": BiasCalibration}


def check_writable(path: Path) -> None:
    """Raises CalibrationFileError where `write` could not begin: to be heard of before a series, not after it."""
    part = part_of(path)
    try:
        part.touch()
        part.unlink()
    except OSError as error:
        raise CalibrationFileError(f"the calibration {path} cannot be written: {error.strerror}") from None


def write(path: Path, calibration: Calibration) -> None:
    """Write `calibration` beside `path`, then put it in its place. Raises CalibrationFileError."""
    import h5py

    # Made in memory: the HDF5 library does not survive a disk that becomes full.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        _fill(file, calibration)
    part = part_of(path)
    try:
        part.write_bytes(content.getvalue())
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise CalibrationFileError(f"the calibration {path} cannot be written: {error.strerror}") from None


def read(path: Path) -> Calibration:
    """The calibration in the file at `path`. Raises CalibrationFileError."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            found = _text(file, "entry/format")
            if found != FORMAT:
                raise CalibrationFileError(
                    f"{path} is no calibration that this version reads: its format is {found!r}, not {FORMAT!r}"
                )
            entry = file["entry"]
            calibration = Calibration(
                detector=_detector(entry["instrument/detector"]),
                **{name: _step(path, entry[name], kind) for name, kind in STEPS.items() if name in entry},
                thresholds={
                    step.name: step
                    for step in (_step(path, group, Threshold) for group in entry.get("threshold", {}).values())
                },
                path=path,
            )
    except FileNotFoundError:
        raise CalibrationFileError(f"there is no calibration {path}: make one with edgeray calibrate dark") from None
    except CalibrationFileError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise CalibrationFileError(f"{path} cannot be read as a calibration: {error}") from None
    _check_parents(path, calibration)
    return calibration


def _fill(file: "h5py.File", calibration: Calibration) -> None:
    from importlib import metadata

    file.attrs.update(NX_class="NXroot", default="entry", creator=f"edgeray {metadata.version('edgeray')}")
    entry = _group(file, "entry", "NXentry")
    entry.attrs["default"] = "picture"
    entry["title"], entry["format"] = "edgeray detector calibration", FORMAT
    detector = _group(_group(entry, "instrument", "NXinstrument"), "detector", "NXdetector")
    for one in fields(Detector):
        value = getattr(calibration.detector, one.name)
        detector[one.name] = value.name if isinstance(value, IntEnum) else value
    detector["pixel_mask"] = calibration.pixel_mask
    if calibration.flat is not None:
        detector["flatfield"] = calibration.flat.gain
    for name in STEPS:
        step = getattr(calibration, name)
        if step is not None:
            _put(entry, name, step).attrs["checksum"] = checksum(step)
    if calibration.thresholds:
        thresholds = _group(entry, "threshold", "NXcollection")
        for name, step in calibration.thresholds.items():
            _put(thresholds, name.replace("/", "_"), step).attrs["checksum"] = checksum(step)
    shown = "flat/response" if calibration.flat is not None else "dark/mean" if calibration.dark is not None else None
    if shown:
        picture = _group(entry, "picture", "NXdata")
        picture.attrs["signal"] = "image"
        picture["image"] = entry[shown]
        entry[shown].attrs["interpretation"] = "image"


def _group(parent: "h5py.Group", name: str, kind: str) -> "h5py.Group":
    group = parent.create_group(name)
    group.attrs["NX_class"] = kind
    return group


def _put(parent: "h5py.Group", name: str, value: Any) -> Any:
    """Write a dataclass, dictionary or tuple as a group, anything else as a dataset."""
    if is_dataclass(value):
        value = {one.name: getattr(value, one.name) for one in fields(value)}
    elif isinstance(value, tuple):
        value = {str(place): one for place, one in enumerate(value)}
    if isinstance(value, dict):
        group = _group(parent, name, "NXcollection")
        for key, one in value.items():
            _put(group, key, one)
        return group
    if isinstance(value, np.ndarray) and value.dtype == np.bool_:
        # HDF5's booleans are an enumeration that few programs read.
        parent[name] = value.astype(np.uint8)
        parent[name].attrs["boolean"] = 1
    elif isinstance(value, np.ndarray):
        parent.create_dataset(name, data=value, compression="gzip", compression_opts=1, shuffle=True)
    else:
        parent[name] = int(value) if isinstance(value, bool) else value
    return parent[name]


def _step(path: Path, group: "h5py.Group", kind: type[Any]) -> Any:
    step = _get(group, kind)
    if checksum(step) != _as_text(group.attrs["checksum"]):
        raise CalibrationFileError(
            f"{path} is damaged or was changed: {group.name} is not what its checksum says; make the calibration again"
        )
    return step


def _get(node: Any, kind: Any) -> Any:
    """What `_put` wrote, as an object of the type `kind`."""
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{one.name: _get(node[one.name], hints[one.name]) for one in fields(kind)})
    if get_origin(kind) is dict:
        return {key: _get(one, get_args(kind)[1]) for key, one in node.items()}
    if get_origin(kind) is tuple:
        return tuple(_get(node[str(place)], get_args(kind)[0]) for place in range(len(node)))
    value = node[()]
    if get_origin(kind) is np.ndarray:
        return value.astype(np.bool_) if "boolean" in node.attrs else value
    return _as_text(value) if kind is str else kind(value)


def _detector(group: "h5py.Group") -> Detector:
    values: dict[str, Any] = {
        one.name: int(group[one.name][()]) for one in fields(Detector) if one.name != "convolution"
    }
    return Detector(**values, convolution=Convolution[_as_text(group["convolution"][()])])


def _check_parents(path: Path, calibration: Calibration) -> None:
    """What builds on a step builds on the one in this file. Raises CalibrationFileError."""
    now = calibration.checksums
    steps: list[Any] = [calibration.flat, *calibration.thresholds.values()]
    for step in steps:
        for name, parent in step.provenance.parents.items() if step is not None else ():
            if now.get(name) != parent:
                raise CalibrationFileError(
                    f"{path} does not hold together: a {type(step).__name__.lower()} in it was made with another "
                    f"{name}; make it again"
                )


def _text(file: "h5py.File", name: str) -> str | None:
    return _as_text(file[name][()]) if name in file else None


def _as_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

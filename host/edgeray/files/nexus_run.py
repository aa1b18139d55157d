"""A NeXus file that `edgeray.files.nexus` wrote, or is writing, read again as the series that it was.

NAME.nxs -> [NexusRun] -> SeriesHeader, Frames
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeAlias

import h5py
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from edgeray import settings_file
from edgeray.calibration import Calibration, CalibrationError
from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.files.batch import NUMBERS
from edgeray.files.errors import FileReadError, reason
from edgeray.files.layout import CALIBRATION, COLLECTION, CONFIGURATION, DETECTOR, INSTRUMENT, LEDGER
from edgeray.files.nexus import INCOMPLETE
from edgeray.files.reading import Run
from edgeray.instrument import Instrument
from edgeray.ledger import Ledger
from edgeray.meta import Meta
from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.packets import META
from edgeray.protocol.registers import Convolution, ReadoutMode, ThresholdMode
from edgeray.protocol.settings import SettingError, Settings
from edgeray.series import FrameKind, SeriesHeader
from edgeray.settings_file import SettingsFileError

BATCH = 256
_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError, AttributeError, CalibrationError,
           GeometryError, SettingError, SettingsFileError, ValidationError)  # fmt: skip

_Metas: TypeAlias = tuple[npt.NDArray[np.int64], list[Meta]]


class NexusRun(Run):
    """The series in a NeXus file; see `Run`.

    frames : how many are in the file.
    finished : the writer ended the file; else it was killed, or is at work.
    """

    kind = "NeXus"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = _open(path)
        try:
            with _reading(path):
                if f"{COLLECTION}/n_saved" not in self._file:
                    raise FileReadError(f"{str(path)!r} is an HDF5 file, but none that edgeray wrote")
                self._collection = self._file[COLLECTION]
                self.header = self._header()
                self.finished = bool(self._collection["finished"][()])
                self.frames = self._count()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Frame]:
        for frames in self._batches():
            yield from frames

    def play(self, *consumers: Consumer) -> Ledger:
        ledger = self.ledger
        with contextlib.ExitStack() as ends:
            for one in consumers:
                ends.callback(one.end, ledger)
                one.begin(self.header)
            for frames in self._batches():
                for one in consumers:
                    one.take(frames)
        return ledger

    @property
    def ledger(self) -> Ledger:
        """As of the last frame that was saved; of a finished file the whole series'."""
        with _reading(self.path):
            members = {member: int(self._collection[name][()]) for name, member in LEDGER.items()}
            del members["lost_on_link"]
            return Ledger(**members, confirmed=bool(self._collection["ledger_confirmed"][()]))

    def _count(self) -> int:
        """Frames of which everything is in the file."""
        detector = self._file[DETECTOR]
        columns = [detector[name] for name in ("data", "start_time", "sequence_number", "image_key")]
        columns += [self._collection[name] for name in ("frame_status", "time_source", "wire_bytes", "rows_received")]
        lengths = [len(column) for column in columns]
        saved = int(self._collection["n_saved"][()])
        if self.finished and min(lengths) < saved:
            raise FileReadError(f"{str(self.path)!r} is damaged: it says {saved} frames, but holds {min(lengths)}")
        return min(saved, *lengths)

    def _number(self, name: str) -> int:
        return int(self._collection[name][()])

    def _text(self, name: str) -> str:
        return str(self._file[name].asstr()[()])

    def _header(self) -> SeriesHeader:
        convolution = Convolution[self._text(f"{COLLECTION}/convolution")]
        rows, columns = self._number("detector_rows"), self._number("detector_columns")
        named = {name: self._number(name) for name in ("guard_ring", "kernel_size", "sample_bits")}
        detector = Detector(rows=rows, columns=columns, convolution=convolution, **named)
        rate = self._number("tick_rate")
        said = settings_file.parse(self._text(CONFIGURATION), detector, str(self.path))
        header = SeriesHeader(
            source=self._text(f"{COLLECTION}/source"),
            detector=detector,
            settings=said.settings(Settings(), detector, rate),
            tick_rate=rate,
            protocol_version=self._number("protocol_version"),
            register_map_hash=self._number("regmap_hash"),
            nimages=self._number("nimages"),
            epoch=float(self._collection["epoch"][()]),
            epoch_uncertainty=float(self._collection["epoch_uncertainty"][()]),
            kind=FrameKind(self._number("kind")),
            calibration=self._calibration(),
        )
        told = Instrument.model_validate_json(self._text(INSTRUMENT)) if INSTRUMENT in self._file else None
        return replace(header, instrument=told)

    def _calibration(self) -> Calibration | None:
        """The calibration whose file was kept."""
        if CALIBRATION not in self._file:
            return None
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder, "calibration.h5")
            copy.write_bytes(self._file[CALIBRATION][()].tobytes())
            calibration = Calibration.load(copy)
        name = f"{COLLECTION}/calibration/calibration_file"
        return replace(calibration, path=Path(self._text(name)) if name in self._file else None)

    def _batches(self) -> Iterator[list[Frame]]:
        with _reading(self.path):
            metas = self._metas()
            places = {
                image_id: place for place, image_id in enumerate(self._file[DETECTOR]["audit/image_id"][()].tolist())
            }
            generation = self._number("generation")
        for start in range(0, self.frames, BATCH):
            with _reading(self.path):
                frames = self._frames(slice(start, min(start + BATCH, self.frames)), metas, places, generation)
            yield frames

    def _metas(self) -> _Metas:
        """Numbers of the frames that METAs stand before, and the METAs."""
        header, settings = self.header, self.header.settings
        named = {one.name for one in fields(Settings)} | {one.name for one in fields(Detector)}
        values: dict[str, int] = {one.name: 0 for one in META}
        values |= {
            one.name: int(getattr(settings if hasattr(settings, one.name) else header.detector, one.name))
            for one in META
            if one.name in named
        }
        values |= {"tick_rate": header.tick_rate, "register_map_hash": header.register_map_hash}
        kernel = settings.kernel.padded(header.detector.kernel_size)
        values["kernel_shift"] = kernel.shift
        weights = np.array(kernel.flat, np.int8).tobytes()
        columns = {name: self._collection[f"meta/{name}"][()].tolist() for name in NUMBERS}
        metas = []
        for numbers in zip(*columns.values(), strict=True):
            # Through the wire's own record, so that METAs of the same settings share what follows from them.
            payload = META.pack({**values, **dict(zip(NUMBERS, numbers, strict=True))}) + weights
            metas.append(Meta.unpack(payload.ljust(-(-len(payload) // 4) * 4, b"\0")))
        return np.array(columns["image_id"], np.int64), metas

    def _frames(
        self, part: slice, metas: _Metas, audits: dict[int, int],
        generation: int,
    ) -> list[Frame]:  # fmt: skip
        detector, settings = self._file[DETECTOR], self.header.settings
        values = detector["data"][part]
        image_ids = detector["sequence_number"][part]
        rows = self._collection["rows_received"][part].astype(np.bool_)
        complete = (self._collection["frame_status"][part] & INCOMPLETE == 0).tolist()
        wire_bytes = self._collection["wire_bytes"][part].tolist()
        every = settings.readout_mode == ReadoutMode.RAW or settings.threshold_mode == ThresholdMode.OFF
        kept = np.broadcast_to(rows[:, :, None], values.shape) if every else values != 0
        known, made = metas
        in_force = (np.searchsorted(known, image_ids, "right") - 1).tolist()
        frames = []
        for place, image_id in enumerate(image_ids.tolist()):
            frame = Frame(
                image_id, values[place], kept[place], rows[place], made[in_force[place]], generation,
                wire_bytes[place], complete[place],
            )  # fmt: skip
            if image_id in audits:
                frame.pixels = detector["audit/pixels"][audits[image_id]]
                frame.pixel_rows_received = detector["audit/rows_received"][audits[image_id]].astype(np.bool_)
            frames.append(frame)
        return frames


def _open(path: Path) -> Any:
    """The open file. One that is being written, or whose writer was killed, can be read in SWMR mode alone.

    On a file that is cut short HDF5 would wait in that mode for the rest, for ever.
    """
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if any(text in str(error) for text in ("already open for write", "unable to lock")):
            with contextlib.suppress(OSError):
                return h5py.File(path, "r", swmr=True)
    raise FileReadError(f"{str(path)!r} cannot be read as HDF5: it is cut short, damaged, or locked by its writer")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Whatever a damaged file raises, as FileReadError."""
    try:
        yield
    except _DAMAGE as error:
        raise FileReadError(f"{str(path)!r} is damaged: {reason(error)}") from None

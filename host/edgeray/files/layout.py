"""The parts of a NeXus file that do not grow: who, what, with which settings; docs/files.md shows the whole.

SeriesHeader -> [layout] -> groups and scalars
"""

import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import edgeray.settings_file
from edgeray.files.h5 import Group, group, scalar, text
from edgeray.instrument import Instrument
from edgeray.protocol.registers import GAIN_FRACTION_BITS, ReadoutMode
from edgeray.series import SeriesHeader

if TYPE_CHECKING:
    from edgeray.calibration import Calibration

GAP = 1
"""Bit of pixel_mask: no pixel that images."""
LEDGER = {
    "n_triggered": "triggered", "n_received": "received", "n_incomplete": "incomplete",
    "n_dropped_chip": "dropped_on_chip", "n_lost_link": "lost_on_link", "n_crc_bad": "crc_bad",
    "n_undecodable": "undecodable", "n_malformed": "malformed", "n_late": "late", "n_bytes": "bytes",
    "n_bytes_skipped": "bytes_skipped",
}  # fmt: skip
"""Name in the file -> member of Ledger."""
DETECTOR = "/entry/instrument/detector"
COLLECTION = f"{DETECTOR}/collection"
CONFIGURATION = "/entry/process/configuration/data"
INSTRUMENT = "/entry/process/instrument/data"
CALIBRATION = f"{COLLECTION}/calibration/file"


def create(file: Any, header: SeriesHeader) -> None:
    """Write what `header` knows into the new h5py.File `file`."""
    now = datetime.now(UTC).isoformat()
    told = header.instrument or Instrument()
    file.attrs.update(NX_class="NXroot", default="entry", creator=f"edgeray {_version()}", file_time=now)
    entry = group(file, "entry", "NXentry", default="data")
    text(entry, "title", told.title or f"edgeray: {header.kind.name.lower()} series")
    scalar(entry, "start_time", time_text(datetime.now(UTC)))
    scalar(entry, "end_time", time_text(datetime.now(UTC)))
    instrument = group(entry, "instrument", "NXinstrument")
    text(instrument, "name", told.name or "edgeray")
    detector = group(instrument, "detector", "NXdetector")
    _describe(detector, told, header)
    _read_out(detector, header)
    _calibrated(detector, header)
    _collection(detector, header)
    _surroundings(entry, instrument, told)
    process = group(entry, "process", "NXprocess")
    text(process, "program", "edgeray")
    text(process, "version", _version())
    text(process, "date", now)
    note = group(process, "configuration", "NXnote")
    text(note, "type", "application/toml")
    text(note, "description", "the settings of the readout, as `edgeray config load` takes them")
    text(note, "data", edgeray.settings_file.text(header.settings, header.detector, header.tick_rate))
    if header.instrument is not None:
        note = group(process, "instrument", "NXnote")
        text(note, "type", "application/json")
        text(note, "description", "what the user said of the instrument")
        text(note, "data", header.instrument.model_dump_json(exclude_unset=True))


def _version() -> str:
    return version("edgeray")


def time_text(moment: datetime) -> str:
    """ISO 8601, UTC, always 27 characters: it is written over at the end."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _describe(detector: Group, told: Instrument, header: SeriesHeader) -> None:
    said = told.detector
    array = header.detector
    text(detector, "description", said.description or f"edgeray readout of {array.rows}x{array.columns} pixels")
    text(detector, "type", said.type or "pixel")
    for name in ("serial_number", "local_name", "sensor_material"):
        if (value := getattr(said, name)) is not None:
            text(detector, name, value)
    step = 1 if header.settings.readout_mode == ReadoutMode.RAW else header.settings.stride
    sizes = {"sensor_thickness": said.sensor_thickness, "distance": said.distance}
    for axis in ("x_pixel_size", "y_pixel_size"):
        size = getattr(said, axis)
        sizes[axis] = None if size is None else size * step
    for name, size in sizes.items():
        if size is not None:
            scalar(detector, name, size, units="m")
    _place(detector, sizes, header)


def _place(detector: Group, sizes: dict[str, float | None], header: SeriesHeader) -> None:
    """Where the pixels are, as far as sizes and distance are known: McStas' axes, z along the beam and y up.

    Columns run against x, to the right as seen from the source, and rows against y, downwards.
    """
    module = group(detector, "module", "NXdetector_module")
    scalar(module, "data_origin", np.zeros(2, np.int32))
    scalar(module, "data_size", np.array(header.frame_shape, np.int32))
    origin = "."
    if sizes["distance"] is not None:
        along = {"transformation_type": "translation", "vector": [0.0, 0.0, 1.0], "units": "m", "depends_on": "."}
        moved = scalar(group(detector, "transformations", "NXtransformations"), "z", sizes["distance"], **along)
        origin = moved.name
        text(detector, "depends_on", origin)
    if sizes["x_pixel_size"] is not None:
        none = {"transformation_type": "translation", "vector": [0.0, 0.0, 1.0], "units": "m"}
        offset = scalar(module, "module_offset", 0.0, **none, depends_on=origin)
        for name, axis, vector in (
            ("fast_pixel_direction", "x_pixel_size", [-1.0, 0.0, 0.0]),
            ("slow_pixel_direction", "y_pixel_size", [0.0, -1.0, 0.0]),
        ):
            step = {"transformation_type": "translation", "vector": vector, "units": "m", "depends_on": offset.name}
            scalar(module, name, sizes[axis], **step)


def _read_out(detector: Group, header: SeriesHeader) -> None:
    settings, rate = header.settings, header.tick_rate
    raw = settings.readout_mode == ReadoutMode.RAW
    scalar(detector, "count_time", settings.count_time / rate, units="s")
    scalar(detector, "frame_time", settings.frame_time / rate, units="s")
    scalar(detector, "dead_time", max(0, settings.frame_time - settings.count_time) / rate, units="s")
    scalar(detector, "bit_depth_readout", header.detector.sample_bits)
    scalar(detector, "saturation_value", header.detector.full_scale)
    scalar(detector, "underload_value", 0 if raw else -header.detector.full_scale)
    text(detector, "gain_setting", str(1 << settings.pga_gain))
    text(detector, "acquisition_mode", "triggered")


def _calibrated(detector: Group, header: SeriesHeader) -> None:
    calibration, applied = header.calibration, header.settings.correction_enabled
    scalar(detector, "pixel_mask", pixel_mask(header))
    scalar(detector, "pixel_mask_applied", bool(calibration and applied))
    scalar(detector, "flatfield_applied", bool(calibration and applied))
    whole = header.frame_shape == (header.detector.rows, header.detector.columns)
    if calibration is not None and calibration.dark is not None and whole:
        gain = calibration.correction_table().gain / (1 << GAIN_FRACTION_BITS)
        scalar(detector, "flatfield", gain.astype(np.float32))


def pixel_mask(header: SeriesHeader) -> npt.NDArray[np.uint32]:
    """uint32 of the frames' shape, bits as NXdetector has them; of a macro-pixel those of all its sub-pixels.

    Without a calibration nothing but the guard ring is masked.
    """
    detector, ring = header.detector, header.detector.guard_ring
    mask = np.zeros((detector.rows, detector.columns), np.uint32)
    if header.calibration is not None:
        mask |= header.calibration.pixel_mask
    inside = mask[ring : detector.rows - ring, ring : detector.columns - ring]
    rows, columns = header.frame_shape
    if (rows, columns) == mask.shape:
        whole = np.full_like(mask, GAP)
        whole |= mask
        whole[ring : detector.rows - ring, ring : detector.columns - ring] = inside
        return whole
    step = header.settings.stride
    blocks = inside[: rows * step, : columns * step].reshape(rows, step, columns, step)
    combined: npt.NDArray[np.uint32] = np.bitwise_or.reduce(blocks, axis=(1, 3))
    return combined


def _collection(detector: Group, header: SeriesHeader) -> None:
    settings, array = header.settings, header.detector
    collection = group(detector, "collection", "NXcollection")
    scalar(collection, "kernel", np.array(settings.kernel.weights, np.int8))
    text(collection, "kernel_name", settings.kernel.name)
    scalar(collection, "kernel_shift", settings.kernel.shift)
    for name in ("edge_threshold", "stride", "pga_gain", "pga_offset", "audit_period", "meta_period"):
        scalar(collection, name, int(getattr(settings, name)))
    for name in ("cds_enabled", "correction_enabled"):
        scalar(collection, name, bool(getattr(settings, name)))
    for name in ("trigger_mode", "readout_mode", "threshold_mode", "sample_source", "cds_polarity"):
        text(collection, name, getattr(settings, name).name)
    geometry = {"detector_rows": array.rows, "detector_columns": array.columns, "guard_ring": array.guard_ring}
    geometry |= {"kernel_size": array.kernel_size, "sample_bits": array.sample_bits}
    board = {"tick_rate": header.tick_rate, "protocol_version": header.protocol_version}
    asked = {"regmap_hash": header.register_map_hash, "nimages": header.nimages, "kind": int(header.kind)}
    for name, value in (geometry | board | asked).items():
        scalar(collection, name, value)
    text(collection, "convolution", array.convolution.name)
    text(collection, "source", header.source)
    scalar(collection, "epoch", header.epoch, units="s", meaning="UTC of the board's tick 0, seconds since 1970")
    scalar(collection, "epoch_uncertainty", header.epoch_uncertainty, units="s")
    for name in LEDGER:
        scalar(collection, name, 0)
    scalar(collection, "generation", 0)
    scalar(collection, "n_saved", 0)
    scalar(collection, "ledger_confirmed", False)
    scalar(collection, "finished", False)
    if header.calibration is not None:
        _calibration(collection, header.calibration)


def _calibration(collection: Group, calibration: "Calibration") -> None:
    """What the board was told of its pixels, in figures, and the calibration's file as it is."""
    kept = group(collection, "calibration", "NXcollection")
    if calibration.dark is not None:
        table = calibration.correction_table()
        scalar(kept, "offset", table.offset.astype(np.int32), units="code")
        scalar(kept, "masked", table.masked.astype(np.uint8))
    for name, told in calibration.summary().items():
        if isinstance(told, str):
            text(kept, name, told)
        else:
            scalar(kept, name, told)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "calibration.h5")
        calibration.save(copy)
        scalar(kept, "file", np.frombuffer(copy.read_bytes(), np.uint8))


def _surroundings(entry: Group, instrument: Group, told: Instrument) -> None:
    """Beam, source and sample, where something is said of them.

    NXmx is about diffraction: it is claimed where there is one wavelength, and pixels have a size.
    """
    mx = told.beam.energy is not None and told.detector.x_pixel_size is not None
    if mx:
        text(entry, "definition", "NXmx")
        scalar(entry, "end_time_estimated", time_text(datetime.now(UTC)))
    if told.beam.energy is not None:
        beam = group(instrument, "beam", "NXbeam")
        scalar(beam, "incident_energy", told.beam.energy, units="eV")
        scalar(beam, "incident_wavelength", told.beam.wavelength, units="angstrom")
    if mx or told.source.model_fields_set:
        source = group(entry, "source", "NXsource")
        text(source, "probe", "x-ray")
        for name, value in (("name", told.source.name), ("type", told.source.type)):
            if value is not None:
                text(source, name, value)
        if told.source.voltage is not None:
            scalar(source, "voltage", told.source.voltage, units="V")
        if told.source.current is not None:
            scalar(source, "current", told.source.current, units="A")
        if told.source.target is not None:
            text(source, "target_material", told.source.target)
        if told.source.filter is not None:
            note = group(source, "notes", "NXnote")
            text(note, "description", f"filter: {told.source.filter}")
    if mx or told.sample.model_fields_set:
        sample = group(entry, "sample", "NXsample")
        text(sample, "depends_on", ".")
        for name, value in (("name", told.sample.name), ("description", told.sample.description)):
            if value is not None:
                text(sample, name, value)

"""pyFAI's NeXus detector file: pixel size, shape and mask, for its `detector_factory`.

Instrument, Detector -> [save] -> NAME.h5
"""

from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np

from edgeray.files.errors import FileWriteError, reason
from edgeray.files.h5 import group, scalar
from edgeray.files.layout import time_text
from edgeray.instrument import Instrument, InstrumentError
from edgeray.protocol.detector import Detector

API_VERSION = "1.1"
"""Of pyFAI's detector files."""
ORIENTATION = 3
"""pyFAI's number for the first pixel at the bottom right as seen from the sample, its default."""


def save(instrument: Instrument, path: str | Path, detector: Detector, stride: int) -> None:
    """Write the file; raises InstrumentError where the pixel sizes are not said, FileWriteError, GeometryError."""
    said = instrument.detector
    if said.x_pixel_size is None or said.y_pixel_size is None:
        raise InstrumentError("a pyFAI detector needs x_pixel_size and y_pixel_size: say them in the instrument's file")
    shape = detector.frame_shape(stride)
    mask = np.zeros(shape, np.int8)
    if stride == 1:
        ring = detector.guard_ring
        mask[:] = 1
        mask[ring : detector.rows - ring, ring : detector.columns - ring] = 0
    try:
        with h5py.File(path, "w") as file:
            file.attrs.update(NX_class="NXroot", default="entry")
            entry = group(file, "entry", "NXentry", default="instrument")
            scalar(entry, "start_time", time_text(datetime.now(UTC)))
            made = group(group(entry, "instrument", "NXinstrument"), "edgeray", "NXdetector")
            scalar(made, "API_VERSION", API_VERSION)
            scalar(made, "IS_FLAT", True)
            scalar(made, "IS_CONTIGUOUS", True)
            scalar(made, "force_pixel", True)
            sizes = np.array([said.y_pixel_size, said.x_pixel_size]) * stride
            scalar(made, "pixel_size", sizes, unit="m")
            scalar(made, "shape", np.array(shape, np.int32))
            scalar(made, "max_shape", np.array(shape, np.int32))
            scalar(made, "binning", np.ones(2, np.int32))
            scalar(made, "orientation", ORIENTATION)
            scalar(made, "mask", mask, interpretation="image")
    except (OSError, RuntimeError) as error:
        raise FileWriteError(f"{str(path)!r} cannot be written: {reason(error)}") from None

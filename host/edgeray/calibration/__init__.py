"""Calibration: what every pixel of a detector adds, how much it responds, which ones are bad, where noise ends.

beam off -> measure_dark -> beam on -> measure_flat -> read_mask -> measure_threshold
                 |                         |              |               |
                 +-------------------------+--------------+---------------+-> Calibration <-> file
                                                          correction table, pixel mask, thresholds, bias table
"""

from edgeray.calibration.bias import BiasCalibration, BiasTable, bias_table, filled, read_points
from edgeray.calibration.calibration import Calibration
from edgeray.calibration.dark import Dark, measure_dark
from edgeray.calibration.errors import CalibrationError, CalibrationFileError, CalibrationMismatch, ClippedError
from edgeray.calibration.flat import Flat, measure_flat
from edgeray.calibration.mask import PixelMask, UserMask, read_mask
from edgeray.calibration.provenance import Provenance
from edgeray.calibration.threshold import Check, Threshold, measure_threshold, predict

__all__ = [
    "BiasCalibration",
    "BiasTable",
    "Calibration",
    "CalibrationError",
    "CalibrationFileError",
    "CalibrationMismatch",
    "Check",
    "ClippedError",
    "Dark",
    "Flat",
    "PixelMask",
    "Provenance",
    "Threshold",
    "UserMask",
    "bias_table",
    "filled",
    "measure_dark",
    "measure_flat",
    "measure_threshold",
    "predict",
    "read_mask",
    "read_points",
]

"""What can go wrong with a calibration: one class a cause."""

from edgeray.protocol.errors import EdgerayError


class CalibrationError(EdgerayError):
    """A step that cannot be done: one before it is missing, or what was measured makes no calibration."""


class CalibrationFileError(CalibrationError):
    """A calibration file, mask or table of points that cannot be written, read or made sense of; names it."""


class CalibrationMismatch(CalibrationError):
    """A calibration that was made for another detector, or with settings that it does not hold for; names both."""


class ClippedError(CalibrationError):
    """Too many pixels at a rail, where mean and noise are not theirs; names the setting to change."""

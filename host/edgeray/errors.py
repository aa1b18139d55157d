"""What can go wrong between a host and its board: one class a cause, so that a program can tell them apart."""

from edgeray.protocol.errors import EdgerayError as EdgerayError


class NoDeviceError(EdgerayError):
    """Nothing that is an edgeray board could be opened at the address."""


class LinkError(EdgerayError):
    """The link broke after it had been opened: cable, server or board went away."""


class DeviceTimeout(EdgerayError):
    """Something that the board owed did not come.

    Parameters
    ----------
    stalled : what was waited for and what to look at, without a full stop.
    seconds : how long it was waited for.
    """

    def __init__(self, stalled: str, seconds: float) -> None:
        super().__init__(f"nothing for {seconds:.1f} s: {stalled}")
        self.stalled, self.seconds = stalled, seconds


class VersionMismatch(EdgerayError):
    """Board (or file) and host were made from different descriptions of `what`."""

    def __init__(self, what: str, board: str, host: str) -> None:
        super().__init__(
            f"{what}: the other side has {board}, this host library has {host}; "
            "program the gateware of this edgeray version or install the edgeray version of the gateware"
        )
        self.what, self.board, self.host = what, board, host


class CommandRefused(EdgerayError):
    """The board answered that it will not do a command, or took another value than it was sent."""


class DataIncomplete(EdgerayError):
    """Frames of a series are missing; the text is the ledger."""


class CaptureFileError(EdgerayError):
    """A capture file that cannot be written, read or made sense of."""


class MosaicError(EdgerayError):
    """An image that cannot be scanned with the detector, or a window that is none of the plan."""


class AuditError(EdgerayError):
    """A board that cannot be audited."""


class UploadError(EdgerayError):
    """Samples that a board cannot take in the place of its ADC's, or that did not arrive whole."""

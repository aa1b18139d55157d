"""Host side of the edgeray X-ray detector readout.

with edgeray.open("/dev/ttyUSB0") as device:
    device.configure(kernel="laplacian", edge_threshold=20, count_time="900us")
    for frame in device.capture(100):
        ...
    print(device.ledger)
"""

from edgeray.audit import Audit, Disagreement, audit, audit_device
from edgeray.capture import Capture
from edgeray.channel import REPLY_TIMEOUT
from edgeray.consumer import Consumer
from edgeray.decoder import Decoder, Frame
from edgeray.device import Device
from edgeray.edges import edges
from edgeray.errors import (
    AuditError,
    CaptureFileError,
    CommandRefused,
    DataIncomplete,
    DeviceTimeout,
    EdgerayError,
    LinkError,
    MosaicError,
    NoDeviceError,
    UploadError,
    VersionMismatch,
)
from edgeray.injection import Injection
from edgeray.ledger import Ledger
from edgeray.link import DEFAULT_BAUDRATE
from edgeray.meta import Meta
from edgeray.mosaic import Mosaic, Stitch
from edgeray.protocol.detector import Detector, GeometryError
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.registers import SampleSource
from edgeray.protocol.settings import SettingError, Settings
from edgeray.replay import Replay, replay
from edgeray.selftest import SelfTest, selftest
from edgeray.series import FrameKind, SeriesHeader
from edgeray.splitter import Splitter
from edgeray.state import State

__all__ = [
    "KERNELS",
    "Audit",
    "AuditError",
    "Capture",
    "CaptureFileError",
    "CommandRefused",
    "Consumer",
    "DataIncomplete",
    "Decoder",
    "Detector",
    "Device",
    "DeviceTimeout",
    "Disagreement",
    "EdgerayError",
    "Frame",
    "FrameKind",
    "GeometryError",
    "Injection",
    "Kernel",
    "Ledger",
    "LinkError",
    "Meta",
    "Mosaic",
    "MosaicError",
    "NoDeviceError",
    "Replay",
    "SampleSource",
    "SelfTest",
    "SeriesHeader",
    "SettingError",
    "Settings",
    "Splitter",
    "State",
    "Stitch",
    "UploadError",
    "VersionMismatch",
    "audit",
    "audit_device",
    "edges",
    "open",
    "replay",
    "selftest",
]


def open(url: str, *, baudrate: int = DEFAULT_BAUDRATE, reply_timeout: float = REPLY_TIMEOUT) -> Device:
    """The board at `url`, ready; see `Device` for parameters and errors."""
    return Device(url, baudrate=baudrate, reply_timeout=reply_timeout)

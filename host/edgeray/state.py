"""What a device is doing, in the words of SIMPLON, DECTRIS' interface for detectors."""

from enum import StrEnum


class State(StrEnum):
    """State of a `Device`.

    NA : not available: the link is closed or broken.
    INITIALIZE : the handshake is under way.
    IDLE : settings can be changed; no series is under way.
    CONFIGURE : settings are being written.
    READY : armed, and waits for a trigger.
    ACQUIRE : frames are being taken.
    ERROR : the latest series ended by an error; the next one, or a setting, leaves it.
    """

    NA = "na"
    INITIALIZE = "initialize"
    IDLE = "idle"
    CONFIGURE = "configure"
    READY = "ready"
    ACQUIRE = "acquire"
    ERROR = "error"
